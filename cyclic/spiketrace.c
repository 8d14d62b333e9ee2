// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/spiketrace.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cyclic/complaint.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/paths.h"
#include "lib/stop.h"

enum {
	SAVE_GRACE_MS = 120000, /* rings of some MiB to disk, on a busy emulated host */
	READY_MS = 180000, /* a trace instance waits for RCU grace periods (tracer.c) */
	GRACE_MS = 5000,
	VERB_S = 600,
	EXPLAINED_THREADS = 16, /* rtkvm trace explain takes no more */
};

/*
 * Who sees the spike stops the ring at once, in a guest or on a host; under a guest the host's has to
 * last until the word has come.
 */
#define HOST_BUFFER  "8M"
#define SHORT_BUFFER "2M"

static int broke(const struct spiketrace *t, struct err *e)
{
	char why[256];

	complaint(t->errors, "rtkvm trace: ", why, sizeof(why));
	return err_set(e, -EIO, "recording the host failed: %s",
		       why[0] ? why : "rtkvm trace record ended");
}

static int spawn(struct spiketrace *t, const struct cpulist *cpus, pid_t pid, int ready,
		 struct err *e)
{
	char self[PATH_MAX], list[1024];
	struct proc_opts o = PROC_OPTS_INIT;
	struct vmproc_argv a = { .n = 0 };
	int bad = paths_self(self, sizeof(self), e);

	if (bad < 0)
		return bad;
	bad |= argv_add(&a, "%s", self) | argv_add(&a, "trace") | argv_add(&a, "record");
	bad |= argv_add(&a, "--out=%s/host.dat", t->dir);
	bad |= argv_add(&a, "--cpus=%s", cpulist_format(cpus, list, sizeof(list)));
	if (pid)
		bad |= argv_add(&a, "--pid=%d", pid);
	bad |= argv_add(&a, "--buffer=%s",
			t->host_only && !t->told_late ? SHORT_BUFFER : HOST_BUFFER) |
	       argv_add(&a, "--ready");
	if (bad)
		return err_set(e, -E2BIG, "recording the host failed: too long a command line");
	o.argv = a.argv;
	o.out = ready;
	o.err = t->errors;
	return proc_start(&t->proc, &o, e);
}

/* "ready FILE": it records, and FILE stops it. Written at once, and shorter than what a pipe keeps whole. */
static int read_ready(struct spiketrace *t, int ready, struct err *e)
{
	static const char word[] = "ready ";
	char line[sizeof(word) + sizeof(t->freeze)];
	ssize_t n = read(ready, line, sizeof(line) - 1);

	if (n <= 0)
		return broke(t, e);
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, word, strlen(word)) != 0 ||
	    !file_path(t->freeze, sizeof(t->freeze), "%s", line + strlen(word)))
		return err_set(e, -EPROTO, "recording the host failed: it says \"%.80s\"", line);
	return 0;
}

/* The recorder says one line, or ends. */
static int wait_ready(struct spiketrace *t, int ready, struct err *e)
{
	uint64_t end_ns = clock_now_ns() + READY_MS * 1000000ull;
	struct pollfd fd = { .fd = ready, .events = POLLIN };

	while (clock_now_ns() < end_ns) {
		if (stop_requested())
			return err_set(e, -EINTR, "interrupted before the guest ran");
		if (poll(&fd, 1, 100) > 0)
			return read_ready(t, ready, e);
	}
	return err_set(e, -ETIMEDOUT, "recording the host failed: no word of it for %d s",
		       READY_MS / 1000);
}

static int start(struct spiketrace *t, const struct cpulist *cpus, pid_t pid, struct err *e)
{
	_cleanup_close_ int ready = -1;
	int pipe_fd[2], ret;

	t->errors = memfd_create("rtkvm-trace-errors", MFD_CLOEXEC);
	if (t->errors < 0 || pipe2(pipe_fd, O_CLOEXEC))
		return err_sys(e, "recording the host failed");
	ready = pipe_fd[0];
	ret = spawn(t, cpus, pid, pipe_fd[1], e);
	close(pipe_fd[1]);
	return ret < 0 ? ret : wait_ready(t, ready, e);
}

/* The run goes on without a trace: nothing is left of it. */
static void give_up(struct spiketrace *t)
{
	struct err ignored = { 0 };

	proc_stop(&t->proc, GRACE_MS);
	file_remove_tree(t->dir, &ignored);
	t->started = false;
}

int spiketrace_start(struct spiketrace *t, const char *run_dir, const struct cpulist *cpus,
		     pid_t pid, struct err *e)
{
	if (!file_path(t->dir, sizeof(t->dir), "%s/trace", run_dir) || mkdir(t->dir, 0755))
		return err_sys(e, "making %s/trace failed", run_dir);
	t->host_only = !pid;
	t->started = !start(t, cpus, pid, e);
	if (!t->started)
		give_up(t);
	return t->started ? 0 : e->code;
}

int spiketrace_check(struct spiketrace *t, struct err *e)
{
	if (!t->started || t->frozen || proc_poll(&t->proc) != 1)
		return 0;
	give_up(t);
	return broke(t, e);
}

/* The recorder may have ended by itself: then there is nothing to stop. */
void spiketrace_halt(struct spiketrace *t)
{
	struct err ignored = { 0 };

	if (t->started)
		file_write(t->freeze, "0", &ignored);
}

void spiketrace_freeze(struct spiketrace *t)
{
	if (!t->started || t->frozen)
		return;
	t->frozen = true;
	if (t->proc.pid)
		kill(t->proc.pid, SIGTERM);
}

int spiketrace_job(const char *command, char *buf, size_t size, struct err *e)
{
	char self[PATH_MAX];
	char *argv[] = { self,
			 (char *)"trace",
			 (char *)"job",
			 (char *)"--buffer",
			 (char *)SHORT_BUFFER,
			 (char *)"--",
			 (char *)command,
			 NULL };
	int ret = paths_self(self, sizeof(self), e);

	if (!ret)
		ret = proc_run(argv, VERB_S, buf, size, e);
	if (ret > 0)
		return err_set(e, -EIO, "rtkvm trace job ended with code %d", ret);
	buf[strcspn(buf, "\n")] = '\0';
	return ret;
}

/* What trace job leaves in /out: pages and what they mean, as files of a directory. */
static int keep_raw(const char *dir, const struct frames *f, struct err *e)
{
	int ret = file_mkdirs(dir, e);

	for (size_t i = 0; f && i < f->n && !ret; i++) {
		const struct frame_file *file = &f->files[i];
		char path[PATH_MAX];

		if (strcmp(file->name, "formats") != 0 && strcmp(file->name, "header_page") != 0 &&
		    strcmp(file->name, "clock") != 0 && strcmp(file->name, "stats") != 0 &&
		    strncmp(file->name, "cpu", 3) != 0)
			continue;
		if (!file_path(path, sizeof(path), "%s/%s", dir, file->name))
			return err_sys(e, "writing %s failed", dir);
		ret = file_replace(path, file->data, file->len, e);
	}
	return ret;
}

/* One of our own verbs, its text into a file (NULL: dropped); what it complains of becomes ours. */
int spiketrace_verb(char *const *argv, const char *file, struct err *e)
{
	_cleanup_close_ int out =
		open(file ? file : "/dev/null", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	_cleanup_close_ int errors = memfd_create("rtkvm-errors", MFD_CLOEXEC);
	struct proc_opts o = PROC_OPTS_INIT;
	struct proc p;
	char why[256];
	int ret;

	if (out < 0 || errors < 0)
		return err_sys(e, "making %s failed", file ? file : "a memory file");
	o.argv = argv;
	o.out = out;
	o.err = errors;
	ret = proc_start(&p, &o, e);
	if (ret < 0)
		return ret;
	ret = proc_wait(&p, clock_now_ns() + VERB_S * NSEC_PER_SEC);
	proc_stop(&p, 1000);
	if (ret < 0)
		return err_set(e, ret, "rtkvm trace %s did not end", argv[2]);
	complaint(errors, "rtkvm trace ", why, sizeof(why));
	return proc_code(&p) ? err_set(e, -EIO, "rtkvm trace %s failed: %s", argv[2], why) : 0;
}

static int convert(const struct spiketrace *t, const struct run *run, const char *raw,
		   struct err *e)
{
	char self[PATH_MAX], host[PATH_MAX], guest[PATH_MAX], events[PATH_MAX];
	char *argv[] = { self,
			 (char *)"trace",
			 (char *)"convert",
			 (char *)"--host",
			 host,
			 (char *)"--events",
			 run_path(run, "events.jsonl", events),
			 (char *)raw,
			 guest,
			 NULL };

	if (paths_self(self, sizeof(self), e) < 0)
		return e->code;
	if (!file_path(host, sizeof(host), "%s/host.dat", t->dir) ||
	    !file_path(guest, sizeof(guest), "%s/guest.dat", t->dir))
		return err_sys(e, "converting the guest's trace failed");
	return spiketrace_verb(argv, NULL, e);
}

int spiketrace_save(struct spiketrace *t, struct run *run, const struct frames *f, struct err *e)
{
	struct err ignored = { 0 };
	char raw[PATH_MAX];
	int ret;

	if (!t->started)
		return 0;
	proc_stop(&t->proc, SAVE_GRACE_MS);
	if (!t->frozen)
		return file_remove_tree(t->dir, e);
	if (proc_code(&t->proc))
		return broke(t, e);
	run_file(run, "host_trace", "trace/host.dat");
	if (t->host_only)
		return 0;
	if (!file_path(raw, sizeof(raw), "%s/guest.raw", t->dir))
		return err_sys(e, "writing the guest's trace failed");
	ret = keep_raw(raw, f, e);
	if (!ret)
		ret = convert(t, run, raw, e);
	file_remove_tree(raw, &ignored);
	if (!ret)
		run_file(run, "guest_trace", "trace/guest.dat");
	return ret;
}

/* Latencies do not depend on the traces. */
void spiketrace_take(struct spiketrace *t, struct run *run, const struct frames *f)
{
	struct err e = { 0 };

	if (spiketrace_save(t, run, f, &e) < 0)
		run_reason(run, "the spike's trace is not whole: %s", e.text);
}

bool spiketrace_fits(json_object *late, int cpu, uint64_t late_ns)
{
	int64_t ns = json_int(late, "latency_ns", 0);

	return (cpu < 0 || json_int(late, "cpu", -1) == cpu) && ns >= 0 &&
	       (!late_ns || llabs(ns - (int64_t)late_ns) <= (int64_t)late_ns / 4);
}

json_object *spiketrace_worst(const struct run *run, int cpu, uint64_t late_ns)
{
	char path[PATH_MAX];
	_cleanup_fclose_ FILE *in = NULL;
	_cleanup_free_ char *line = NULL;
	json_object *worst = NULL;
	struct err ignored = { 0 };
	size_t room = 0;

	file_stream(run_path(run, "spikes.jsonl", path), &in, &ignored);
	while (in && getline(&line, &room, in) > 0) {
		json_object *o = json_tokener_parse(line);

		if (explained_is(o) && spiketrace_fits(o, cpu, late_ns) &&
		    json_int(o, "latency_ns", 0) > json_int(worst, "latency_ns", -1)) {
			json_object_put(worst);
			worst = json_object_get(o);
		}
		json_object_put(o);
	}
	return worst;
}

static void tell_cause(struct run *run, int cpu, uint64_t late_ns)
{
	_cleanup_json_ json_object *o = spiketrace_worst(run, cpu, late_ns);
	const char *detail = json_str(o, "detail", "");
	char iso[CLOCK_ISO_BYTES], path[PATH_MAX], more[192] = "";

	run_path(run, "trace/explain.txt", path);
	if (!o) {
		run_reason(run, "%s explains no wake-up as late as the spike", path);
		return;
	}
	if (*detail)
		snprintf(more, sizeof(more), " (%s)", detail);
	run_reason(run, "%.3f us late on vCPU %jd at %s, by the trace: %s%s; %s has more",
		   json_int(o, "latency_ns", 0) / 1e3, (intmax_t)json_int(o, "cpu", -1),
		   clock_iso8601(json_int(o, "wall_ns", 0), iso),
		   json_str(o, "cause", "unexplained"), more, path);
}

/* A wake-up is a little shorter in the kernel's view than in the sampler's, which has to return. */
uint64_t spiketrace_threshold(uint64_t spike_ns)
{
	return spike_ns - spike_ns / 4;
}

/* The guest's measuring threads, as its sampler told them; of too many trace explain finds its own. */
int spiketrace_threads(struct vmproc_argv *a, const struct run *run, int cpu)
{
	json_object *threads = json_at(run->doc, "inforce.threads");
	size_t n = json_object_is_type(threads, json_type_array) ? json_object_array_length(threads)
								 : 0;
	int bad = 0;

	for (size_t i = 0; i < n; i++) {
		json_object *t = json_object_array_get_idx(threads, i);

		if (cpu < 0 ? n <= EXPLAINED_THREADS : json_int(t, "cpu", -1) == cpu)
			bad |= argv_add(a, "--thread=%jd", (intmax_t)json_int(t, "tid", 0));
	}
	return bad;
}

static int explain_argv(struct vmproc_argv *a, const struct run *run, uint64_t spike_ns, int cpu,
			struct err *e)
{
	char self[PATH_MAX];
	int bad = paths_self(self, sizeof(self), e);

	*a = (struct vmproc_argv){ 0 };
	if (bad)
		return bad;
	bad |= argv_add(a, "%s", self) | argv_add(a, "trace") | argv_add(a, "explain");
	bad |= argv_add(a, "--threshold=%juns", (uintmax_t)spiketrace_threshold(spike_ns));
	bad |= argv_add(a, "--timeline") | argv_add(a, "--excerpt=100us");
	bad |= spiketrace_threads(a, run, cpu) | argv_add(a, "%s", run->dir);
	return bad ? err_set(e, -E2BIG, "explaining the spike failed: too long a command line") : 0;
}

int spiketrace_explain(struct run *run, uint64_t spike_ns, int cpu, uint64_t late_ns, struct err *e)
{
	char out[PATH_MAX], dir[PATH_MAX], path[PATH_MAX];
	struct vmproc_argv a;
	int ret;

	if (!file_exists(run_path(run, "trace/guest.dat", path)))
		return 0;
	run_path(run, "trace/explain.txt", out);
	snprintf(dir, sizeof(dir), "%s", run->dir);
	ret = explain_argv(&a, run, spike_ns, cpu, e);
	if (!ret)
		ret = spiketrace_verb(a.argv, out, e);
	if (ret < 0) {
		unlink(out);
		return ret;
	}
	run_close(run); /* it has written into run.json */
	ret = run_open(run, dir, e);
	if (ret < 0)
		return ret;
	run_file(run, "explanation", "trace/explain.txt");
	tell_cause(run, cpu, late_ns);
	return run_save(run, e);
}

void spiketrace_close(struct spiketrace *t)
{
	proc_stop(&t->proc, SAVE_GRACE_MS);
	if (t->errors >= 0)
		close(t->errors);
	*t = (struct spiketrace)SPIKETRACE_INIT;
}
