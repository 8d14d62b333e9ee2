// SPDX-License-Identifier: GPL-2.0-only
#include "hwlat/altered.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/knob.h"
#include "lib/tracefs.h"

#define RT_RUNTIME "/proc/sys/kernel/sched_rt_runtime_us"
#define RT_PERIOD  "/proc/sys/kernel/sched_rt_period_us"
#define PM_QOS	   "/dev/cpu_dma_latency"
/* CPUs that the soft and hard lockup detectors look after (Documentation/admin-guide/sysctl/kernel) */
#define WATCHDOG_CPUS "/proc/sys/kernel/watchdog_cpumask"

/*
 * A dead run's instance first: its tracer may still run with the settings that are put back. Where
 * tracefs cannot be had none of ours can be there.
 */
int altered_recover(struct err *e)
{
	_cleanup_close_ int root = knob_root("/", e);
	struct err no_tracefs = { 0 };

	tfs_sweep(&no_tracefs);
	return root < 0 ? root : knobs_recover(root, ALTERED_DIR, e);
}

static bool limited(const struct altered *a)
{
	return a->rt_runtime_us >= 0 && a->rt_runtime_us < a->rt_period_us;
}

/* One percent below: what the kernel counts as run time is not exactly ours. */
void altered_width(struct altered *a, bool keep_window, uint64_t *window_ns, uint64_t *width_ns)
{
	int64_t allowed_us = a->rt_runtime_us - a->rt_period_us / 100;
	uint64_t period_ns = a->rt_period_us * 1000;

	if (!limited(a) || allowed_us <= 0)
		return;
	if (!keep_window || *window_ns > period_ns)
		*window_ns = period_ns;
	*width_ns = (double)*window_ns * allowed_us / a->rt_period_us;
	snprintf(a->limit_note, sizeof(a->limit_note),
		 "respected by watching %.1f %% of the time; --rt-limit=lift watches all",
		 100.0 * allowed_us / a->rt_period_us);
}

/* Those it looks after now, without the watched ones. */
static int choose_watchdog(struct altered *a, const struct plan *p, struct err *e)
{
	struct cpulist now, rest;
	int ret;

	if (!file_exists(WATCHDOG_CPUS)) {
		snprintf(a->watchdog_note, sizeof(a->watchdog_note),
			 "this kernel has none to keep away");
		return 0;
	}
	ret = cpulist_read(&now, WATCHDOG_CPUS, e);
	if (ret < 0)
		return ret;
	rest = cpulist_minus(&now, &p->watched);
	if (cpulist_equal(&now, &rest)) {
		snprintf(a->watchdog_note, sizeof(a->watchdog_note),
			 "it was off the watched CPUs already");
		return 0;
	}
	if (cpulist_empty(&rest)) /* it has to stay somewhere */
		rest = p->housekeeping;
	cpulist_format(&rest, a->watchdog_cpus, sizeof(a->watchdog_cpus));
	a->knobs[a->n_knobs++] = (struct knob){ .path = WATCHDOG_CPUS, .want = a->watchdog_cpus };
	return 0;
}

int altered_not_held(const char *path, const char *what, struct err *e)
{
	pid_t pid = knobs_holder(ALTERED_DIR, path);

	if (!pid)
		return 0;
	return err_set(e, -EBUSY,
		       "%s: another run, process %d, has altered %s and puts it back when it ends; "
		       "wait for that",
		       what, pid, path);
}

int altered_look(struct altered *a, const struct hwlat_opts *o, const struct plan *p, struct err *e)
{
	char text[32];
	int ret;

	*a = (struct altered)ALTERED_INIT;
	if (o->detector == HWLAT_SPIN) { /* one that another has lifted comes back while we watch */
		ret = altered_not_held(RT_RUNTIME, "--rt-limit", e);
		if (ret < 0)
			return ret;
	}
	if (o->no_watchdog) {
		ret = altered_not_held(WATCHDOG_CPUS, "--no-watchdog", e);
		if (ret < 0)
			return ret;
	}
	ret = file_read(RT_RUNTIME, text, sizeof(text), e);
	if (ret < 0)
		return ret;
	a->rt_runtime_us = atoll(text);
	ret = file_read(RT_PERIOD, text, sizeof(text), e);
	if (ret < 0)
		return ret;
	a->rt_period_us = atoll(text);
	if (limited(a) && o->limit == HWLAT_LIMIT_LIFT && o->detector == HWLAT_SPIN)
		a->knobs[a->n_knobs++] = (struct knob){ .path = RT_RUNTIME, .want = "-1" };
	return o->no_watchdog ? choose_watchdog(a, p, e) : 0;
}

static int set_knobs(struct altered *a, struct err *e)
{
	int ret;

	snprintf(a->journal, sizeof(a->journal), ALTERED_DIR "/hwlat-%d.knobs", getpid());
	a->root = knob_root("/", e);
	if (a->root < 0)
		return a->root;
	ret = knobs_apply(a->root, a->journal, KNOB_PROCESS, a->knobs, a->n_knobs, e);
	a->set = ret > 0;
	return ret < 0 ? ret : 0;
}

bool altered_limit_lifted(const struct altered *a)
{
	for (size_t i = 0; i < a->n_knobs; i++)
		if (!strcmp(a->knobs[i].path, RT_RUNTIME))
			return a->knobs[i].state == KNOB_SET;
	return false;
}

static int hold_awake(struct altered *a, struct err *e)
{
	int32_t none = 0;

	a->pm_qos = open(PM_QOS, O_WRONLY | O_CLOEXEC);
	if (a->pm_qos < 0 || write(a->pm_qos, &none, sizeof(none)) != sizeof(none))
		return err_sys(e, "--pm-qos: writing %s failed", PM_QOS);
	return 0;
}

int altered_apply(struct altered *a, const struct hwlat_opts *o, struct err *e)
{
	int ret = a->n_knobs ? set_knobs(a, e) : 0;

	if (limited(a) && !altered_limit_lifted(a) && !a->limit_note[0] &&
	    o->detector == HWLAT_SPIN)
		snprintf(a->limit_note, sizeof(a->limit_note), "its gaps are among the samples");
	if (!ret && o->pm_qos)
		ret = hold_awake(a, e);
	return ret;
}

int altered_undo(struct altered *a, struct err *e)
{
	int ret = 0;

	if (a->pm_qos >= 0)
		close(a->pm_qos);
	if (a->set)
		ret = knobs_undo(a->root, a->journal, e);
	knobs_free(a->knobs, a->n_knobs);
	if (a->root >= 0)
		close(a->root);
	*a = (struct altered)ALTERED_INIT;
	return ret < 0 ? ret : 0;
}

bool altered_knob_line(const struct knob *k, bool planned, char *buf, size_t size)
{
	char now[512];

	if (planned)
		file_read_line(k->path, now, sizeof(now));
	if (planned ? knob_same(now, k->want) : k->state != KNOB_SET)
		return false;
	snprintf(buf, size, "%s: %s -> %s, put back at the end", k->path, planned ? now : k->saved,
		 k->want);
	return true;
}

bool altered_line(const struct altered *a, const struct hwlat_opts *o, bool tracing, bool planned,
		  unsigned int i, char *buf, size_t size)
{
	if (tracing && !i--) {
		snprintf(buf, size,
			 "tracefs: an instance rtkvm-%d-%s of our own, removed at the end",
			 getpid(),
			 o->detector == HWLAT_SPIN ? "hwlat" : hwlat_detector_name(o->detector));
		return true;
	}
	for (size_t n = 0; n < a->n_knobs; n++)
		if (altered_knob_line(&a->knobs[n], planned, buf, size) && !i--)
			return true;
	if ((planned ? o->pm_qos : a->pm_qos >= 0) && !i--) {
		snprintf(buf, size, "%s: 0 us, for as long as the run lasts", PM_QOS);
		return true;
	}
	return false;
}
