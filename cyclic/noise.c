// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/noise.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"

/* Between fork and exec in a worker; our group is the worker's, so that one kill ends all. */
static pid_t spawn(const char *const *argv, int report)
{
	pid_t parent = getpid(), pid = fork();
	int null, error;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	null = open("/dev/null", O_RDWR);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	execvp(argv[0], (char *const *)argv);
	error = errno;
	if (write(report, &error, sizeof(error)) < 0)
		_exit(126);
	_exit(127);
}

static int one_round(const char *const *argv, struct err *e)
{
	int report[2], status = 0, error = 0;
	ssize_t n;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC))
		return err_sys(e, "starting %s failed", argv[0]);
	pid = spawn(argv, report[1]);
	close(report[1]);
	n = pid < 0 ? 0 : read(report[0], &error, sizeof(error));
	close(report[0]);
	if (pid < 0)
		return err_sys(e, "starting %s failed", argv[0]);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, "waiting for %s failed", argv[0]);
	if (n == sizeof(error))
		return err_set(e, -error, "starting %s failed: %s%s", argv[0], strerror(error),
			       error == ENOENT ? "; is its package installed?" : "");
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return err_set(e, -EIO, "%s failed with %s %d", argv[0],
			       WIFEXITED(status) ? "code" : "signal",
			       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	return 0;
}

int noise_rounds(struct noise_worker *w, const char *const *argv, struct err *e)
{
	int ret = 0;

	for (; !ret; noise_count(w, !ret))
		ret = one_round(argv, e);
	return ret;
}

static void worker(struct noise_worker *w, const struct noise_kind *kind, pid_t parent)
{
	struct cpulist own = w->cpus;
	struct err *e = &w->proof->error;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	signal(SIGINT, SIG_IGN); /* a terminal's Ctrl-C is for the parent, which then ends us */
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	if (w->cpu >= 0) {
		memset(&own, 0, sizeof(own));
		cpulist_add(&own, w->cpu);
	}
	if (cpulist_pin(&own, 0, e) == 0) {
		if (kind->command)
			noise_rounds(w, kind->command, e);
		else
			kind->work(w, e);
	}
	_exit(1);
}

static int start_one(struct noise *n, struct noise_worker *w, struct err *e)
{
	pid_t parent = getpid(), pid;

	w->proof = &n->proofs[n->n];
	pid = fork();
	if (!pid)
		worker(w, n->kind, parent);
	if (pid < 0)
		return err_sys(e, "starting a worker failed");
	setpgid(pid, pid); /* also here: noise_end may come before the worker has run */
	n->pids[n->n++] = pid;
	return 0;
}

static int check(const struct noise_kind *kind, const struct cpulist *cpus, const char *dir,
		 struct err *e)
{
	struct cpulist allowed, outside;
	char text[256];

	if (cpulist_count(cpus) < kind->min_cpus)
		return err_set(e, -EINVAL, "load %s needs at least %d CPUs", kind->name,
			       kind->min_cpus);
	if (kind->needs_dir && !dir)
		return err_set(e, -EINVAL, "load %s needs --dir: a directory it may write to",
			       kind->name);
	if (cpulist_affinity(&allowed, 0, e) < 0)
		return e->code;
	outside = cpulist_minus(cpus, &allowed);
	if (!cpulist_empty(&outside))
		return err_set(e, -EINVAL, "CPU %s is offline or not in this process's cpuset",
			       cpulist_format(&outside, text, sizeof(text)));
	return 0;
}

int noise_start(struct noise *n, const struct noise_kind *kind, const struct cpulist *cpus,
		const char *dir, struct err *e)
{
	struct noise_worker w = { .cpus = *cpus, .cpu = -1, .dir = dir };
	size_t want = kind->one_worker ? 1 : cpulist_count(cpus);
	int ret;

	*n = (struct noise){ .kind = kind };
	ret = check(kind, cpus, dir, e);
	if (ret < 0)
		return ret;
	n->pids = calloc(want, sizeof(*n->pids));
	n->proofs = mmap(NULL, want * sizeof(*n->proofs), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (n->proofs == MAP_FAILED)
		n->proofs = NULL;
	if (!n->pids || !n->proofs)
		ret = err_set(e, -ENOMEM, "starting the load failed: no memory");
	if (!ret && kind->one_worker)
		ret = start_one(n, &w, e);
	else if (!ret)
		cpulist_for_each(cpu, cpus) {
			w.cpu = cpu;
			if (!ret)
				ret = start_one(n, &w, e);
		}
	if (ret < 0)
		noise_end(n);
	return ret;
}

uint64_t noise_done(const struct noise *n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n->n; i++)
		sum += atomic_load_explicit(&n->proofs[i].done, memory_order_relaxed);
	return sum;
}

int noise_alive(struct noise *n, struct err *e)
{
	for (size_t i = 0; i < n->n; i++) {
		const struct err *why = &n->proofs[i].error;
		int status;

		if (!n->pids[i] || waitpid(n->pids[i], &status, WNOHANG) != n->pids[i])
			continue;
		n->pids[i] = 0;
		if (why->code)
			return err_set(e, -ECHILD, "load %s: %.*s", n->kind->name,
				       (int)sizeof(why->text), why->text);
		return err_set(e, -ECHILD, "load %s: worker %zu was ended by signal %d",
			       n->kind->name, i, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	}
	return 0;
}

void noise_end(struct noise *n)
{
	for (size_t i = 0; i < n->n; i++)
		if (n->pids[i])
			kill(-n->pids[i], SIGKILL);
	for (size_t i = 0; i < n->n; i++)
		while (n->pids[i] && waitpid(n->pids[i], NULL, 0) < 0 && errno == EINTR)
			;
	if (n->proofs)
		munmap(n->proofs, n->n * sizeof(*n->proofs));
	free(n->pids);
	*n = (struct noise){ 0 };
}
