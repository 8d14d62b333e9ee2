// SPDX-License-Identifier: GPL-2.0-only
#include "results/stats.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double tail = 0.025; /* on each side of a 95 % interval */

/* GSL ends the program at an underflow in a far tail; here its NaN is handled where it comes. */
static void restore_handler(gsl_error_handler_t **handler)
{
	gsl_set_error_handler(*handler);
}

#define GSL_QUIETLY                                       \
	__attribute__((cleanup(restore_handler), unused)) \
	gsl_error_handler_t *handler = gsl_set_error_handler_off()

/* The upper 95 % bound of a Poisson mean of which n were seen. */
static double poisson_bound(double n)
{
	double k = 2 * (n + 1), z = gsl_cdf_ugaussian_Pinv(0.95), cube;

	if (n < 1e5)
		return gsl_cdf_chisq_Pinv(0.95, k) / 2;
	cube = 1 - 2 / (9 * k) + z * sqrt(2 / (9 * k)); /* Wilson and Hilferty */
	return k * cube * cube * cube / 2;
}

/* --- order statistics --- */

/*
 * The number of samples beyond quantile q is Binomial(n, 1 - q). Its k with P(X <= k) >= p: exact
 * while the variance is small (GSL counts in unsigned int, so Poisson takes over for huge n, where
 * it differs by less than 1 - q), else normal.
 */
static double beyond_quantile(double n, double q, double p)
{
	double mean = n * (1 - q), sd = sqrt(mean * q);
	double low, high;

	if (sd * sd > 1000)
		return mean + gsl_cdf_ugaussian_Pinv(p) * sd;
	low = -1; /* P(X <= low) < p <= P(X <= high) */
	high = fmin(n, ceil(mean + 10 * sd + 20));
	while (high - low > 1) {
		double mid = floor((low + high) / 2);
		double at = n < 4e9 ? gsl_cdf_binomial_P(mid, 1 - q, n)
				    : gsl_cdf_poisson_P(mid, mean);

		if (at < p)
			low = mid;
		else
			high = mid;
	}
	return high;
}

struct estimate stats_quantile(const struct hist *h, double q)
{
	GSL_QUIETLY;
	struct estimate est = { 0 };
	double n = hist_total(h), low, high;

	est.known = hist_quantile(h, q, &est.ns);
	if (!est.known)
		return est;
	/* Ranks: as many samples beyond as the binomial gives at its ends, one more to be outside. */
	low = n - beyond_quantile(n, q, 1 - tail);
	high = n - beyond_quantile(n, q, tail) + 1;
	if (low < 1 || !hist_rank(h, low, &est.low_ns))
		est.low_ns = h->min_ns;
	est.high_open = high > n || !hist_rank(h, high, &est.high_ns);
	if (est.high_open)
		est.high_ns = h->max_ns;
	return est;
}

struct exceedance stats_exceedance(const struct hist *h, uint64_t limit_ns, uint64_t duration_ns)
{
	GSL_QUIETLY;
	struct exceedance x = { .limit_ns = limit_ns, .of = hist_total(h) };
	double bound;

	x.n = hist_above(h, limit_ns, &x.unknown);
	if (!x.of)
		return x;
	/* what is unknown counts against the bound: it may have been above */
	bound = poisson_bound((double)x.n + x.unknown);
	x.rate = (double)x.n / x.of;
	x.rate_bound = fmin(1, bound / x.of);
	x.every_s = duration_ns / 1e9 / bound;
	return x;
}

/* --- samples of one figure a slice --- */

static int by_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double stats_median(double *v, size_t n)
{
	if (!n)
		return 0;
	qsort(v, n, sizeof(*v), by_double);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* Kolmogorov's distribution, upper tail. */
static double kolmogorov_q(double x)
{
	double sum = 0;

	if (x < 0.2)
		return 1;
	for (int k = 1; k <= 100; k++)
		sum += (k % 2 ? 2 : -2) * exp(-2.0 * k * k * x * x);
	return fmax(0, fmin(1, sum));
}

double stats_ks(double *a, size_t na, double *b, size_t nb, double *p)
{
	double d = 0, n = (double)na * nb / (na + nb);
	size_t i = 0, k = 0;

	qsort(a, na, sizeof(*a), by_double);
	qsort(b, nb, sizeof(*b), by_double);
	while (i < na && k < nb) {
		double x = fmin(a[i], b[k]);

		while (i < na && a[i] == x)
			i++;
		while (k < nb && b[k] == x)
			k++;
		d = fmax(d, fabs((double)i / na - (double)k / nb));
	}
	*p = kolmogorov_q((sqrt(n) + 0.12 + 0.11 / sqrt(n)) * d);
	return d;
}

struct ranked {
	double value, rank;
	size_t index;
};

static int by_value(const void *a, const void *b)
{
	return by_double(&((const struct ranked *)a)->value, &((const struct ranked *)b)->value);
}

static int by_index(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	return (x->index > y->index) - (x->index < y->index);
}

/* Mid-ranks from 1; ties is the sum of t^3 - t over groups of equal values. */
static double rank_all(struct ranked *r, size_t n)
{
	double ties = 0;

	qsort(r, n, sizeof(*r), by_value);
	for (size_t i = 0, end; i < n; i = end) {
		double t;

		for (end = i + 1; end < n && r[end].value == r[i].value; end++)
			;
		t = end - i;
		ties += t * t * t - t;
		for (size_t k = i; k < end; k++)
			r[k].rank = (i + 1 + end) / 2.0;
	}
	return ties;
}

/* Spearman's rho of the values against their place, with ties. */
static double trend(const double *v, size_t n, double *p)
{
	struct ranked *r = calloc(n, sizeof(*r));
	double mean = (n + 1) / 2.0, sxy = 0, sxx = 0, syy = 0, rho;

	*p = 1;
	if (!r)
		return 0;
	for (size_t i = 0; i < n; i++)
		r[i] = (struct ranked){ .value = v[i], .index = i };
	rank_all(r, n);
	qsort(r, n, sizeof(*r), by_index);
	for (size_t i = 0; i < n; i++) {
		double x = i + 1 - mean, y = r[i].rank - mean;

		sxy += x * y;
		sxx += x * x;
		syy += y * y;
	}
	free(r);
	if (syy <= 0)
		return 0;
	rho = sxy / sqrt(sxx * syy);
	if (fabs(rho) >= 1)
		*p = 0;
	else
		*p = 2 * gsl_cdf_tdist_Q(fabs(rho) * sqrt((n - 2) / (1 - rho * rho)), n - 2);
	return rho;
}

struct stationarity stats_stationary(const double *maxima, size_t n)
{
	GSL_QUIETLY;
	struct stationarity s = { .slices = n };
	size_t half = n / 2;
	double *copy;
	bool differ, matters;

	if (n < STATIONARY_SLICES)
		return s;
	copy = malloc(n * sizeof(*copy));
	if (!copy)
		return s;
	memcpy(copy, maxima, n * sizeof(*copy));
	stats_ks(copy, half, copy + half, n - half, &s.ks_p);
	s.first_ns = stats_median(copy, half);
	s.second_ns = stats_median(copy + half, n - half);
	free(copy);
	s.trend = trend(maxima, n, &s.trend_p);
	differ = s.ks_p < 0.01 || s.trend_p < 0.01;
	matters = fabs(s.second_ns - s.first_ns) > 0.1 * fmin(s.first_ns, s.second_ns);
	s.verdict = differ && matters ? STATIONARY_NO : STATIONARY_YES;
	return s;
}

/* --- two groups --- */

/* How many differences b[k] - a[i] of two sorted arrays are <= x; O(na + nb). */
static double differences_up_to(const double *a, size_t na, const double *b, size_t nb, double x)
{
	double n = 0;
	size_t k = 0;

	for (size_t i = 0; i < na; i++) {
		while (k < nb && b[k] - a[i] <= x)
			k++;
		n += k;
	}
	return n;
}

/*
 * The rank-th smallest of the na * nb differences, without making them: halve the range of values
 * until it is below a hundredth of a nanosecond.
 */
static double difference_of_rank(const double *a, size_t na, const double *b, size_t nb,
				 double rank)
{
	double low = b[0] - a[na - 1], high = b[nb - 1] - a[0];

	while (high - low > 0.01) {
		double mid = low + (high - low) / 2;

		if (mid <= low || mid >= high)
			break;
		if (differences_up_to(a, na, b, nb, mid) >= rank)
			high = mid;
		else
			low = mid;
	}
	return high;
}

/* Rank sum of b, and the tie term. */
static double rank_sum(const double *a, size_t na, const double *b, size_t nb, double *ties)
{
	struct ranked *r = calloc(na + nb, sizeof(*r));
	double sum = 0;

	*ties = 0;
	if (!r)
		return NAN;
	for (size_t i = 0; i < na; i++)
		r[i] = (struct ranked){ .value = a[i], .index = i };
	for (size_t i = 0; i < nb; i++)
		r[na + i] = (struct ranked){ .value = b[i], .index = na + i };
	*ties = rank_all(r, na + nb);
	for (size_t i = 0; i < na + nb; i++)
		if (r[i].index >= na)
			sum += r[i].rank;
	free(r);
	return sum;
}

struct shift stats_shift(double *a, size_t na, double *b, size_t nb)
{
	GSL_QUIETLY;
	struct shift s = { .p = 1 };
	double n = na + nb, pairs = (double)na * nb, ties, u, var, z, half;

	qsort(a, na, sizeof(*a), by_double);
	qsort(b, nb, sizeof(*b), by_double);
	u = rank_sum(a, na, b, nb, &ties) - nb * (nb + 1.0) / 2;
	s.effect = 2 * u / pairs - 1;
	var = pairs / 12 * (n + 1 - ties / (n * (n - 1)));
	if (var > 0) {
		z = fmax(0, fabs(u - pairs / 2) - 0.5) / sqrt(var);
		s.p = 2 * gsl_cdf_ugaussian_Q(z);
	}
	s.p = fmin(1, s.p);
	s.shift = (difference_of_rank(a, na, b, nb, ceil(pairs / 2)) +
		   difference_of_rank(a, na, b, nb, floor(pairs / 2) + 1)) /
		  2;
	half = gsl_cdf_ugaussian_Pinv(1 - tail) * sqrt(pairs * (n + 1) / 12);
	s.low = difference_of_rank(a, na, b, nb, fmax(1, floor(pairs / 2 - half)));
	s.high = difference_of_rank(a, na, b, nb, fmin(pairs, ceil(pairs / 2 + half) + 1));
	return s;
}

struct rate_ratio stats_rate_ratio(uint64_t na, double ta, uint64_t nb, double tb)
{
	GSL_QUIETLY;
	struct rate_ratio r = { .p = 1, .ratio = NAN, .low = 0, .high = INFINITY };
	double n = (double)na + nb, share = tb / (ta + tb), low = 0, high = 1;

	if (!n || ta <= 0 || tb <= 0)
		return r;
	/*
	 * Given the sum, nb is Binomial(n, share) when the rates are equal. Both tails as incomplete
	 * beta functions: P(X <= nb) = Q_beta(share; nb+1, na), P(X >= nb) = P_beta(share; nb, na+1).
	 */
	r.p = fmin(1, 2 * fmin(na ? gsl_cdf_beta_Q(share, nb + 1.0, na) : 1,
			       nb ? gsl_cdf_beta_P(share, nb, na + 1.0) : 1));
	r.ratio = na ? nb / tb / (na / ta) : INFINITY;
	if (nb)
		low = gsl_cdf_beta_Pinv(tail, nb, na + 1.0);
	if (na)
		high = gsl_cdf_beta_Pinv(1 - tail, nb + 1.0, na);
	r.low = low / (1 - low) * ta / tb;
	r.high = high < 1 ? high / (1 - high) * ta / tb : INFINITY;
	return r;
}
