/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * result - one run, read and computed: what every report and plot is made from
 *
 * run.json, all latency*.log (added up), spikes.jsonl, and the statistics of each CPU and of all
 * CPUs of an instrument together. One struct, so that text, HTML, JSON and plots cannot disagree.
 */
#ifndef RTKVM_RESULTS_RESULT_H
#define RTKVM_RESULTS_RESULT_H

#include "results/dataset.h"
#include "results/run.h"
#include "results/spikes.h"
#include "results/stats.h"
#include "results/tail.h"

/* The figures of one CPU, or of all CPUs of an instrument. */
struct figure {
	const struct hist *hist;
	int cpu; /* -1: all */
	int host_cpu;
	int64_t expected, missed; /* -1: unknown */
	uint32_t known; /* bit c: counters[c] is known (enum log_counter) */
	int64_t counters[LOG_COUNTERS]; /* sums; of frequency and temperature the largest */
	uint64_t duration_ns, period_ns; /* of CPU time; 0 unknown */
	uint64_t max_wall_ns; /* 0 unknown */
	struct estimate quantiles[HIST_LEVELS];
	struct exceedance over[4]; /* a max_ns limit each, as in limits */
};

enum { LIMITS_MAX = 4 };

/* One instrument: its CPUs, then all of them. */
struct group {
	const char *instrument;
	struct figure *cpus;
	size_t n_cpus;
	struct figure all;
	struct hist hist; /* of all */
	struct hist halves[2]; /* of the first and the second half of the time */
	struct stationarity stationarity; /* of the slice maxima over all CPUs */
	double dispersion; /* tail samples a slice: variance / mean; 0 unknown */
	struct tail tail;
};

struct result {
	struct run run;
	char logs_path[8][PATH_MAX];
	const char *logs[8];
	size_t n_logs;
	bool has_data;
	struct dataset data;
	struct spikes spikes;
	uint64_t limits_ns[LIMITS_MAX]; /* the max_ns limits of run.json, rising */
	size_t n_limits;
	struct group *groups;
	size_t n_groups;
};

/*
 * result_open - read and compute. A run without a log (it failed early) has no groups. tails: also
 * fit the tail model and look at the slices a second time.
 */
int result_open(struct result *r, const char *dir, bool tails, struct err *e);

/* result_close - free all; accepts a result that failed to open */
void result_close(struct result *r);

/*
 * result_store - put what was computed into run.json's document: statistics{}, and cpus[] when
 * the instrument left them to us. Does not save.
 */
int result_store(struct result *r, struct err *e);

/* result_main - the group a one-line summary speaks of (the first); NULL when there is none */
const struct group *result_main(const struct result *r);

/* result_caution - the first line of every report that is not of hardware; NULL for hardware */
const char *result_caution(const struct result *r);

#endif
