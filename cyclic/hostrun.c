// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/hostrun.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cyclic/complaint.h"
#include "cyclic/figures.h"
#include "cyclic/guestjob.h"
#include "cyclic/hostspike.h"
#include "cyclic/orphans.h"
#include "cyclic/show.h"
#include "cyclic/spiketrace.h"
#include "cyclic/toolwatch.h"
#include "lib/claim.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/opt.h"
#include "lib/progress.h"
#include "lib/stop.h"

enum {
	WATCH_MS = 250,
	LATE_S = 120, /* beyond its duration: locking memory, printing; a busy machine */
	LAST_WORDS_S = 30, /* after Ctrl-C */
	GRACE_MS = 2000,
	AGAIN_S = 1, /* oslat forgets a stop that comes before its threads have begun */
	OUTPUT_BYTES = 64 << 20,
	THREADS_BYTES = 1 << 16,
};

struct hostrun {
	const struct ctopts *o;
	const struct guest_tool *tool;
	struct cpulist cpus;
	struct cpumap map; /* the same, in ascending order */
	struct claim claim; /* of them, against guests and other measurements */
	struct gathered g;
	struct run run;
	struct proc proc;
	struct spiketrace spike;
	int out, err; /* memory files */
	bool started;
	uint64_t start_ns, asked_ns; /* CLOCK_MONOTONIC; asked to end before its time, 0: not */
	uint64_t told_ns; /* when it was last */
	char threads[THREADS_BYTES]; /* stat lines, as soon as all have what was asked */
};

/* --- before anything exists --- */

static int choose(struct hostrun *r, struct err *e)
{
	struct hostcpus host;
	struct cpulist offline;
	char text[128];
	int ret = hostcpus_read(&host, "/sys", e);

	if (ret < 0)
		return ret;
	if (!strcmp(r->o->cpus, "auto"))
		r->cpus = cpulist_and(&host.isolated, &host.online);
	else
		ret = opt_cpulist("--cpus", r->o->cpus, &r->cpus, e);
	if (ret < 0)
		return ret;
	if (cpulist_empty(&r->cpus))
		return err_set(
			e, -EINVAL,
			"choosing CPUs failed: none is isolated on this host; name some with "
			"--cpus");
	offline = cpulist_minus(&r->cpus, &host.online);
	if (!cpulist_empty(&offline))
		return err_set(e, -EINVAL, "--cpus: CPU %s is not online",
			       cpulist_format(&offline, text, sizeof(text)));
	if (cpulist_count(&r->cpus) > CPUMAP_VCPUS)
		return err_set(e, -EINVAL, "--cpus: more than %d", CPUMAP_VCPUS);
	cpulist_for_each(cpu, &r->cpus)
		r->map.host[r->map.n++] = cpu;
	return 0;
}

static int claim(struct hostrun *r, struct err *e)
{
	const struct claim_opts o = { .alone = &r->cpus, .alone_for = "--cpus" };

	return claim_cpus(&r->claim, "/sys", &o, e);
}

/*
 * CPUs for everything that does not measure, ourselves included, and those that the instrument has to
 * be allowed: both, because it takes no CPU that the shell it came from may not use, and isolated
 * ones are among these (rt-tests src/lib/rt-numa.c, use_current_cpuset).
 */
static int divide(const struct hostrun *r, struct cpulist *house, struct cpulist *all,
		  struct err *e)
{
	int ret = cpulist_affinity(all, 0, e);

	if (ret < 0)
		return ret;
	*house = cpulist_minus(all, &r->cpus);
	cpulist_for_each(cpu, &r->cpus)
		cpulist_add(all, cpu);
	return cpulist_empty(house)
		       ? err_set(e, -EINVAL,
				 "--cpus leaves no CPU for what does not measure; name fewer")
		       : 0;
}

int hostrun_argv(struct vmproc_argv *a, const struct ctopts *o, const struct cpulist *cpus,
		 int main_cpu, const char *json, struct err *e)
{
	char list[1024];
	int bad;

	*a = (struct vmproc_argv){ 0 };
	cpulist_format(cpus, list, sizeof(list));
	bad = argv_add(a, "%s", guest_tool(o->instrument)->program);
	bad |= argv_add(a, "-q");
	if (o->instrument == GUEST_OSLAT) {
		bad |= argv_add(a, "-z") | argv_add(a, "-c") | argv_add(a, "%s", list);
		bad |= argv_add(a, "-C") | argv_add(a, "%d", main_cpu);
		bad |= argv_add(a, "-f") | argv_add(a, "%ju", (uintmax_t)o->priority);
		bad |= argv_add(a, "-w") | argv_add(a, "memmove") | argv_add(a, "-m");
		bad |= argv_add(a, "4K") | argv_add(a, "-b") | argv_add(a, "1024");
	} else {
		bad |= argv_add(a, "-m") | argv_add(a, "-p%ju", (uintmax_t)o->priority);
		bad |= argv_add(a, "--policy=fifo") | argv_add(a, "-a") | argv_add(a, "%s", list);
		bad |= argv_add(a, "--mainaffinity=%d", main_cpu);
		bad |= argv_add(a, "-t") | argv_add(a, "%d", cpulist_count(cpus));
		bad |= argv_add(a, "-i") | argv_add(a, "%ju", (uintmax_t)o->interval_us);
		bad |= argv_add(a, "-h") | argv_add(a, "%ju", (uintmax_t)o->histogram_us);
		if (o->on_spike != SPIKE_RECORD)
			bad |= argv_add(a, "-b") |
			       argv_add(a, "%ju", (uintmax_t)breakoff_option(o->spike_ns));
	}
	bad |= argv_add(a, "-D") | argv_add(a, "%ju", (uintmax_t)o->duration_s);
	bad |= argv_add(a, "--json=%s", json);
	return bad ? err_set(e, -E2BIG, "starting %s failed: its command line is too long",
			     guest_tool(o->instrument)->program)
		   : 0;
}

/* --- while it runs --- */

/* Asked to stop: it ends with what it has, as at Ctrl-C in a shell. */
static int watch_time(struct hostrun *r, struct err *e)
{
	uint64_t now = clock_now_ns();
	/* not before it can have its handlers: until then it would only die */
	uint64_t last_ns = r->told_ns ? r->told_ns : r->start_ns;

	if (stop_requested() && now > last_ns + AGAIN_S * NSEC_PER_SEC) {
		r->asked_ns = r->asked_ns ? r->asked_ns : now;
		r->told_ns = now;
		r->g.interrupted = true;
		kill(r->proc.pid, SIGINT);
	}
	if (r->asked_ns && now > r->asked_ns + LAST_WORDS_S * NSEC_PER_SEC) {
		run_doubt(&r->run,
			  "%s was asked to stop and did not answer for %d s: it or its CPUs may "
			  "have hung",
			  r->tool->program, LAST_WORDS_S);
		return err_set(e, -EINTR, "interrupted %s, which did not end then",
			       r->tool->running);
	}
	if (now > r->start_ns + r->o->duration_ns + LATE_S * NSEC_PER_SEC)
		return err_set(e, -ETIMEDOUT, "%s did not end in time", r->tool->program);
	return 0;
}

static int follow(struct hostrun *r, struct err *e)
{
	bool read_back = false;
	struct progress p;
	int ret = 0;

	progress_start(&p, r->tool->name);
	while (!ret && proc_poll(&r->proc) != 1) {
		uint64_t done = clock_now_ns() - r->start_ns, all = r->o->duration_ns;

		read_back = read_back || toolwatch_threads(r->proc.pid, r->o->priority, r->threads,
							   sizeof(r->threads)) >= r->map.n;
		progress_show(&p, done < all ? done : all, all);
		ret = watch_time(r, e);
		poll(NULL, 0, WATCH_MS);
	}
	progress_end(&p);
	return ret;
}

/* Latencies can be measured without a trace: why there is none is told. */
static int start_trace(struct hostrun *r, struct err *e)
{
	struct err why = { 0 };
	int ret;

	r->spike.told_late = true; /* it has to end first */
	ret = spiketrace_start(&r->spike, r->run.dir, &r->cpus, 0, &why);
	if (ret == -EINTR)
		return err_set(e, ret, "%s", why.text);
	if (ret < 0)
		run_reason(&r->run, "no trace: %s", why.text);
	return 0;
}

static int run_tool(struct hostrun *r, struct err *e)
{
	struct proc_opts o = PROC_OPTS_INIT;
	char json[PATH_MAX], why[256];
	struct cpulist house = { 0 }, all = { 0 };
	struct vmproc_argv a;
	int ret = divide(r, &house, &all, e);

	if (!ret)
		ret = hostrun_argv(&a, r->o, &r->cpus, cpulist_next(&house, 0),
				   run_path(&r->run, r->tool->json, json), e);
	if (!ret && r->o->on_spike == SPIKE_TRACE)
		ret = start_trace(r, e);
	if (!ret)
		ret = cpulist_pin(&all, 0, e);
	if (ret < 0)
		return ret;
	r->out = memfd_create("output", MFD_CLOEXEC);
	r->err = memfd_create("errors", MFD_CLOEXEC);
	if (r->out < 0 || r->err < 0)
		return err_sys(e, "starting %s failed", r->tool->program);
	o.argv = a.argv;
	o.out = r->out;
	o.err = r->err;
	r->start_ns = clock_now_ns();
	r->g.job_wall_ns = clock_wall_ns();
	ret = proc_start(&r->proc, &o, e);
	r->started = !ret;
	if (!ret)
		ret = cpulist_pin(&house, 0, e);
	if (!ret)
		ret = follow(r, e);
	spiketrace_halt(&r->spike);
	r->g.job_ns = clock_now_ns() - r->start_ns;
	proc_stop(&r->proc, GRACE_MS);
	if (ret < 0 || !proc_code(&r->proc))
		return ret;
	complaint(r->err, "", why, sizeof(why));
	return err_set(e, -EIO, "%s ended with code %d%s%s", r->tool->program, proc_code(&r->proc),
		       *why ? ": " : "", why);
}

/* --- when it has ended --- */

static int keep_text(const struct hostrun *r, struct err *e)
{
	char mark = r->o->instrument == GUEST_CYCLICTEST ? '#' : ':';
	char path[PATH_MAX], fd_path[32];

	snprintf(fd_path, sizeof(fd_path), "/proc/self/fd/%d", r->out);
	return toolwatch_text(fd_path, mark, run_path(&r->run, r->tool->text, path), e);
}

static int load(const struct hostrun *r, const char *name, struct frame_file *f, char **bytes,
		struct err *e)
{
	char path[PATH_MAX];
	ssize_t n = file_load(run_path(&r->run, name, path), OUTPUT_BYTES, bytes, e);

	if (n < 0)
		return n;
	f->data = (const uint8_t *)*bytes;
	f->len = n;
	return 0;
}

static int take(struct hostrun *r, struct err *e)
{
	const struct frame_file threads = { .data = (const uint8_t *)r->threads,
					    .len = strlen(r->threads) };
	struct frame_file json = { .len = 0 }, text = { .len = 0 };
	const struct figures_files files = { .json = &json, .text = &text, .threads = &threads };
	_cleanup_free_ char *json_bytes = NULL, *text_bytes = NULL;
	char key[32];
	int ret = keep_text(r, e);

	if (!ret)
		ret = load(r, r->tool->json, &json, &json_bytes, e);
	if (!ret)
		ret = load(r, r->tool->text, &text, &text_bytes, e);
	if (ret < 0)
		return ret;
	snprintf(key, sizeof(key), "%s_text", r->tool->name);
	run_file(&r->run, r->tool->name, r->tool->json);
	run_file(&r->run, key, r->tool->text);
	return figures_take(&r->run, &r->g, &files, e);
}

static int64_t rt_us(const char *knob)
{
	char path[64], text[32];

	snprintf(path, sizeof(path), "/proc/sys/kernel/sched_rt_%s_us", knob);
	return file_read_line(path, text, sizeof(text)) ? atoll(text) : -1;
}

/*
 * Of a thread that never sleeps the kernel takes its CPU away where real-time threads may not have all
 * of it (kernel/sched/rt.c); what comes of that is no latency of the machine.
 */
static void note_throttling(struct hostrun *r)
{
	int64_t runtime_us = rt_us("runtime"), period_us = rt_us("period");

	if (r->o->instrument != GUEST_OSLAT || runtime_us < 0 || runtime_us >= period_us)
		return;
	run_reason(
		&r->run,
		"sched_rt_runtime_us is %" PRId64 " of %" PRId64
		" us: the kernel takes the CPU away from a thread that needs it longer, which these "
		"latencies show; write -1 to it",
		runtime_us, period_us);
	json_set_bool(r->run.doc, "throttled", true);
}

/* By us: an instrument that ends before its time has no such excuse. */
static void note_interruption(struct hostrun *r)
{
	if (r->g.interrupted)
		json_set_bool(r->run.doc, "interrupted", true);
}

/* The measurement stands without a cause; why there is none is told. */
static int tell_spike(struct hostrun *r, struct err *e)
{
	uint64_t ended_ns = r->g.job_wall_ns + r->g.job_ns;
	struct err why = { 0 };
	char path[PATH_MAX];

	if (r->g.broke.late_ns)
		spiketrace_freeze(&r->spike);
	spiketrace_take(&r->spike, &r->run, NULL);
	if (!r->g.broke.late_ns)
		return 0;
	if (file_exists(run_path(&r->run, "trace/host.dat", path)) &&
	    hostspike_explain_break(&r->run, r->o->spike_ns, &r->g.broke, &why) < 0)
		run_reason(&r->run, "no cause of the spike: %s", why.text);
	return breakoff_spike(&r->g.broke, &r->run, r->g.broke.cpu, ended_ns, e);
}

static int finish(struct hostrun *r, struct err *e)
{
	enum verdict v;
	int ret;

	note_throttling(r);
	note_interruption(r);
	v = outcome_judge(&r->run, &r->g);
	ret = tell_spike(r, e);
	if (ret < 0)
		return ret;
	ret = run_finish(&r->run, v, e);
	if (!ret && !r->o->no_report && !r->g.interrupted)
		ret = outcome_report(&r->run, e);
	if (ret < 0)
		return ret;
	if (r->o->json)
		puts(json_object_to_json_string_ext(
			r->run.doc, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		show_run(&r->run, stdout);
	if (r->g.interrupted && v == VERDICT_INCOMPLETE)
		return err_set(e, -EINTR, "interrupted %s; %s has what was measured",
			       r->tool->running, r->run.dir);
	return v;
}

/* One that never started leaves nothing; else what there is stays, and says why it is not whole. */
static int measure(struct hostrun *r, struct err *e)
{
	struct err ignored = { 0 };
	int ret;

	outcome_asked(&r->run, &r->g);
	ret = run_tool(r, e);
	if (!ret)
		ret = take(r, e);
	if (!ret)
		return finish(r, e);
	spiketrace_take(&r->spike, &r->run, NULL);
	if (r->started) {
		run_short(&r->run, "%s", e->text);
		note_interruption(r);
		run_finish(&r->run, VERDICT_INCOMPLETE, &ignored);
	} else {
		run_discard(&r->run);
	}
	return ret;
}

int hostrun_main(const struct ctopts *o, struct err *e)
{
	struct hostrun r = { .o = o,
			     .tool = guest_tool(o->instrument),
			     .spike = SPIKETRACE_INIT,
			     .out = -1,
			     .err = -1 };
	char note[ORPHANS_BYTES];
	int ret = choose(&r, e);

	r.g = (struct gathered){ .o = o, .cpus = &r.map };
	if (!ret && geteuid())
		ret = err_set(e, -EPERM,
			      "real-time priority and locked memory need root; run as root");
	if (!ret)
		ret = claim(&r, e);
	if (!ret)
		ret = run_create(&r.run, o->out, o->name, e);
	if (ret < 0) {
		claim_drop(&r.claim);
		return ret;
	}
	stop_install();
	if (orphans_remove(note))
		run_reason(&r.run, "%s", note);
	ret = measure(&r, e);
	spiketrace_close(&r.spike);
	if (r.out >= 0)
		close(r.out);
	if (r.err >= 0)
		close(r.err);
	run_close(&r.run);
	claim_drop(&r.claim);
	return ret;
}
