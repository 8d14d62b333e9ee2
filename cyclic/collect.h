/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * collect - from the loop's slices and spikes to latency.log and spikes.jsonl
 *
 * Of the run directory on a host (collect_open), or of a guest that ships what is new after each
 * slice (cyclic/guest/sample.c). Not thread-safe: one collector, off the measured CPUs.
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
	struct run *run; /* borrowed; NULL in a guest */
	json_object *reasons; /* borrowed: sentences for run.json */
	int (*ship)(struct collect *c, struct err *e); /* after each sync; NULL: nothing to do */
	void *shipper; /* ship's */
	struct log_writer log;
	FILE *spikes;
	const char *instrument; /* borrowed */
	uint64_t period_ns;
	uint64_t n_spikes, n_listed;
	struct collect_cpu *cpus;
	size_t n_cpus;
};

/* collect_init - start both files under these paths; for those who have no run directory */
int collect_init(struct collect *c, const char *instrument, const struct cpulist *cpus,
		 uint64_t period_ns, const char *log, const char *spikes, struct err *e);

/* collect_open - start both files in a run directory; one entry of cpus[] for each CPU, ascending */
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

/* collect_spike_line - what spikes.jsonl says of one; negative on a write error */
int collect_spike_line(FILE *f, const char *instrument, int cpu, int host_cpu,
		       const struct loop_spike *s, int64_t offset_ns);

/* collect_note - a sentence for run.json's reasons */
void collect_note(struct collect *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* collect_samples - how many samples have come so far, from all CPUs */
uint64_t collect_samples(const struct collect *c);

/* collect_sync - make everything so far durable: once a slice */
int collect_sync(struct collect *c, struct err *e);

/* collect_close - end both files and put cpus[], spikes and files{} into the run's document */
int collect_close(struct collect *c, struct err *e);

/* collect_free - release; accepts a collector that failed to open */
void collect_free(struct collect *c);

#endif
