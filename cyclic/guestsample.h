/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guestsample - what a guest sends while it measures, as it comes: slices of our sampler, and under
 * any instrument its load's proof of work
 *
 * Read from the data port's bytes while the guest runs and written to the run directory at once, so
 * that whatever ends the guest or us costs one slice. Nothing of what a guest sends is believed
 * before it has been checked: CPUs against the map, counts against the histogram, order against the
 * records' own numbers.
 */
#ifndef RTKVM_CYCLIC_GUESTSAMPLE_H
#define RTKVM_CYCLIC_GUESTSAMPLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cyclic/guestload.h"
#include "cyclic/outcome.h"
#include "cyclic/spiketrace.h"
#include "lib/frames.h"

struct guestsample_cpu {
	struct hist total;
	int64_t expected, missed;
	uint64_t slice_ns; /* CLOCK_MONOTONIC of its last slice's arrival, 0: none came */
};

struct guestsample {
	struct guestsample_cpu *cpus; /* one for each vCPU; [0] stays empty */
	struct log_writer log;
	FILE *spikes;
	uint64_t taken; /* bytes of the data stream */
	uint64_t sequence; /* of the guest's next record */
	uint64_t n_spikes, n_listed;
	bool interrupted, at_spike; /* how it ended, in its own words */
	struct guestload load;
	uint64_t beats; /* signs of life from a guest whose instrument gives no slices */
	uint64_t beat_ns; /* CLOCK_MONOTONIC when the last of them came, 0: none did */
	uint64_t clock_ns; /* the guest's CLOCK_MONOTONIC at mark ABI_MARK_CLOCK; 0: not told */
};

/* guestsample_open - start latency.log and spikes.jsonl in the run directory */
int guestsample_open(struct guestsample *s, struct run *run, const struct gathered *g,
		     struct err *e);

/*
 * guestsample_take - what has come through the data port (its file) since the last time; -EPROTO
 * when it cannot be what a sampler sends
 */
int guestsample_take(struct guestsample *s, const struct gathered *g, int data, struct err *e);

/*
 * guestsample_silent - for how long no slice has come that should have, from the vCPU that has been
 * silent longest; 0: all is well
 */
uint64_t guestsample_silent(const struct guestsample *s, const struct gathered *g, uint64_t now_ns);

/* guestsample_finish - end the files; what came into cpus[] and spikes, also of a guest that broke */
int guestsample_finish(struct guestsample *s, struct run *run, const struct gathered *g,
		       struct err *e);

/* guestsample_files - what the guest sent with its job's end: its threads, its loads, its reasons, its trace */
int guestsample_files(struct guestsample *s, struct run *run, const struct gathered *g,
		      struct spiketrace *spike, const void *stream, size_t len, struct err *e);

/*
 * guestsample_judge - before run_judge: a shortfall when fewer periods came than were asked for, or the
 * sampler was interrupted by others than us; a stop at a spike is told, and excuses them. A doubt when
 * there is a load and the end of the job, against whose time it is held, is not known
 */
void guestsample_judge(const struct guestsample *s, struct run *run, const struct gathered *g);

/* guestsample_free - release; accepts one never opened */
void guestsample_free(struct guestsample *s);

#endif
