/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guestload - the proof of work that a load inside a guest sends, slice by slice (cyclic/guest/load.h)
 *
 * Held to a floor as the host's loads are (campaign_loads.h): a slice with too little in it, or a
 * load that fell silent, makes a run inconclusive. Every proof is a line of the run's loads.jsonl.
 */
#ifndef RTKVM_CYCLIC_GUESTLOAD_H
#define RTKVM_CYCLIC_GUESTLOAD_H

#include <stdint.h>
#include <stdio.h>

#include "lib/frames.h"
#include "results/record.h"

struct guestload {
	const char *name; /* borrowed; NULL: there is no load */
	uint64_t floor; /* rounds a second in every slice; 0: more than nothing */
	uint64_t slice_ns; /* as asked */
	FILE *log; /* loads.jsonl */
	uint64_t slices, low; /* of all slices, those below the floor */
	uint64_t rounds, elapsed_ns; /* in all */
	double least; /* rounds a second of the poorest slice */
	uint64_t least_wall_ns; /* when that came */
};

/* guestload_open - start loads.jsonl in the run directory; nothing without a name */
int guestload_open(struct guestload *l, struct run *run, struct err *e);

/* guestload_take - one piece "load" of the guest's; -EPROTO when it cannot be one */
int guestload_take(struct guestload *l, const struct frame_file *f, struct err *e);

/*
 * guestload_judge - a doubt where a slice was too poor, or where less than job_ns but for some slices is
 * accounted for; inforce.guest_load tells the figures
 */
void guestload_judge(const struct guestload *l, struct run *run, uint64_t job_ns);

/* guestload_free - release; accepts one never opened */
void guestload_free(struct guestload *l);

#endif
