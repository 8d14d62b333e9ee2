/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * phaselog - one phase's figures from the logs of all its attempts, interrupted ones included
 *
 * Merging is addition: an attempt cut short adds what it measured. The campaign's own log holds
 * the same under the phase's name as instrument, in slices of a 1440th of the phase at least.
 */
#ifndef RTKVM_CYCLIC_PHASELOG_H
#define RTKVM_CYCLIC_PHASELOG_H

#include <stdio.h>

#include "results/record.h"

/* One CPU of one group. */
struct phaselog_cpu {
	char group[LOG_INSTRUMENT_BYTES]; /* phase, or phase/guest */
	int cpu, host_cpu;
	struct hist hist;
	int64_t expected, missed; /* -1: some attempt could not tell */
	uint64_t duration_ns;
	uint64_t max_wall_ns; /* when the largest sample came; 0 unknown */
	/* the slice of the campaign's log that is being filled */
	struct log_slice slice;
	struct hist slice_hist;
};

struct phaselog {
	struct phaselog_cpu **cpus;
	size_t n;
	uint64_t damaged; /* bytes of logs that were no whole record */
	struct log_writer *log; /* campaign's log; NULL: only add up */
	uint64_t slice_ns; /* least length of its slices */
};

/*
 * phaselog_add - add a latency.log under a group's name; an absent log adds nothing. With g->log set
 * its slices are written there too, joined to slice_ns; phaselog_flush writes the rest.
 */
int phaselog_add(struct phaselog *g, const char *path, const char *group, struct err *e);
int phaselog_flush(struct phaselog *g, struct err *e);

/* phaselog_measured - the time that every CPU of a group was measured; 0 with fewer than cpus */
uint64_t phaselog_measured(const struct phaselog *g, const char *group, size_t cpus);

/*
 * phaselog_spikes - append the lines of a spikes.jsonl to out with the group as instrument, at most
 * max of them; returns how many. Lines cut off by a crash are left out. What rtkvm trace explain
 * found out about a spike ("instrument":"trace") is joined to the spike's own line (explained.h).
 */
int64_t phaselog_spikes(const char *path, const char *group, FILE *out, int64_t max, struct err *e);

void phaselog_free(struct phaselog *g);

#endif
