// SPDX-License-Identifier: GPL-2.0-only
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "results/stats.h"

static double uniform(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return (((z ^ (z >> 31)) >> 11) + 0.5) * 0x1p-53;
}

/* The 95 % interval of a quantile covers the true one about that often, whatever the sample size. */
static void intervals_cover_the_true_quantile(void **state)
{
	static const struct {
		int n;
		double q;
	} cases[] = { { 100, 0.5 }, { 1000, 0.9 }, { 20000, 0.999 }, { 100000, 0.9999 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		double truth = -10000 * log(1 - cases[i].q);
		int covered = 0;

		for (uint64_t seed = 1; seed <= 200; seed++) {
			static struct hist h;
			uint64_t s = seed * 12345;
			struct estimate q;

			hist_init(&h);
			for (int k = 0; k < cases[i].n; k++)
				hist_add(&h, -10000 * log(uniform(&s)));
			q = stats_quantile(&h, cases[i].q);
			assert_true(q.known);
			assert_true(q.low_ns <= q.ns && q.ns <= q.high_ns);
			covered += q.low_ns * (1 - 1 / 64.) <= truth && truth <= q.high_ns;
		}
		print_message("# n %d, q %g: %d of 200\n", cases[i].n, cases[i].q, covered);
		assert_true(covered >= 182); /* binomial(200, 0.95) is below that in 1 of 300 */
	}
}

/* Known ranks: for n = 100 and the median, 95 % lies between the 40th and the 61st value. */
static void ranks_of_the_textbook(void **state)
{
	struct hist h;
	struct estimate q;

	(void)state;
	hist_init(&h);
	for (int i = 1; i <= 100; i++)
		hist_add(&h, i);
	q = stats_quantile(&h, 0.5);
	assert_int_equal(q.ns, 50);
	assert_int_equal(q.low_ns, 40);
	assert_int_equal(q.high_ns, 61);
	assert_false(q.high_open);
	assert_false(stats_quantile(&h, 0.99).known);
}

static void the_upper_end_may_be_open(void **state)
{
	struct hist h;

	(void)state;
	hist_init(&h);
	for (int i = 1; i <= 1000; i++)
		hist_add(&h, i * 1000);
	assert_false(stats_quantile(&h, 0.99).high_open); /* 10 beyond: 3 may be */
	hist_init(&h);
	hist_add_n(&h, 4000, 980);
	hist_add_over(&h, 60000, 20);
	assert_true(stats_quantile(&h, 0.98).high_open); /* its upper rank has no value */
}

static void the_rule_of_three(void **state)
{
	struct exceedance x;
	struct hist h;

	(void)state;
	hist_init(&h);
	hist_add_n(&h, 4000, 432000000); /* 24 h at 200 us */
	x = stats_exceedance(&h, 40000, 86400ull * 1000000000);
	assert_int_equal(x.n, 0);
	assert_true(fabs(x.rate_bound * 432e6 - 2.9957) < 1e-3);
	assert_true(fabs(x.every_s / 3600 - 8.01) < 0.01); /* less often than once in 8 h */
	hist_add_over(&h, 30000, 2);
	x = stats_exceedance(&h, 40000, 0);
	assert_int_equal(x.unknown, 2);
	assert_true(x.rate_bound * 432e6 > 6.2); /* as if both had been above */
	assert_true(x.every_s == 0);
}

static void mann_whitney_of_the_textbook(void **state)
{
	/* R: wilcox.test(b, a, conf.int = TRUE, exact = FALSE) with these values */
	double a[] = { 0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46 };
	double b[] = { 1.15, 0.88, 0.90, 0.74, 1.21 };
	struct shift s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(a); i++)
		a[i] *= 1000;
	for (size_t i = 0; i < ARRAY_SIZE(b); i++)
		b[i] *= 1000;
	s = stats_shift(a, ARRAY_SIZE(a), b, ARRAY_SIZE(b));
	assert_true(fabs(s.p - 0.2446) < 5e-4); /* U = 35 with continuity correction */
	assert_true(fabs(s.shift + 305) < 1);
	/* the exact interval is the 9th to the 42nd of the 50 differences; the normal one may be wider */
	assert_true(s.low <= -759.9 && s.low >= -900 && s.high >= 149.9 && s.high <= 250);
	assert_true(fabs(s.effect + 0.4) < 1e-9); /* (15 - 35) / 50 */
}

static void equal_groups_do_not_differ(void **state)
{
	double a[50], b[50];
	uint64_t seed = 3;
	struct shift s;

	(void)state;
	for (int i = 0; i < 50; i++)
		a[i] = b[i] = 4000; /* all ties */
	s = stats_shift(a, 50, b, 50);
	assert_true(s.p == 1 && s.shift == 0 && s.effect == 0);
	for (int i = 0; i < 50; i++) {
		a[i] = 10000 * uniform(&seed);
		b[i] = 10000 * uniform(&seed) + 6000;
	}
	s = stats_shift(a, 50, b, 50);
	assert_true(s.p < 1e-6 && s.low > 3000 && s.high < 9000 && s.effect > 0.5);
}

static void rates(void **state)
{
	struct rate_ratio r = stats_rate_ratio(0, 100, 0, 100);

	(void)state;
	assert_true(r.p == 1 && isnan(r.ratio));
	r = stats_rate_ratio(10, 100, 10, 100);
	assert_true(r.p == 1 && r.ratio == 1 && r.low < 0.5 && r.high > 2);
	/* R: poisson.test(c(20, 5), c(100, 100)): p 0.00408, ratio 4, 1.4585 .. 13.66 */
	r = stats_rate_ratio(5, 100, 20, 100);
	assert_true(fabs(r.p - 0.00408) < 1e-4);
	assert_true(fabs(r.ratio - 4) < 1e-9);
	assert_true(r.low > 1.4 && r.low < 1.6 && r.high > 12 && r.high < 14);
	r = stats_rate_ratio(0, 100, 8, 100);
	assert_true(r.p < 0.01 && isinf(r.ratio) && isinf(r.high) && r.low > 1);
	r = stats_rate_ratio(8, 100, 0, 100);
	assert_true(r.p < 0.01 && r.ratio == 0 && r.low == 0 && r.high < 1);
}

static void stationarity(void **state)
{
	double v[400] = { 0 };
	uint64_t seed = 5;
	int wrong = 0;

	(void)state;
	assert_int_equal(stats_stationary(v, 0).verdict, STATIONARY_UNKNOWN);
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 400; i++)
			v[i] = 10000 - 2000 * log(uniform(&seed));
		wrong += stats_stationary(v, 400).verdict != STATIONARY_YES;
	}
	assert_true(wrong <= 1);
	for (int i = 200; i < 400; i++) /* a load begins */
		v[i] += 8000;
	assert_int_equal(stats_stationary(v, 400).verdict, STATIONARY_NO);
	for (int i = 0; i < 400; i++) /* it warms up */
		v[i] = 10000 + 20 * i - 500 * log(uniform(&seed));
	assert_int_equal(stats_stationary(v, 400).verdict, STATIONARY_NO);
	for (int i = 0; i < 400; i++) /* significant, and too small to matter */
		v[i] = 10000 + (i >= 200) * 300 + uniform(&seed);
	assert_int_equal(stats_stationary(v, 400).verdict, STATIONARY_YES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(intervals_cover_the_true_quantile),
		cmocka_unit_test(ranks_of_the_textbook),
		cmocka_unit_test(the_upper_end_may_be_open),
		cmocka_unit_test(the_rule_of_three),
		cmocka_unit_test(mann_whitney_of_the_textbook),
		cmocka_unit_test(equal_groups_do_not_differ),
		cmocka_unit_test(rates),
		cmocka_unit_test(stationarity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
