// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/campaign_job.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cyclic/complaint.h"
#include "lib/abi.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "results/record.h"

enum {
	STOP_GRACE_MS = 60000, /* a guest is shut down, a report finished */
	STALL_GRACE_MS = 2000,
	GUEST_GRACE_MS = 15000, /* its harness ends a VMM that may not listen, then says so */
	SILENT_SLICES = 3,
	LATE_S = 300, /* beyond what was asked: boot, shutdown, a slow disk */
	FINISH_S = 120, /* past its measuring: the guest's files, shutdown, run.json */
	SAVE_S = 1800, /* a spike's trace sent, converted and explained: 10 minutes each at most */
};

#define SLICE_SLACK_NS (2 * NSEC_PER_SEC)

const char *job_outcome_name(enum job_outcome o)
{
	static const char *const names[] = { "running", "ended", "broken", "stalled", "stopped" };

	return names[o];
}

/* What doctor prints is its result; the other instruments make their directory themselves. */
static int doctor_output(const struct job *j, struct err *e)
{
	char path[PATH_MAX + 16];
	int fd;

	if (file_mkdirs(j->dir, e) < 0)
		return e->code;
	snprintf(path, sizeof(path), "%s/doctor.json", j->dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	return fd < 0 ? err_sys(e, "making %s failed", path) : fd;
}

/* Its CPUs as its log numbers them: vCPU 0 keeps the guest's house and is not measured. */
static struct cpulist log_cpus(const struct phase_entry *p, const struct guest_entry *g)
{
	struct cpulist cpus = { 0 };

	if (!g)
		return p->cpus;
	for (int v = 1; v < g->cpus.n; v++)
		cpulist_add(&cpus, v);
	return cpus;
}

static int watch_slices(struct job *j, const struct phase_entry *p, uint64_t ns, struct err *e)
{
	uint64_t slack = JOB_SLACK_PERIODS * p->interval_ns;
	struct cpulist cpus = log_cpus(p, j->guest), house = { 0 };
	bool beats = j->guest && p->run != RUN_SAMPLE;
	int ret;

	cpulist_add(&house, 0);
	ret = slices_init(&j->slices, beats ? &house : &cpus, ns > slack ? ns - slack : ns, e);
	j->slices.beats = beats;
	return ret;
}

int job_start(struct job *j, const char *self, const struct campaign *c,
	      const struct phase_entry *p, const struct claim *claim, uint64_t ns, struct err *e)
{
	_cleanup_close_ int out = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct proc_opts o = PROC_OPTS_INIT;
	const struct plan_ask ask = { ns, j->dir, j->on_spike };
	struct vmproc_argv a;

	if (plan_job(&a, self, c, p, j->guest, &ask, e) < 0 || watch_slices(j, p, ns, e) < 0)
		return e->code;
	if (p->run == RUN_DOCTOR) {
		if (out >= 0)
			close(out);
		out = doctor_output(j, e);
		if (out < 0)
			return out;
	}
	j->err = memfd_create("stderr", MFD_CLOEXEC);
	if (j->err < 0)
		return err_sys(e, "starting phase %s failed", p->entry.name);
	o.argv = a.argv;
	o.out = out;
	o.err = j->err;
	o.keep = claim->fds;
	o.n_keep = claim->n;
	j->started_ns = clock_now_ns();
	j->end_ns = j->started_ns + ns + LATE_S * NSEC_PER_SEC;
	j->slice_ns = c->slice_ns;
	j->silence_ns = p->run == RUN_SAMPLE || j->guest
				? SILENT_SLICES * c->slice_ns + 2 * NSEC_PER_SEC
				: 0;
	return proc_start(&j->proc, &o, e);
}

/*
 * Silence counts for each CPU, until all of them have measured their time. A guest boots first, and
 * its harness knows how long that may take.
 */
static bool silent_for(const struct job *j, uint64_t now, uint64_t ns, int *cpu)
{
	uint64_t since = j->guest ? j->slices.begun_ns : j->started_ns;

	return j->silence_ns && since && !j->measured &&
	       slices_silent(&j->slices, since, now, cpu) > ns;
}

/* Has the guest's job ended? So say the events of its VMM, which the harness keeps as they come. */
static bool guest_is_through(const struct job *j)
{
	_cleanup_fclose_ FILE *in = NULL;
	_cleanup_free_ char *line = NULL;
	char path[PATH_MAX + 16];
	struct err ignored = { 0 };
	bool through = false;
	size_t room = 0;

	snprintf(path, sizeof(path), "%s/events.jsonl", j->dir);
	file_stream(path, &in, &ignored);
	while (in && !through && getline(&line, &room, in) > 0) {
		_cleanup_json_ json_object *event = json_tokener_parse(line);

		through = !strcmp(json_str(event, "event", ""), "mark") &&
			  json_int(event, "id", 0) == ABI_MARK_JOB_END;
	}
	return through;
}

static void ended(struct job *j, enum job_outcome outcome)
{
	uint64_t now = clock_now_ns();
	int cpu;

	j->outcome = outcome;
	j->code = proc_code(&j->proc);
	j->ended_wall_ns = clock_wall_ns();
	slices_read(&j->slices, j->dir, now);
	j->silent = silent_for(j, now, j->slice_ns + SLICE_SLACK_NS, &cpu) &&
		    !(j->guest && guest_is_through(j)); /* only its files were still to come */
	complaint(j->err, "rtkvm ", j->said, sizeof(j->said));
}

/* What the host was doing while the job hung, for whoever has to find out. */
static void keep_evidence(const struct job *j)
{
	static const char script[] =
		"exec >\"$1\" 2>&1; date -u; echo '== process'; cat /proc/$2/status; cat "
		"/proc/$2/task/*/stack; echo '== threads'; ps -eLo pid,tid,cls,rtprio,psr,stat,wchan,"
		"time,comm; echo '== interrupts'; cat /proc/interrupts; echo '== kernel'; dmesg | "
		"tail -n 200";
	char file[PATH_MAX + 32], pid[16];
	char *argv[] = { "sh", "-c", (char *)script, "sh", file, pid, NULL };
	struct err ignored = { 0 };
	char out[8];

	snprintf(file, sizeof(file), "%s-stalled.txt", j->dir);
	snprintf(pid, sizeof(pid), "%d", j->proc.pid);
	proc_run(argv, 60, out, sizeof(out), &ignored);
}

static void stalled(struct job *j, const char *how)
{
	keep_evidence(j);
	proc_stop(&j->proc, j->guest ? GUEST_GRACE_MS : STALL_GRACE_MS);
	ended(j, JOB_STALLED);
	snprintf(j->said, sizeof(j->said), "%s", how);
}

static bool has_measured(const struct job *j)
{
	return slices_done(&j->slices) || (j->guest && guest_is_through(j));
}

/* Late in any way: hung, unless it is past its measuring; then it has time to save its traces. */
static void late(struct job *j, uint64_t now, const char *how)
{
	if (!j->measured && has_measured(j)) {
		j->measured = true;
		j->end_ns = now + (j->on_spike == SPIKE_TRACE ? SAVE_S : FINISH_S) * NSEC_PER_SEC;
	} else {
		stalled(j, how);
	}
}

/* cyclictest breaks off where its phase wants it to: whoever runs it alone lacks the rest of its time. */
static bool ended_at_spike(const struct job *j)
{
	struct err ignored = { 0 };
	struct run run = { 0 };
	bool yes = run_open(&run, j->dir, &ignored) == 0 &&
		   json_object_get_boolean(json_at(run.doc, "stopped_at_spike")) &&
		   !json_object_get_boolean(json_at(run.doc, "interrupted"));

	run_close(&run);
	return yes;
}

/* A limit that was broken before its end stays broken: its exit code does not tell of the rest. */
static bool cut_short(const struct job *j)
{
	struct err ignored = { 0 };
	struct run run = { 0 };
	bool yes = run_open(&run, j->dir, &ignored) == 0 && run_cut_short(run.doc);

	run_close(&run);
	return yes;
}

static bool has_verdict(const struct job *j, int code)
{
	return code == VERDICT_PASS || code == VERDICT_INCONCLUSIVE ||
	       (code == VERDICT_FAIL && !cut_short(j)) ||
	       (code == VERDICT_INCOMPLETE && ended_at_spike(j));
}

void job_watch(struct job *j)
{
	char how[64];
	uint64_t now = clock_now_ns();
	int cpu = -1;

	if (j->outcome != JOB_RUNNING)
		return;
	if (proc_poll(&j->proc) == 1) {
		ended(j, has_verdict(j, proc_code(&j->proc)) ? JOB_ENDED : JOB_BROKEN);
		return;
	}
	slices_read(&j->slices, j->dir, now);
	if (silent_for(j, now, j->silence_ns, &cpu)) {
		snprintf(how, sizeof(how), "no %s came for 3 slices from %sCPU %d",
			 j->slices.beats ? "sign of life" : "slice", j->guest ? "v" : "", cpu);
		late(j, now, how);
	} else if (now > j->end_ns) {
		late(j, now, "it did not end in time");
	}
}

void job_stop(struct job *j)
{
	if (j->outcome != JOB_RUNNING)
		return;
	proc_stop(&j->proc, STOP_GRACE_MS);
	ended(j, JOB_STOPPED);
}

void job_close(struct job *j)
{
	proc_stop(&j->proc, STALL_GRACE_MS);
	if (j->err >= 0)
		close(j->err);
	j->err = -1;
	slices_free(&j->slices);
}
