// SPDX-License-Identifier: GPL-2.0-only
#include "lib/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/stop.h"

/* Between fork and exec: async-signal-safe calls only. Reports errno through report and ends. */
static void child(const struct proc_opts *o, pid_t parent, int report)
{
	int in = o->in >= 0 ? o->in : open("/dev/null", O_RDONLY);
	int error;

	if (!o->same_group)
		setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it died before the line above took effect */
		_exit(127);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	if (in < 0 || dup2(in, 0) < 0 || (o->out >= 0 && dup2(o->out, 1) < 0) ||
	    (o->err >= 0 && dup2(o->err, 2) < 0))
		goto fail;
	for (size_t i = 0; i < o->n_keep; i++)
		if (fcntl(o->keep[i], F_SETFD, 0))
			goto fail;
	if (o->cwd && chdir(o->cwd))
		goto fail;
	if (o->envp)
		environ = (char **)o->envp;
	execvp(o->argv[0], o->argv);
fail:
	error = errno;
	if (write(report, &error, sizeof(error)) < 0)
		_exit(126);
	_exit(127);
}

int proc_start(struct proc *p, const struct proc_opts *o, struct err *e)
{
	pid_t parent = getpid();
	int error = 0, report[2];
	ssize_t n;

	*p = (struct proc){ 0 };
	if (pipe2(report, O_CLOEXEC))
		return err_sys(e, "starting %s failed", o->argv[0]);
	p->pid = fork();
	if (!p->pid)
		child(o, parent, report[1]);
	close(report[1]);
	if (p->pid < 0) {
		close(report[0]);
		p->pid = 0;
		return err_sys(e, "starting %s failed", o->argv[0]);
	}
	do {
		n = read(report[0], &error, sizeof(error));
	} while (n < 0 && errno == EINTR);
	close(report[0]);
	if (n == sizeof(error)) {
		waitpid(p->pid, &p->status, 0);
		p->pid = 0;
		return err_set(e, -error, "starting %s failed: %s%s", o->argv[0], strerror(error),
			       error == ENOENT ? "; is its package installed? (make deps)" : "");
	}
	return 0;
}

int proc_poll(struct proc *p)
{
	pid_t got;

	if (!p->pid)
		return 1;
	got = waitpid(p->pid, &p->status, WNOHANG);
	if (got < 0)
		return -errno;
	if (!got)
		return 0;
	p->pid = 0;
	return 1;
}

/* Milliseconds to the deadline for poll(2): -1 without one */
static int left_ms(uint64_t deadline_ns)
{
	uint64_t now = clock_now_ns();

	if (!deadline_ns)
		return -1;
	return now >= deadline_ns ? 0 : (deadline_ns - now) / 1000000 + 1;
}

/* Sleeps on a pidfd rather than in waitpid: a deadline and a signal both have to end the wait. */
int proc_wait(struct proc *p, uint64_t deadline_ns)
{
	_cleanup_close_ int fd = -1;

	if (!p->pid)
		return 0;
	fd = syscall(SYS_pidfd_open, p->pid, 0);
	if (fd < 0)
		return -errno;
	for (;;) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };

		if (poll(&pfd, 1, left_ms(deadline_ns)) < 0 && errno != EINTR)
			return -errno;
		if (proc_poll(p) == 1)
			return 0;
		if (stop_requested())
			return -EINTR;
		if (deadline_ns && clock_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
	}
}

/* A child that shares our group is signalled alone, one with its own group with all it started. */
static void signal_group(const struct proc *p, int sig)
{
	if (getpgid(p->pid) == p->pid)
		kill(-p->pid, sig);
	else
		kill(p->pid, sig);
}

void proc_stop(struct proc *p, unsigned int grace_ms)
{
	uint64_t end = clock_now_ns() + grace_ms * 1000000ull;

	if (!p->pid)
		return;
	signal_group(p, SIGTERM);
	while (proc_poll(p) == 0 && clock_now_ns() < end)
		poll(NULL, 0, 10);
	if (!p->pid)
		return;
	signal_group(p, SIGKILL);
	while (waitpid(p->pid, &p->status, 0) < 0 && errno == EINTR)
		;
	p->pid = 0;
}

int proc_code(const struct proc *p)
{
	return WIFEXITED(p->status) ? WEXITSTATUS(p->status) : 128 + WTERMSIG(p->status);
}

/*
 * Reads to the end whatever fits: a child must not block on a pipe that nobody empties. The end
 * is that of the last process that holds the pipe, so the deadline counts here, too.
 */
static int drain(int fd, char *out, size_t size, uint64_t deadline_ns)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char chunk[4096];
	size_t used = 0;

	for (;;) {
		int ready = poll(&pfd, 1, left_ms(deadline_ns));
		ssize_t n = ready > 0 ? read(fd, chunk, sizeof(chunk)) : ready;
		size_t take;

		if (!ready)
			return -ETIMEDOUT;
		if (n < 0 && errno == EINTR && !stop_requested())
			continue;
		if (n <= 0)
			return 0;
		take = (size_t)n < size - 1 - used ? (size_t)n : size - 1 - used;
		memcpy(out + used, chunk, take);
		used += take;
		out[used] = '\0';
	}
}

static int run_failed(struct proc *p, int ret, const char *name, unsigned int limit_s,
		      struct err *e)
{
	proc_stop(p, 1000);
	if (ret == -ETIMEDOUT)
		return err_set(e, ret, "running %s failed: it had not ended after %u s", name,
			       limit_s);
	return err_set(e, ret, "running %s was interrupted", name);
}

int proc_run(char *const *argv, unsigned int limit_s, char *out, size_t size, struct err *e)
{
	uint64_t deadline_ns = limit_s ? clock_now_ns() + limit_s * NSEC_PER_SEC : 0;
	struct proc_opts o = PROC_OPTS_INIT;
	int pipe_fd[2] = { -1, -1 };
	struct proc p;
	int ret;

	o.argv = argv;
	if (out) {
		out[0] = '\0';
		if (pipe2(pipe_fd, O_CLOEXEC))
			return err_sys(e, "running %s failed", argv[0]);
		o.out = pipe_fd[1];
	}
	ret = proc_start(&p, &o, e);
	if (out)
		close(pipe_fd[1]);
	if (ret < 0) {
		if (out)
			close(pipe_fd[0]);
		return ret;
	}
	if (out) {
		ret = drain(pipe_fd[0], out, size, deadline_ns);
		close(pipe_fd[0]);
	}
	if (!ret)
		ret = proc_wait(&p, deadline_ns);
	return ret < 0 ? run_failed(&p, ret, argv[0], limit_s, e) : proc_code(&p);
}
