// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/campaign_job.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cyclic/complaint.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"

enum {
	STOP_GRACE_MS = 60000, /* a guest is shut down, a report finished */
	STALL_GRACE_MS = 2000,
	GUEST_GRACE_MS = 15000, /* its harness ends a VMM that may not listen, then says so */
	SILENT_SLICES = 3,
	LATE_S = 300, /* beyond what was asked: boot, shutdown, a slow disk */
};

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

int job_start(struct job *j, const char *self, const struct campaign *c,
	      const struct phase_entry *p, uint64_t ns, struct err *e)
{
	_cleanup_close_ int out = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct proc_opts o = PROC_OPTS_INIT;
	const struct plan_ask ask = { ns, j->dir, j->on_spike };
	struct vmproc_argv a;

	if (plan_job(&a, self, c, p, j->guest, &ask, e) < 0)
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
	j->grown_ns = clock_now_ns();
	j->end_ns = j->grown_ns + ns + LATE_S * NSEC_PER_SEC;
	j->silence_ns = p->run == RUN_SAMPLE ? SILENT_SLICES * c->slice_ns + 2 * NSEC_PER_SEC : 0;
	return proc_start(&j->proc, &o, e);
}

static void ended(struct job *j, enum job_outcome outcome)
{
	j->outcome = outcome;
	j->code = proc_code(&j->proc);
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

void job_watch(struct job *j)
{
	char path[PATH_MAX + 16];
	uint64_t now = clock_now_ns();
	struct stat st;

	if (j->outcome != JOB_RUNNING)
		return;
	if (proc_poll(&j->proc) == 1) {
		int code = proc_code(&j->proc);
		bool verdict = code == VERDICT_PASS || code == VERDICT_FAIL ||
			       code == VERDICT_INCONCLUSIVE;

		ended(j, verdict ? JOB_ENDED : JOB_BROKEN);
		return;
	}
	snprintf(path, sizeof(path), "%s/latency.log", j->dir);
	if (!stat(path, &st) && (uint64_t)st.st_size != j->log_bytes) {
		j->log_bytes = st.st_size;
		j->grown_ns = now;
	}
	/* a guest boots first, and its harness knows how long that may take */
	if (j->silence_ns && (!j->guest || j->log_bytes) && now - j->grown_ns > j->silence_ns)
		stalled(j, "no slice came for 3 slices");
	else if (now > j->end_ns)
		stalled(j, "it did not end in time");
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
}
