// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/hostrun.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cyclic/complaint.h"
#include "cyclic/figures.h"
#include "cyclic/guestjob.h"
#include "cyclic/orphans.h"
#include "cyclic/show.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/progress.h"
#include "lib/stop.h"
#include "lib/threads.h"

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
	struct gathered g;
	struct run run;
	struct proc proc;
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
		ret = cpulist_parse(&r->cpus, r->o->cpus, e);
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
	}
	bad |= argv_add(a, "-D") | argv_add(a, "%ju", (uintmax_t)o->duration_s);
	bad |= argv_add(a, "--json=%s", json);
	return bad ? err_set(e, -E2BIG, "starting %s failed: its command line is too long",
			     guest_tool(o->instrument)->program)
		   : 0;
}

/* --- while it runs --- */

/* How many of its threads have the policy and priority asked for; their lines into threads[]. */
static int read_threads(struct hostrun *r)
{
	char path[PATH_MAX], line[1024];
	_cleanup_closedir_ DIR *dir = NULL;
	size_t used = 0;
	struct dirent *d;
	int good = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", r->proc.pid);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		struct thread_stat s;
		int n;

		if (*d->d_name == '.' ||
		    !file_path(path, sizeof(path), "/proc/%d/task/%s/stat", r->proc.pid,
			       d->d_name) ||
		    thread_stat_parse(file_read_line(path, line, sizeof(line)), &s))
			continue;
		n = snprintf(r->threads + used, sizeof(r->threads) - used, "%s\n", line);
		if (n < 0 || (size_t)n >= sizeof(r->threads) - used)
			break;
		used += n;
		good += s.policy == SCHED_FIFO && (uint64_t)s.priority == r->o->priority;
	}
	return good;
}

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
		run_doubt(&r->run, VERDICT_PASS,
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

		read_back = read_back || read_threads(r) >= r->map.n;
		progress_show(&p, done < all ? done : all, all);
		ret = watch_time(r, e);
		poll(NULL, 0, WATCH_MS);
	}
	progress_end(&p);
	return ret;
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
	r->g.job_ns = clock_now_ns() - r->start_ns;
	proc_stop(&r->proc, GRACE_MS);
	if (ret < 0 || !proc_code(&r->proc))
		return ret;
	complaint(r->err, "", why, sizeof(why));
	return err_set(e, -EIO, "%s ended with code %d%s%s", r->tool->program, proc_code(&r->proc),
		       *why ? ": " : "", why);
}

/* --- when it has ended --- */

/* Of its text what the JSON omits, as from a guest (guestjob.c): not a line for every empty bin. */
static int keep_text(const struct hostrun *r, struct err *e)
{
	const char *wanted = r->o->instrument == GUEST_CYCLICTEST ? "#" : ":";
	char path[PATH_MAX], fd_path[32], *save = NULL;
	_cleanup_free_ char *text = NULL, *kept = NULL;
	_cleanup_fclose_ FILE *out = NULL;
	size_t size = 0;
	int ret;

	snprintf(fd_path, sizeof(fd_path), "/proc/self/fd/%d", r->out);
	ret = file_load(fd_path, OUTPUT_BYTES, &text, e);
	if (ret < 0)
		return ret;
	out = open_memstream(&kept, &size);
	for (char *line = out ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save))
		if (*wanted == '#' ? *line == '#' : strchr(line, ':') != NULL)
			fprintf(out, "%s\n", line);
	if (!out || fflush(out))
		return err_set(e, -ENOMEM, "reading %s's output failed: no memory",
			       r->tool->program);
	return file_replace(run_path(&r->run, r->tool->text, path), kept, size, e);
}

static int take(struct hostrun *r, struct err *e)
{
	const struct frame_file threads = { .data = (const uint8_t *)r->threads,
					    .len = strlen(r->threads) };
	struct frame_file file = { .len = 0 };
	_cleanup_free_ char *json = NULL;
	char path[PATH_MAX], key[32];
	ssize_t n = keep_text(r, e);

	if (!n)
		n = file_load(run_path(&r->run, r->tool->json, path), OUTPUT_BYTES, &json, e);
	if (n < 0)
		return n;
	snprintf(key, sizeof(key), "%s_text", r->tool->name);
	run_file(&r->run, r->tool->name, r->tool->json);
	run_file(&r->run, key, r->tool->text);
	file.data = (const uint8_t *)json;
	file.len = n;
	return figures_take(&r->run, &r->g, &file, &threads, e);
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
static enum verdict judge_limit(struct hostrun *r, enum verdict v)
{
	int64_t runtime_us = rt_us("runtime"), period_us = rt_us("period");

	if (r->o->instrument != GUEST_OSLAT || runtime_us < 0 || runtime_us >= period_us)
		return v;
	run_reason(
		&r->run,
		"sched_rt_runtime_us is %" PRId64 " of %" PRId64
		" us: the kernel takes the CPU away from a thread that needs it longer, which these "
		"latencies show; write -1 to it",
		runtime_us, period_us);
	json_set_bool(r->run.doc, "throttled", true); /* a campaign judges figures of its own */
	return v == VERDICT_FAIL ? VERDICT_INCONCLUSIVE : v;
}

/* By us: an instrument that ends before its time has no such excuse. */
static void note_interruption(struct hostrun *r)
{
	if (r->g.interrupted)
		json_set_bool(r->run.doc, "interrupted", true);
}

static int finish(struct hostrun *r, struct err *e)
{
	enum verdict v = judge_limit(r, outcome_judge(&r->run, &r->g));
	int ret;

	note_interruption(r);
	if (r->g.interrupted) {
		run_reason(&r->run,
			   "interrupted before its time was over; what was measured counts");
		v = v == VERDICT_FAIL ? v : VERDICT_INCOMPLETE;
	}
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
	char dir[PATH_MAX];
	int ret;

	outcome_asked(&r->run, &r->g);
	ret = run_tool(r, e);
	if (!ret)
		ret = take(r, e);
	if (!ret)
		return finish(r, e);
	if (r->started) {
		run_reason(&r->run, "%s", e->text);
		note_interruption(r);
		run_finish(&r->run, VERDICT_INCOMPLETE, &ignored);
	} else {
		snprintf(dir, sizeof(dir), "%s", r->run.dir);
		file_remove_tree(dir, &ignored);
	}
	return ret;
}

int hostrun_main(const struct ctopts *o, struct err *e)
{
	struct hostrun r = { .o = o, .tool = guest_tool(o->instrument), .out = -1, .err = -1 };
	char note[ORPHANS_BYTES];
	int ret = choose(&r, e);

	r.g = (struct gathered){ .o = o, .cpus = &r.map };
	if (!ret && geteuid())
		ret = err_set(e, -EPERM,
			      "real-time priority and locked memory need root; run as root");
	if (!ret)
		ret = run_create(&r.run, o->out, o->name, e);
	if (ret < 0)
		return ret;
	stop_install();
	if (orphans_remove(note))
		run_reason(&r.run, "%s", note);
	ret = measure(&r, e);
	if (r.out >= 0)
		close(r.out);
	if (r.err >= 0)
		close(r.err);
	run_close(&r.run);
	return ret;
}
