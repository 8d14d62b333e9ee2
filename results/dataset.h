/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dataset - the slices of one or more latency logs, added up
 *
 * One pass over the logs gives a series for each instrument and CPU (its merged histogram and
 * counters) and a few figures a slice; memory grows by about 100 bytes a slice. The result does
 * not depend on the order of the logs or of the slices in them.
 */
#ifndef RTKVM_RESULTS_DATASET_H
#define RTKVM_RESULTS_DATASET_H

#include "lib/err.h"
#include "results/log.h"

struct series {
	char instrument[LOG_INSTRUMENT_BYTES];
	int cpu, host_cpu; /* -1: all, unknown */
	size_t slices;
	uint64_t first_ns, last_ns; /* log_time; 0 unknown */
	uint64_t duration_ns; /* of all slices together; 0 unknown */
	uint64_t period_ns; /* 0 unknown, or not the same in all slices */
	uint64_t max_wall_ns; /* when the largest sample came; 0 unknown */
	uint32_t known; /* bit c: every slice knows the counter */
	int64_t counters[LOG_COUNTERS]; /* sums; frequency and temperature: the largest */
	struct hist hist;
};

struct slice_stat {
	uint64_t start_ns, duration_ns; /* log_time */
	uint64_t campaign, sequence;
	uint64_t count, max_ns, max_wall_ns;
	uint64_t p50_ns, p999_ns; /* 0: too few samples in the slice */
	uint32_t series; /* index */
	uint32_t known;
	int64_t missed, smi; /* where known says so */
};

struct mark {
	uint64_t wall_ns;
	int cpu;
	char text[LOG_MARK_BYTES];
};

struct damage {
	const char *path; /* the caller's */
	uint64_t offset, bytes;
	bool tail;
};

struct dataset {
	struct series *series; /* sorted by instrument, then cpu, then host_cpu */
	size_t n_series;
	struct slice_stat *slices; /* sorted by time, then series */
	size_t n_slices;
	struct mark *marks; /* sorted by time */
	size_t n_marks;
	struct damage *damages;
	size_t n_damages;
	uint64_t begin_ns, end_ns; /* log_time of the first and past the last slice; 0 unknown */
};

/*
 * dataset_load - read and add up logs; paths must live as long as the dataset. Damage is
 * reported, not an error; the same slice twice is (-EEXIST), as is a log without any slice.
 */
int dataset_load(struct dataset *d, const char *const *paths, size_t n, struct err *e);

/* dataset_free - accepts one that failed to load */
void dataset_free(struct dataset *d);

/* dataset_find - the series of an instrument and CPU, NULL when there is none */
const struct series *dataset_find(const struct dataset *d, const char *instrument, int cpu);

/*
 * dataset_scan - a second pass: every slice with its histogram, in file order; visit returns 0
 * to go on. For what needs all of a slice's bins and the time range first: halves, density map.
 */
typedef int dataset_visit(void *ctx, uint32_t series, const struct log_slice *s,
			  const struct hist *h);
int dataset_scan(const struct dataset *d, const char *const *paths, size_t n, dataset_visit *visit,
		 void *ctx, struct err *e);

#endif
