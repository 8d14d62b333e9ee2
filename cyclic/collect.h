/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * collect - from the loop's slices and spikes to the run directory
 *
 * Files written: latency.log, spikes.jsonl. Not thread-safe: one collector, off the measured CPUs.
 */
#ifndef RTKVM_CYCLIC_COLLECT_H
#define RTKVM_CYCLIC_COLLECT_H

#include <stdio.h>

#include "cyclic/loop.h"
#include "lib/cpulist.h"
#include "results/record.h"

/* A machine that is no good may have a spike in every period; the rest is counted, not listed. */
enum { COLLECT_SPIKES_LISTED = 100000 };

struct collect_cpu {
	int cpu;
	uint64_t expected, missed;
	struct hist total;
};

struct collect {
	struct run *run; /* borrowed */
	struct log_writer log;
	FILE *spikes;
	const char *instrument; /* borrowed */
	uint64_t period_ns;
	uint64_t n_spikes, n_listed;
	struct collect_cpu *cpus;
	size_t n_cpus;
};

/* collect_open - start both files; one entry of cpus[] for each CPU, ascending */
int collect_open(struct collect *c, struct run *run, const char *instrument,
		 const struct cpulist *cpus, uint64_t period_ns, struct err *e);

/*
 * collect_slice - log one slice of cpus[i] and add it to its totals; offset_ns is CLOCK_REALTIME -
 * CLOCK_MONOTONIC. An empty slice is not logged.
 */
int collect_slice(struct collect *c, size_t i, const struct loop_slice *s, int64_t offset_ns,
		  struct err *e);

/* collect_spike - one line of spikes.jsonl */
int collect_spike(struct collect *c, size_t i, const struct loop_spike *s, int64_t offset_ns,
		  struct err *e);

/* collect_samples - how many samples have come so far, from all CPUs */
uint64_t collect_samples(const struct collect *c);

/* collect_sync - make everything so far durable: once a slice */
int collect_sync(struct collect *c, struct err *e);

/* collect_close - end both files and put cpus[], spikes and files{} into the run's document */
int collect_close(struct collect *c, struct err *e);

/* collect_free - release; accepts a collector that failed to open */
void collect_free(struct collect *c);

#endif
