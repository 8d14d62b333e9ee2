/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compare - is run B better or worse than run A, or can that not be told?
 *
 * With 10^8 samples every difference is significant, so the unit is the slice: one figure for each
 * CPU and slice, compared by rank (no distribution assumed), and a difference counts only when it
 * is also larger than 1 us and 10 %. What single samples do is compared as the rate of
 * exceedances of a limit.
 */
#ifndef RTKVM_RESULTS_COMPARE_H
#define RTKVM_RESULTS_COMPARE_H

#include "results/result.h"

enum compare_outcome {
	COMPARED_SAME,
	COMPARED_BETTER, /* B is better than A */
	COMPARED_WORSE,
	COMPARED_UNKNOWN, /* too little data, or the interval holds both "same" and "different" */
};

/* compare_name - "same", "better", "worse", "cannot tell" */
const char *compare_name(enum compare_outcome o);

enum { COMPARE_SLICES = 10 }; /* fewer on either side: ranks tell nothing */

/* One figure a slice, in both runs. */
struct metric_result {
	const char *name; /* "slice maximum", "slice p99.9", "slice median" */
	size_t na, nb;
	double a_ns, b_ns; /* medians */
	struct shift shift; /* b - a, ns */
	double matters_ns; /* the larger of 1 us and 10 % of a */
	enum compare_outcome outcome;
};

struct rate_result {
	uint64_t limit_ns;
	bool from_data; /* no limit was set: it is the pooled 99.99 % quantile */
	uint64_t na, nb; /* exceedances */
	uint64_t unknown; /* samples of both beyond their histogram, at, above or below the limit */
	double of_a, of_b; /* samples */
	struct rate_ratio ratio;
	enum compare_outcome outcome;
};

enum { COMPARE_METRICS = 3 };

struct comparison {
	const char *instrument;
	struct metric_result metrics[COMPARE_METRICS];
	struct rate_result rate;
	enum compare_outcome outcome;
};

/* A fact in which two runs differ. */
struct difference {
	const char *name;
	char a[160], b[160];
	bool forbids; /* another thing was measured, or on another machine */
};

enum { DIFFERENCES_MAX = 32 };

/*
 * compare_conditions - the facts in which they differ (at most DIFFERENCES_MAX); returns how many;
 * *forbidding: how many of them forbid a comparison
 */
int compare_conditions(const struct result *a, const struct result *b, struct difference *d,
		       int *forbidding);

/*
 * compare_group - compare an instrument's group of both; limit_ns 0: the runs' own limit, or one
 * from the data. -ENOMEM
 */
int compare_group(struct comparison *c, const struct result *a, const struct group *ga,
		  const struct result *b, const struct group *gb, uint64_t limit_ns, struct err *e);

/* compare_find - the group of the same instrument in another run, or NULL */
const struct group *compare_find(const struct result *r, const char *instrument);

#endif
