/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stats - what may be said of a latency distribution, and how sure it is
 *
 * Everything here takes histograms or one figure per slice; nothing assumes a distribution.
 */
#ifndef RTKVM_RESULTS_STATS_H
#define RTKVM_RESULTS_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "results/hist.h"

/* A quantile with its confidence interval. */
struct estimate {
	bool known; /* else too few samples lie beyond it, or it falls among those without a value */
	uint64_t ns;
	uint64_t low_ns, high_ns; /* 95 %, from order statistics */
	bool high_open; /* the upper end lies beyond the largest sample */
};

/*
 * stats_quantile - quantile q with the 95 % interval between two order statistics: their ranks
 * come from the binomial distribution of the number of samples below the true quantile, so no
 * shape is assumed (samples are taken as independent; stats_stationary tells when they are not)
 */
struct estimate stats_quantile(const struct hist *h, double q);

/* How often something happened, and at most how often it happens. */
struct exceedance {
	uint64_t limit_ns;
	uint64_t n; /* samples above the limit */
	uint64_t unknown; /* imported samples that may or may not be above */
	uint64_t of; /* of so many */
	double rate; /* a sample */
	double rate_bound; /* 95 % upper bound a sample; 3/of when n is 0 (rule of three) */
	double every_s; /* "less often than once in ...", the bound as time; 0: time unknown */
};

/* stats_exceedance - samples above limit_ns in a histogram that took duration_ns (0: unknown) */
struct exceedance stats_exceedance(const struct hist *h, uint64_t limit_ns, uint64_t duration_ns);

/* stats_median - of n values; reorders them; 0 for none */
double stats_median(double *v, size_t n);

/* stats_ks - Kolmogorov-Smirnov distance of two samples (reordered) and its p value */
double stats_ks(double *a, size_t na, double *b, size_t nb, double *p);

/* Do the slices come from one and the same situation? */
struct stationarity {
	enum {
		STATIONARY_UNKNOWN, /* fewer than STATIONARY_SLICES slices */
		STATIONARY_YES,
		STATIONARY_NO
	} verdict;
	size_t slices;
	double ks_p; /* slice maxima, first half against second half */
	double trend; /* Spearman's rho of slice maximum and time */
	double trend_p;
	double first_ns, second_ns; /* median slice maximum of each half */
};

enum { STATIONARY_SLICES = 20 };

/*
 * stats_stationary - slice maxima in order of time. Not stationary: the halves differ or a trend
 * is there at 1 %, and the halves' medians differ by more than 10 % (with many slices everything
 * is significant; a shift that small does not matter)
 */
struct stationarity stats_stationary(const double *maxima, size_t n);

/* Two groups of slices. */
struct shift {
	double p; /* Mann-Whitney, two-sided, tie-corrected */
	double shift; /* Hodges-Lehmann: median of all differences b - a */
	double low, high; /* its 95 % interval */
	double effect; /* Cliff's delta, -1 .. 1; positive: b is larger */
};

/* stats_shift - compare two groups (each sorted in place); na and nb at least 1 */
struct shift stats_shift(double *a, size_t na, double *b, size_t nb);

/*
 * stats_rate_ratio - do two counts come from one rate? Two-sided p of the conditional binomial
 * test (na events in exposure ta, nb in tb), ratio b/a with its 95 % interval (exact); an end of
 * the interval that does not exist is 0 or INFINITY
 */
struct rate_ratio {
	double p, ratio, low, high;
};
struct rate_ratio stats_rate_ratio(uint64_t na, double ta, uint64_t nb, double tb);

#endif
