/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * loop - the real-time loop of the sampler: sleep to a point of the grid, note how late it was
 *
 * Two slices change hands: the loop fills one, the collector empties the other. A collector that
 * comes late gets a longer slice; no sample is lost and the loop never waits.
 */
#ifndef RTKVM_CYCLIC_LOOP_H
#define RTKVM_CYCLIC_LOOP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "results/record.h"

enum { LOOP_SLICES = 2, LOOP_SPIKES = 128 };

/* Every grid point in [start_ns, end_ns) is either a sample in hist or in missed. */
struct loop_slice {
	struct hist hist; /* lateness in ns */
	uint64_t missed; /* grid points that passed while an earlier one was still being served */
	uint64_t start_ns, end_ns; /* CLOCK_MONOTONIC; end_ns also moves while the slice is open */
	uint64_t max_at_ns; /* when the largest sample came */
};

struct loop_spike {
	uint64_t mono_ns, tsc; /* at the late wake-up, not at its deadline */
	uint64_t cycle; /* which point of the grid it should have met, from 0 */
	uint64_t late_ns, missed;
};

struct loop {
	/* set before loop_run; times are CLOCK_MONOTONIC */
	uint64_t start_ns, stop_ns; /* grid points in [start_ns, stop_ns) */
	uint64_t period_ns, slice_ns;
	uint64_t spike_ns; /* lateness from which a sample is a spike; UINT64_MAX: none */
	int freeze_fd; /* "0" is written here at the first spike (a trace's tracing_on); -1: none */
	/* shared; each index has one writer */
	atomic_bool stop; /* collector: end at the next point */
	_Atomic uint32_t filled; /* loop: slices handed over */
	_Atomic uint32_t emptied; /* collector: slices given back, empty */
	_Atomic uint32_t spikes_in, spikes_out; /* loop, collector: counts modulo 2^32 */
	_Atomic uint64_t spikes_lost; /* loop: spikes that found spike[] full */
	struct loop_slice slice[LOOP_SLICES]; /* filled % LOOP_SLICES is the loop's */
	struct loop_spike spike[LOOP_SPIKES];
};

/*
 * loop_run - sample until stop_ns or stop, on the calling thread, whose CPU, policy and blocked
 * signals are the caller's business. The last slice is open when it returns:
 * slice[filled % LOOP_SLICES].
 */
void loop_run(struct loop *l);

#endif
