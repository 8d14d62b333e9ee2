/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * campaign_slices - how far each CPU of a job has come, by the slices in its log
 *
 * One CPU that hangs is hidden in the log's size by the others, which go on. The log is read as it
 * grows, each record once. Of an instrument in a guest that gives no slices the guest's signs of life
 * are read instead, which its harness notes in events.jsonl: they are vCPU 0's.
 */
#ifndef RTKVM_CYCLIC_CAMPAIGN_SLICES_H
#define RTKVM_CYCLIC_CAMPAIGN_SLICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/cpulist.h"
#include "lib/err.h"

struct slices_cpu {
	int cpu; /* as the instrument numbers it: the vCPU in a guest */
	uint64_t grown_ns; /* CLOCK_MONOTONIC when its last slice was seen, 0: none came */
	uint64_t measured_ns;
};

struct slices {
	struct slices_cpu *cpus; /* owned */
	size_t n;
	uint64_t asked_ns; /* a CPU that has measured this is done */
	bool beats; /* signs of life are read, not slices */
	uint64_t bytes; /* of the file that have been read */
	uint64_t begun_ns; /* when the first slice of any CPU was seen, 0: none came */
};

/* slices_init - nothing came yet of these CPUs; a slack on asked_ns is the caller's matter */
int slices_init(struct slices *s, const struct cpulist *cpus, uint64_t asked_ns, struct err *e);

/* slices_read - take what has come into run directory dir since the last time; a file not there is empty */
void slices_read(struct slices *s, const char *dir, uint64_t now_ns);

/*
 * slices_silent - the longest that a CPU that is not done has been silent; *cpu takes which. One of
 * which nothing came counts from since_ns.
 */
uint64_t slices_silent(const struct slices *s, uint64_t since_ns, uint64_t now_ns, int *cpu);

/* slices_done - has every CPU measured what was asked? */
bool slices_done(const struct slices *s);

void slices_free(struct slices *s);

#endif
