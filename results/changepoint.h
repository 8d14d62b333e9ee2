/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * changepoint - where in a row of figures (one a run) the level changed for good
 *
 * E-divisive (Matteson and James, 2014): the split that divides the row best by energy distance,
 * kept when fewer than 1 % of shuffled rows divide as well, then each side again. Assumes no
 * distribution. The shuffles are seeded: the same row gives the same answer.
 */
#ifndef RTKVM_RESULTS_CHANGEPOINT_H
#define RTKVM_RESULTS_CHANGEPOINT_H

#include <stddef.h>

struct changepoint {
	size_t at; /* first index of the new level */
	double p;
	double before, after; /* medians of the stretches on both sides, up to the next change */
};

enum { CHANGE_SIDE = 4 }; /* a level is seen in at least so many runs */

/*
 * changepoints_find - at most max change points of v[n], in rising order; returns how many. A change
 * of less than min_share of the level (0.05: 5 %) is left out: it does not matter.
 */
size_t changepoints_find(const double *v, size_t n, double min_share, struct changepoint *out,
			 size_t max);

#endif
