// SPDX-License-Identifier: GPL-2.0-only
#include "results/changepoint.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "results/stats.h"

enum { SHUFFLES = 199, DEPTH = 16, ROW_MAX = 4000 };

static const double significant = 0.01;

static uint64_t draw(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/*
 * The best split of v[n] by energy distance Q = mn/(m+n) (2 E|X-Y| - E|X-X'| - E|Y-Y'|). The three
 * sums are kept up as one value after the other changes sides: O(n) a step.
 */
static double best_split(const double *v, size_t n, size_t *at)
{
	double between = 0, left = 0, right = 0, best = -1;

	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n; k++)
			right += fabs(v[i] - v[k]);
	for (size_t m = 1; m < n; m++) { /* v[m - 1] goes over to the left */
		double to_left = 0, to_right = 0, l = m, r = n - m, q;

		for (size_t i = 0; i + 1 < m; i++)
			to_left += fabs(v[i] - v[m - 1]);
		for (size_t i = m; i < n; i++)
			to_right += fabs(v[i] - v[m - 1]);
		left += to_left;
		right -= to_right;
		between += to_right - to_left;
		if (m < CHANGE_SIDE || n - m < CHANGE_SIDE)
			continue;
		q = l * r / (l + r) *
		    (2 * between / (l * r) - left / (l * (l - 1) / 2) - right / (r * (r - 1) / 2));
		if (q > best) {
			best = q;
			*at = m;
		}
	}
	return best;
}

static double shuffled_p(const double *v, size_t n, double best)
{
	_cleanup_free_ double *w = malloc(n * sizeof(*w));
	uint64_t seed = n;
	int as_good = 0;

	if (!w)
		return 1;
	memcpy(w, v, n * sizeof(*w));
	for (int s = 0; s < SHUFFLES; s++) {
		size_t at;

		for (size_t i = n - 1; i > 0; i--) {
			size_t k = draw(&seed) % (i + 1);
			double t = w[i];

			w[i] = w[k];
			w[k] = t;
		}
		as_good += best_split(w, n, &at) >= best;
	}
	return (as_good + 1.0) / (SHUFFLES + 1);
}

static double median_of(const double *v, size_t n)
{
	_cleanup_free_ double *w = malloc(n * sizeof(*w));

	if (!w)
		return NAN;
	memcpy(w, v, n * sizeof(*w));
	return stats_median(w, n);
}

struct finder {
	const double *v;
	struct changepoint *out;
	size_t n, max;
};

static void find(struct finder *f, size_t from, size_t to, int depth)
{
	size_t at = 0;
	double best, p;

	if (to - from < 2 * CHANGE_SIDE || depth > DEPTH || f->n == f->max)
		return;
	best = best_split(f->v + from, to - from, &at);
	if (best <= 0)
		return;
	p = shuffled_p(f->v + from, to - from, best);
	if (p >= significant)
		return;
	find(f, from, from + at, depth + 1);
	if (f->n < f->max)
		f->out[f->n++] = (struct changepoint){ .at = from + at, .p = p };
	find(f, from + at, to, depth + 1);
}

size_t changepoints_find(const double *v, size_t n, double min_share, struct changepoint *out,
			 size_t max)
{
	struct finder f = { .v = v, .out = out, .max = max };
	size_t kept = 0;

	if (n > ROW_MAX) { /* the last ones: what long ago is, was reported then */
		f.v += n - ROW_MAX;
		find(&f, 0, ROW_MAX, 0);
		for (size_t i = 0; i < f.n; i++)
			out[i].at += n - ROW_MAX;
	} else {
		find(&f, 0, n, 0);
	}
	for (size_t i = 0; i < f.n; i++) {
		size_t from = kept ? out[kept - 1].at : 0, to = i + 1 < f.n ? out[i + 1].at : n;
		struct changepoint c = out[i];

		c.before = median_of(v + from, c.at - from);
		c.after = median_of(v + c.at, to - c.at);
		if (fabs(c.after - c.before) > min_share * fabs(c.before))
			out[kept++] = c;
	}
	return kept;
}
