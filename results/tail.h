/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tail - a model of the largest latencies: an estimate, never a measurement
 *
 * Generalized Pareto above a threshold, fitted to bin counts as what they are: samples known to
 * lie in an interval. (Bin edges or centres taken as values bias the shape badly when the scale
 * is near the bin width.) The threshold is the lowest from which the shape stays the same at all
 * higher ones and the fit is not rejected. It refuses, with the reason, when there are too few
 * samples, they are not stationary or come in clusters, a rare mode lies far out, no threshold
 * is stable, or one half of the run does not predict the other.
 */
#ifndef RTKVM_RESULTS_TAIL_H
#define RTKVM_RESULTS_TAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "results/hist.h"
#include "results/stats.h"

enum { TAIL_SCAN = 24, TAIL_LEVELS = 3, TAIL_MIN_SAMPLES = 200 };

/* One threshold of the scan. */
struct tail_point {
	double threshold_ns, mean_excess_ns;
	double samples; /* above it */
	double shape, scale_ns;
	double gof_p; /* chi-square over bins */
};

struct tail_level {
	const char *label; /* "1e-9 a sample", "worst of 24 h", "worst of 30 days" */
	double rate; /* a sample; 0: not computed, as the sampling rate is unknown */
	double ns, low_ns, high_ns; /* 95 % profile likelihood; high_ns INFINITY: no upper end */
};

struct tail {
	bool fitted;
	char reason[192]; /* why not */
	double threshold_ns, samples, of;
	double shape, shape_low, shape_high; /* 95 %, profile likelihood */
	double scale_ns;
	double gof_p;
	double holdout_ns, holdout_expected, holdout_seen, holdout_p; /* 0 expected: not checked */
	struct tail_level levels[TAIL_LEVELS];
	struct tail_point scan[TAIL_SCAN];
	int n_scan;
};

struct tail_input {
	const struct hist *hist;
	const struct hist *halves; /* first and second half of the run, or NULL: no hold-out */
	const struct stationarity *stationarity; /* NULL: unknown */
	double dispersion; /* tail samples a slice, variance / mean; 0 unknown */
	double samples_per_day; /* 0 unknown */
};

/* tail_fit - fit, or say why not */
void tail_fit(struct tail *t, const struct tail_input *in);

/* tail_survival - the model's share of all samples above ns (ns >= threshold) */
double tail_survival(const struct tail *t, double ns);

#endif
