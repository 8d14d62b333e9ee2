/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sampler - a loop (cyclic/loop.h) on each measured CPU, and the collector that empties them
 *
 * Threads: one SCHED_FIFO thread a CPU, pinned, all signals blocked, memory locked; the collector
 * is the calling thread, moved off the measured CPUs where the process may run elsewhere.
 */
#ifndef RTKVM_CYCLIC_SAMPLER_H
#define RTKVM_CYCLIC_SAMPLER_H

#include "cyclic/collect.h"
#include "lib/cpulist.h"

struct sampler_config {
	struct cpulist cpus;
	uint64_t period_ns, duration_ns, slice_ns;
	uint64_t spike_ns; /* UINT64_MAX: none is one */
	int priority; /* SCHED_FIFO; 0: SCHED_OTHER */
	bool stop_at_spike;
	const char *freeze; /* file that gets "0" at each CPU's first spike; NULL: none */
	bool hurry; /* hand over the first spike at once, not with its slice */
};

/* How it ended; < 0 is an error. */
enum sampler_end { SAMPLER_COMPLETE, SAMPLER_INTERRUPTED, SAMPLER_SPIKE };

/*
 * sampler_run - measure into c (opened for the same CPUs); inforce gets what the kernel says of
 * each thread, window its faults and switches. -EPERM: no right to SCHED_FIFO or locked memory.
 */
int sampler_run(const struct sampler_config *config, struct collect *c, json_object *inforce,
		json_object *window, struct err *e);

#endif
