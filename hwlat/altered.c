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

#define RT_RUNTIME "/proc/sys/kernel/sched_rt_runtime_us"
#define RT_PERIOD  "/proc/sys/kernel/sched_rt_period_us"
#define PM_QOS	   "/dev/cpu_dma_latency"

int altered_recover(struct err *e)
{
	_cleanup_close_ int root = knob_root("/", e);

	return root < 0 ? root : knobs_recover(root, ALTERED_DIR, e);
}

int altered_look(struct altered *a, struct err *e)
{
	char text[32];
	int ret;

	*a = (struct altered)ALTERED_INIT;
	ret = file_read(RT_RUNTIME, text, sizeof(text), e);
	if (ret < 0)
		return ret;
	a->rt_runtime_us = atoll(text);
	ret = file_read(RT_PERIOD, text, sizeof(text), e);
	if (ret < 0)
		return ret;
	a->rt_period_us = atoll(text);
	return 0;
}

static bool limited(const struct altered *a)
{
	return a->rt_runtime_us >= 0 && a->rt_runtime_us < a->rt_period_us;
}

/* One percent below: what the kernel counts as run time is not exactly ours. */
void altered_width(struct altered *a, uint64_t *window_ns, uint64_t *width_ns)
{
	int64_t allowed_us = a->rt_runtime_us - a->rt_period_us / 100;

	if (!limited(a) || allowed_us <= 0)
		return;
	*window_ns = a->rt_period_us * 1000;
	*width_ns = allowed_us * 1000;
	snprintf(a->limit_note, sizeof(a->limit_note),
		 "respected by watching %.1f %% of the time; --rt-limit=lift watches all",
		 100.0 * allowed_us / a->rt_period_us);
}

static int lift_limit(struct altered *a, struct err *e)
{
	struct knob knob = { .path = RT_RUNTIME, .want = "-1" };
	int ret;

	snprintf(a->journal, sizeof(a->journal), ALTERED_DIR "/hwlat-%d.knobs", getpid());
	a->root = knob_root("/", e);
	if (a->root < 0)
		return a->root;
	ret = knobs_apply(a->root, a->journal, KNOB_PROCESS, &knob, 1, e);
	a->limit_lifted = knob.state == KNOB_SET;
	knobs_free(&knob, 1);
	return ret < 0 ? ret : 0;
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
	bool lift = limited(a) && o->limit == HWLAT_LIMIT_LIFT && o->detector == HWLAT_SPIN;
	int ret = lift ? lift_limit(a, e) : 0;

	if (limited(a) && !lift && !a->limit_note[0] && o->detector == HWLAT_SPIN)
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
	if (a->limit_lifted)
		ret = knobs_undo(a->root, a->journal, e);
	if (a->root >= 0)
		close(a->root);
	a->pm_qos = a->root = -1;
	a->limit_lifted = false;
	return ret < 0 ? ret : 0;
}

bool altered_line(const struct altered *a, const struct hwlat_opts *o, bool tracing, bool planned,
		  unsigned int i, char *buf, size_t size)
{
	bool lifted = planned ? limited(a) && o->limit == HWLAT_LIMIT_LIFT : a->limit_lifted;
	bool awake = planned ? o->pm_qos : a->pm_qos >= 0;

	if (tracing && !i--) {
		snprintf(buf, size,
			 "tracefs: an instance rtkvm-%d-%s of our own, removed at the end",
			 getpid(),
			 o->detector == HWLAT_SPIN ? "hwlat" : hwlat_detector_name(o->detector));
		return true;
	}
	if (lifted && !i--) {
		snprintf(buf, size, "%s: %jd -> -1, put back at the end", RT_RUNTIME,
			 (intmax_t)a->rt_runtime_us);
		return true;
	}
	if (awake && !i--) {
		snprintf(buf, size, "%s: 0 us, for as long as the run lasts", PM_QOS);
		return true;
	}
	return false;
}
