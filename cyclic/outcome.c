// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/outcome.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cyclic/complaint.h"
#include "cyclic/guestjob.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/frames.h"
#include "lib/json.h"
#include "lib/paths.h"
#include "lib/proc.h"

/* What only a guest is asked, and the guest and the VMM that are. */
static void asked_guest(struct run *run, const struct gathered *g)
{
	json_object *asked = run_section(run, "asked"), *guest = run_section(run, "guest");
	json_object *kernel = json_at(g->manifest, "kernel");
	const struct ctopts *o = g->o;

	json_set_int(asked, "vcpus", g->cpus->n);
	json_set_int(asked, "memory_bytes", o->memory_bytes);
	json_set_bool(asked, "trace", !o->no_trace);
	json_set_str(asked, "guest_load", o->load ? o->load->name : NULL);
	json_set_str(guest, "image", json_str(g->manifest, "name", o->guest));
	json_set_str(guest, "asked_cmdline", g->append);
	if (kernel) {
		json_set_str(guest, "kernel", json_str(kernel, "release", NULL));
		json_set_str(guest, "kernel_package", json_str(kernel, "package", NULL));
		json_set_str(guest, "kernel_version", json_str(kernel, "version", NULL));
	}
	json_object_object_add(guest, "packages",
			       json_object_get(json_at(g->manifest, "packages")));
	json_set_str(run_section(run, "vmm"), "kind", o->vmm == VMM_QEMU ? "qemu" : "rtkvm");
	json_set_str(run_section(run, "vmm"), "version", g->version);
}

void outcome_asked(struct run *run, const struct gathered *g)
{
	json_object *asked = run_section(run, "asked");
	const struct ctopts *o = g->o;

	json_set_str(asked, "instrument", guest_tool(o->instrument)->name);
	json_set_str(asked, "cpus", o->cpus);
	if (o->interval_us)
		json_set_int(asked, "interval_us", o->interval_us);
	json_set_int(asked, "duration_s", o->duration_s);
	if (o->instrument == GUEST_CYCLICTEST)
		json_set_int(asked, "histogram_us", o->histogram_us);
	else if (o->instrument == GUEST_SAMPLE)
		json_set_int(asked, "slice_ns", o->slice_ns);
	else if (o->instrument == GUEST_HWLAT)
		json_set_int(asked, "threshold_ns", o->threshold_ns);
	json_set_str(asked, "policy", "fifo");
	json_set_int(asked, "priority", o->priority);
	json_set_bool(asked, "smoke", o->smoke);
	if (!o->host)
		asked_guest(run, g);
	for (size_t i = 0; i < o->n_limits; i++)
		run_add_limit(run, o->limits[i].what, o->limits[i].ns);
}

/* A key of an event that may be absent or null. */
static void copy_key(json_object *to, const char *key, json_object *from, const char *path)
{
	json_object *v = json_at(from, path);

	if (v)
		json_object_object_add(to, key, json_object_get(v));
}

/* Sum of one window counter over the measured vCPUs; -1 when one did not tell. */
static int64_t window_sum(const struct gathered *g, const char *path)
{
	json_object *vcpus = json_at(g->ended, "vcpus");
	size_t n = json_object_is_type(vcpus, json_type_array) ? json_object_array_length(vcpus)
							       : 0;
	int64_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		json_object *vcpu = json_object_array_get_idx(vcpus, i);
		int64_t value = json_int(vcpu, path, -1);

		if (json_int(vcpu, "index", 0) < 1)
			continue;
		if (value < 0)
			return -1;
		sum += value;
	}
	return n > 1 ? sum : -1;
}

/* The counts of one vCPU's thread in the trace's answer, NULL when it never left its guest. */
static json_object *counted_thread(const struct gathered *g, int vcpu)
{
	json_object *threads = json_at(g->counted, "threads"),
		    *vcpus = json_at(g->started, "vcpus");

	for (size_t i = 0; vcpus && i < json_object_array_length(vcpus); i++) {
		json_object *v = json_object_array_get_idx(vcpus, i);

		if (json_int(v, "index", -1) != vcpu)
			continue;
		for (size_t k = 0; threads && k < json_object_array_length(threads); k++) {
			json_object *t = json_object_array_get_idx(threads, k);

			if (json_int(t, "tid", -1) == json_int(v, "tid", -2))
				return t;
		}
	}
	return NULL;
}

static int64_t sum_group(json_object *group)
{
	int64_t sum = 0;

	if (!group)
		return 0;
	json_object_object_foreach(group, reason, count) {
		(void)reason;
		sum += json_object_get_int64(count);
	}
	return sum;
}

int64_t outcome_exits(const struct gathered *g, int vcpu)
{
	json_object *exits = json_at(counted_thread(g, vcpu), "exits");

	return exits ? sum_group(exits) : -1;
}

static void merge_group(json_object *into, json_object *group)
{
	if (!group)
		return;
	json_object_object_foreach(group, reason, count) {
		json_set_int(into, reason,
			     json_int(into, reason, 0) + json_object_get_int64(count));
	}
}

/* Exits of the measured vCPUs by reason, as the host's kernel counted them. */
static void set_exits(json_object *window, const struct gathered *g)
{
	json_object *exits = json_object_new_object(), *userspace = json_object_new_object();

	for (int i = 1; i < g->cpus->n; i++) {
		json_object *t = counted_thread(g, i);

		merge_group(exits, json_at(t, "exits"));
		merge_group(userspace, json_at(t, "userspace"));
	}
	json_object_object_add(window, "exits", exits);
	json_object_object_add(window, "traced_userspace_exits", userspace);
	json_set_int(window, "exits_lost", json_int(g->counted, "lost", 0));
	copy_key(window, "exits_method", g->counted, "method");
	copy_key(window, "exits_seconds", g->counted, "seconds");
}

static void set_known(json_object *o, const char *key, int64_t value)
{
	json_object_object_add(o, key, value < 0 ? NULL : json_object_new_int64(value));
}

static void set_window(struct run *run, const struct gathered *g)
{
	uint64_t job_ns = outcome_job_ns(g);
	json_object *window = run_section(run, "window");
	int64_t exits = window_sum(g, "window.userspace_exits");

	if (job_ns)
		json_set_double(window, "seconds", (double)job_ns / NSEC_PER_SEC);
	if (g->counted)
		set_exits(window, g);
	if (exits < 0 && g->counted) /* a VMM that does not count them itself */
		exits = sum_group(json_at(window, "traced_userspace_exits"));
	set_known(window, "userspace_exits", exits);
	set_known(window, "page_faults", window_sum(g, "window.page_faults"));
	set_known(window, "involuntary_switches", window_sum(g, "window.involuntary_switches"));
	set_known(window, "vmm_thread_runs", window_sum(g, "window.vmm_thread_runs"));
}

void outcome_machine(struct run *run, const struct gathered *g)
{
	json_object *vmm = run_section(run, "vmm"), *inforce = run_section(run, "inforce");

	copy_key(vmm, "overhead_bytes", g->ended, "overhead_bytes");
	copy_key(vmm, "start_to_init_ns", g->ended, "start_to_init_ns");
	copy_key(vmm, "outcome", g->ended, "outcome");
	copy_key(vmm, "status", g->ended, "status");
	copy_key(inforce, "vcpus", g->started, "vcpus");
	copy_key(inforce, "memory", g->ended, "memory");
	set_window(run, g);
}

void outcome_load(struct run *run, const struct gathered *g, const struct frame_file *f)
{
	char text[24] = "";

	if (!g->o->load || !f)
		return;
	if (f->len < sizeof(text))
		memcpy(text, f->data, f->len);
	json_set_int(run_section(run, "inforce"), "guest_load_rounds", strtoll(text, NULL, 10));
}

/* VM exits of the measured vCPUs over their samples: one sample is one wake-up. */
void outcome_rates(struct run *run)
{
	json_object *exits = json_at(run->doc, "window.exits"), *cpus = json_at(run->doc, "cpus");
	json_object *rates = json_object_new_object();
	int64_t samples = 0;

	for (size_t i = 0; i < json_object_array_length(cpus); i++)
		samples += json_int(json_object_array_get_idx(cpus, i), "samples", 0);
	if (!exits || !samples) {
		json_object_put(rates);
		return;
	}
	json_object_object_foreach(exits, reason, count) {
		char text[32];

		snprintf(text, sizeof(text), "%.3f",
			 (double)json_object_get_int64(count) / samples);
		json_object_object_add(rates, reason,
				       json_object_new_double_s(strtod(text, NULL), text));
	}
	json_object_object_add(run_section(run, "window"), "exits_per_wakeup", rates);
}

/* A count that is not whole must not be read as one; the latencies do not depend on it. */
static void judge_counts(struct run *run, const struct gathered *g)
{
	int64_t lost = json_int(run->doc, "window.exits_lost", 0);
	double seconds = json_double(run->doc, "window.seconds", 0);
	double counted = json_double(run->doc, "window.exits_seconds", seconds);

	if (lost > 0)
		run_reason(run, "the trace lost %" PRId64 " events: VM exits are undercounted",
			   lost);
	if (!g->o->host && !g->o->no_trace && counted < 0.9 * seconds)
		run_reason(run,
			   "VM exits were counted over %.1f s of the window's %.1f s: their number "
			   "per wake-up is understated",
			   counted, seconds);
}

bool outcome_lasted(uint64_t ns, uint64_t asked)
{
	uint64_t slack = asked / 10;

	if (slack < NSEC_PER_SEC)
		slack = NSEC_PER_SEC;
	else if (slack > 10 * NSEC_PER_SEC)
		slack = 10 * NSEC_PER_SEC;
	if (slack < asked / 100)
		slack = asked / 100;
	return ns >= asked - (slack < asked ? slack : asked);
}

bool outcome_whole(const struct ctopts *o, uint64_t ns)
{
	return outcome_lasted(ns, o->duration_s * NSEC_PER_SEC);
}

uint64_t outcome_job_ns(const struct gathered *g)
{
	const uint64_t *mark_ns = g->mark_ns;
	uint64_t begin = mark_ns[ABI_MARK_JOB_START], end = mark_ns[ABI_MARK_JOB_END];

	if (g->o->host)
		return g->job_ns;
	return begin && end > begin ? end - begin : 0;
}

bool outcome_end_known(struct run *run, const struct gathered *g)
{
	if (outcome_job_ns(g))
		return true;
	if (!g->o->host && json_int(g->ended, "marks_lost", 0) <= 0)
		run_doubt(
			run,
			"the end of the guest's job is not known: it wrote no mark of it after that "
			"of its start");
	return false;
}

/*
 * It tells its rounds when it is ended, so one that does not was gone before. One that ends early may
 * leave no time for a round.
 */
static void judge_load(struct run *run, const struct gathered *g)
{
	int64_t rounds = json_int(run->doc, "inforce.guest_load_rounds", -1);

	if (!g->o->load || rounds > 0 || (gathered_short(g) && !rounds))
		return;
	run_doubt(run, "the guest's load %s %s", g->o->load->name,
		  rounds ? "ended before the measurement did" : "did not finish a single round");
}

/* What a wake-up hid at which cyclictest broke off is known: it was as late as that. */
static int64_t wanted(const struct gathered *g, json_object *cpu)
{
	int64_t want = json_int(cpu, "expected", 0);

	if (!g->broke.late_ns || !g->o->interval_us || json_int(cpu, "cpu", -1) != g->broke.cpu)
		return want;
	return want - (int64_t)(g->broke.late_ns / (g->o->interval_us * 1000));
}

static void judge_samples(struct run *run, const struct gathered *g)
{
	json_object *cpus = json_at(run->doc, "cpus");

	for (size_t i = 0; i < json_object_array_length(cpus); i++) {
		json_object *c = json_object_array_get_idx(cpus, i);
		int64_t n = json_int(c, "samples", 0), want = wanted(g, c);

		if (n > 0 ? g->o->smoke || n >= want - want / 10 : gathered_short(g) && want <= 0)
			continue;
		run_doubt(run,
			  "%sCPU %" PRId64 " has %" PRId64 " of %" PRId64
			  " expected samples: wake-ups were missed, so the tail is not "
			  "known",
			  g->o->host ? "" : "v", json_int(c, "cpu", -1), n, want);
	}
}

enum verdict outcome_judge(struct run *run, const struct gathered *g)
{
	int64_t marks_lost = json_int(g->ended, "marks_lost", 0);

	judge_counts(run, g);
	if (marks_lost > 0)
		run_doubt(run, "%" PRId64 " marks of the guest were lost: the window is not known",
			  marks_lost);
	judge_samples(run, g);
	judge_load(run, g);
	return run_judge(run, g->o->smoke);
}

int outcome_report(const struct run *run, struct err *e)
{
	char self[PATH_MAX], why[256];
	char *argv[] = { self, "report", (char *)run->dir, NULL };
	_cleanup_close_ int errors = memfd_create("rtkvm-report-errors", MFD_CLOEXEC);
	_cleanup_close_ int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct proc_opts o = PROC_OPTS_INIT;
	struct proc p;
	int ret = paths_self(self, sizeof(self), e);

	o.argv = argv;
	o.out = null;
	o.err = errors;
	if (!ret)
		ret = proc_start(&p, &o, e);
	if (ret < 0)
		return ret;
	ret = proc_wait(&p, 0);
	proc_stop(&p, 1000);
	if (ret == -EINTR)
		return err_set(e, ret,
			       "interrupted while the report was made; rtkvm report %s "
			       "repeats it",
			       run->dir);
	complaint(errors, "rtkvm report: ", why, sizeof(why));
	if (proc_code(&p) == VERDICT_ERROR || proc_code(&p) >= 126)
		return err_set(e, -EIO, "the report failed: %s; rtkvm report %s repeats it",
			       why[0] ? why : "it did not say why", run->dir);
	return 0;
}
