/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * findings - everything a run found: per CPU, per cause, and the gaps worth listing
 *
 * Constant memory: all gaps go to spikes.jsonl as they come; the longest FINDINGS_KEPT stay here.
 * The histograms hold every gap, and for each slice and CPU the longest step below the threshold,
 * so that the maximum of a quiet CPU is known too.
 */
#ifndef RTKVM_HWLAT_FINDINGS_H
#define RTKVM_HWLAT_FINDINGS_H

#include <stdio.h>

#include "hwlat/gap.h"
#include "lib/cpulist.h"
#include "lib/err.h"
#include "results/record.h"

enum { FINDINGS_KEPT = 1000 };

struct findings_cpu {
	int cpu, tid, priority;
	struct hist slice, all;
	uint64_t gaps, gap_ns, max_gap_ns; /* at or above the threshold */
	uint64_t lost; /* gaps known by number only, their longest in max_gap_ns */
	uint64_t slice_max_wall_ns, slice_max_ns;
	double loop_ns, loop_min_ns; /* a reading: mean, shortest */
	uint64_t loops, watched_ns, blind_ns;
	bool smi_known;
	uint64_t smis;
};

struct findings_cause {
	uint64_t count, ns, max_ns;
};

struct findings {
	unsigned int n_cpus;
	struct findings_cpu *cpus; /* ascending */
	struct findings_cause causes[CULPRIT_KINDS];
	uint64_t gaps, max_ns, platform_events, last_platform_group;
	struct gap *kept; /* unordered until findings_sort */
	size_t n_kept;
	uint64_t not_kept;
	uint64_t seconds_asked;
	uint64_t elapsed_ns;
	double tsc_drift_ppm;
	bool in_guest; /* --guest: for the words of spikes.jsonl */
	FILE *spikes; /* spikes.jsonl; NULL: none */
	FILE *samples; /* --report; NULL: none */
	double previous_s, watch_previous_s; /* time of the sample line before, for each stream */
	bool spikes_failed; /* a line could not be written: disk full? */
};

/* findings_init - empty, for these CPUs */
int findings_init(struct findings *r, const struct cpulist *cpus, struct err *e);

/* findings_free - release; closes the files */
void findings_free(struct findings *r);

/* findings_add - one judged gap */
void findings_add(struct findings *r, const struct gap *g);

/* findings_quiet - the longest step below the threshold in this slice */
void findings_quiet(struct findings *r, unsigned int index, uint64_t ns);

/* findings_lost - n gaps found no room; the longest of all such so far was max_ns */
void findings_lost(struct findings *r, unsigned int index, uint64_t n, uint64_t max_ns);

/* findings_sort - kept[] by time */
void findings_sort(struct findings *r);

/* findings_sample_line - a gap as hwlatdetect prints it, its cause at the end; no newline */
void findings_sample_line(char *buf, size_t size, const struct gap *g, double *previous_s);

/*
 * gap_json - a gap as a new object, as in spikes.jsonl; the caller puts it. wall_ns is the end of
 * the gap, as for every spike; mono_ns and tsc are its start.
 */
json_object *gap_json(const struct gap *g, bool in_guest);

#endif
