/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * options - the command line of rtkvm hwlat, as a plain struct
 *
 * hwlatdetect's options mean here what they mean there: bare numbers of --threshold, --hardlimit,
 * --window and --width are microseconds, --duration takes s, m, d and w besides ours.
 */
#ifndef RTKVM_HWLAT_OPTIONS_H
#define RTKVM_HWLAT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/cpulist.h"
#include "lib/err.h"

enum hwlat_detector {
	HWLAT_SPIN, /* our loop in user space */
	HWLAT_TRACER, /* the kernel's hwlat tracer, one thread per CPU, interrupts off */
	HWLAT_OSNOISE, /* the kernel's osnoise tracer: noise of a thread, by source */
	HWLAT_TIMERLAT, /* the kernel's timerlat tracer: late wake-ups, and the noise before them */
};

enum hwlat_evidence {
	HWLAT_EVIDENCE_AUTO, /* tracefs where it can be had, else counters, and say so */
	HWLAT_EVIDENCE_TRACE, /* tracefs or an error */
	HWLAT_EVIDENCE_COUNTERS, /* never touch tracefs */
};

/* What to do about the kernel's limit on real-time threads (sched_rt_runtime_us). */
enum hwlat_limit {
	HWLAT_LIMIT_PAUSE, /* stay below it: watch a little less than it allows of each period */
	HWLAT_LIMIT_LIFT, /* take it away for the run */
	HWLAT_LIMIT_KEEP, /* run into it: its gaps are among the samples */
};

struct hwlat_opts {
	enum hwlat_detector detector;
	enum hwlat_evidence evidence;
	bool cpus_given;
	struct cpulist cpus; /* to watch */
	bool housekeeping_given;
	struct cpulist housekeeping; /* where the supervisor runs */
	uint64_t duration_ns;
	uint64_t threshold_ns;
	uint64_t hardlimit_ns; /* 0: as threshold_ns */
	uint64_t window_ns, width_ns;
	uint64_t step_ns; /* rest of about this long between readings; 0: none */
	bool window_given; /* else it is the kernel's period where there is a limit */
	bool width_given; /* else the width may be cut to stay below the kernel's limit */
	int priority; /* SCHED_FIFO */
	bool guest; /* we are in a guest: unexplained time is the host's */
	bool pm_qos; /* hold /dev/cpu_dma_latency at 0 */
	bool no_watchdog; /* keep the lockup watchdog off the watched CPUs */
	enum hwlat_limit limit;
	bool allow_unstable_tsc;
	bool smoke; /* a verdict even on an emulated machine */
	bool watch, quiet, debug, json, dry_run;
	const char *report; /* text output also into this file */
	const char *out; /* run directory */
};

/* hwlat_opts_parse - fill o from a command line; --help prints and exits, nothing is opened */
int hwlat_opts_parse(struct hwlat_opts *o, int argc, char **argv, struct err *e);

/* hwlat_detector_name - "spin", "hwlat", "osnoise" or "timerlat" */
const char *hwlat_detector_name(enum hwlat_detector d);

#endif
