// SPDX-License-Identifier: GPL-2.0-only
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "results/hist.h"

/* splitmix64: the same numbers on every machine */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static void bins_cover_all_values(void **state)
{
	(void)state;
	for (unsigned int i = 0; i + 1 < HIST_BINS; i++) {
		assert_int_equal(hist_high(i) + 1, hist_low(i + 1));
		assert_int_equal(hist_index(hist_low(i)), i);
		assert_int_equal(hist_index(hist_high(i)), i);
		/* the bound the header promises */
		if (hist_low(i) >= 64)
			assert_true(hist_high(i) - hist_low(i) + 1 <= hist_low(i) / 64);
	}
	assert_int_equal(hist_index(UINT64_MAX), HIST_BINS - 1);
}

static void extremes_are_exact(void **state)
{
	static const uint64_t values[] = { 0, 63, 64, 1000003, 40ull * 1000000000, UINT64_MAX };
	struct hist h;

	(void)state;
	hist_init(&h);
	assert_int_equal(h.min_ns, UINT64_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		hist_add(&h, values[i]);
	assert_int_equal(h.count, ARRAY_SIZE(values));
	assert_int_equal(h.min_ns, 0);
	assert_int_equal(h.max_ns, UINT64_MAX);
	assert_true(h.sum_ns ==
		    (unsigned __int128)UINT64_MAX + 63 + 64 + 1000003 + 40ull * 1000000000);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* A heavy tail over six decades, so that every width of bin is met. */
static uint64_t latency(uint64_t *seed)
{
	double u = ((next_random(seed) >> 11) + 1) * 0x1p-53;

	return 1500 / pow(u, 0.7);
}

static void quantiles_agree_with_sorted_samples(void **state)
{
	enum { N = 2000000 };
	uint64_t *v = malloc(N * sizeof(*v)), seed = 1, got;
	struct hist h;

	(void)state;
	hist_init(&h);
	for (size_t i = 0; i < N; i++)
		hist_add(&h, v[i] = latency(&seed));
	qsort(v, N, sizeof(*v), by_value);
	assert_int_equal(h.min_ns, v[0]);
	assert_int_equal(h.max_ns, v[N - 1]);
	for (int i = 0; i < HIST_LEVELS; i++) {
		double q = hist_levels[i].q;
		uint64_t want = v[(size_t)ceil(N * q - 1e-6) - 1];

		if (N * (1 - q) < 10 - 1e-6) {
			assert_false(hist_quantile(&h, q, &got));
			continue;
		}
		assert_true(hist_quantile(&h, q, &got));
		assert_int_equal(hist_index(got), hist_index(want));
		assert_true(got >= want);
	}
	free(v);
}

static void quantiles_need_ten_samples_beyond(void **state)
{
	static const struct {
		uint64_t n;
		double q;
		bool supported;
	} cases[] = {
		{ 0, 0.5, false },
		{ 19, 0.5, false },
		{ 20, 0.5, true },
		{ 999, 0.99, false },
		{ 1000, 0.99, true },
		{ 9999999, 0.999999, false },
		{ 10000000, 0.999999, true },
	};
	struct hist h;
	uint64_t ns;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		hist_init(&h);
		hist_add_n(&h, 100, cases[i].n);
		assert_int_equal(hist_quantile(&h, cases[i].q, &ns), cases[i].supported);
	}
}

static void merging_is_addition_in_any_order(void **state)
{
	static struct hist part[5], a, b;
	uint64_t seed = 7;

	(void)state;
	for (int p = 0; p < 5; p++) {
		hist_init(&part[p]);
		for (int i = 0; i < 1000; i++)
			hist_add(&part[p], latency(&seed));
	}
	part[2].resolution_ns = 1000;
	hist_add_over(&part[1], 60000, 3);
	hist_add_over(&part[4], 50000, 2);
	hist_init(&a);
	hist_init(&b);
	for (int p = 0; p < 5; p++) {
		hist_merge(&a, &part[p]);
		hist_merge(&b, &part[4 - p]);
	}
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(a.count, 5000);
	assert_int_equal(a.over, 5);
	assert_int_equal(a.over_from_ns, 50000);
	assert_int_equal(a.resolution_ns, 1000);
}

/* What cyclictest wrote as 3 us has to read 3 us again, whatever bin it fell into. */
static void microseconds_survive(void **state)
{
	struct hist h;

	(void)state;
	for (uint64_t us = 0; us < 65; us++) {
		hist_init(&h);
		h.resolution_ns = 1000;
		hist_add_n(&h, 0, 1);
		hist_add_n(&h, us * 1000, 1);
		hist_add_n(&h, 1000000, 1);
		assert_int_equal(hist_value(&h, hist_index(us * 1000)), us * 1000);
		assert_int_equal(hist_us(&h, hist_index(us * 1000)), us);
	}
}

static void unknown_values_are_not_guessed(void **state)
{
	struct hist h;
	uint64_t ns, unknown;

	(void)state;
	hist_init(&h);
	h.resolution_ns = 1000;
	hist_add_n(&h, 4000, 99000);
	hist_add_over(&h, 60000, 1000);
	assert_int_equal(hist_total(&h), 100000);
	assert_true(hist_quantile(&h, 0.9, &ns));
	assert_int_equal(ns, 4000);
	assert_false(hist_quantile(&h, 0.999, &ns));
	assert_int_equal(hist_above(&h, 50000, &unknown), 1000);
	assert_int_equal(unknown, 0);
	assert_int_equal(hist_above(&h, 100000, &unknown), 0);
	assert_int_equal(unknown, 1000);
}

static void above_a_limit(void **state)
{
	struct hist h;

	(void)state;
	hist_init(&h);
	hist_add_n(&h, 10000, 5);
	hist_add_n(&h, 40000, 2);
	hist_add_n(&h, 90000, 1);
	assert_int_equal(hist_above(&h, 9000, NULL), 8);
	assert_int_equal(hist_above(&h, 20000, NULL), 3);
	assert_int_equal(hist_above(&h, 90000, NULL), 0); /* not above its own maximum */
	assert_int_equal(hist_above(&h, 1000000, NULL), 0);
}

static void points_hidden_by_late_samples(void **state)
{
	static const struct {
		const char *name;
		uint64_t ns, samples; /* 0 ns: none */
		uint64_t over, over_from_ns, over_ns; /* of some, the largest */
		uint64_t resolution_ns;
		int64_t least, most;
	} rows[] = {
		{ "none", 0, 0, 0, 0, 0, 1, 0, 0 },
		{ "none is as late as a period", 999999, 500, 0, 0, 0, 1, 0, 0 },
		{ "one of 9.5 periods", 9500000, 1, 0, 0, 0, 1, 9, 9 },
		{ "many, in a bin that begins before", 3000000, 1000, 0, 0, 0, 1, 2000, 3000 },
		{ "floors of microseconds", 2999000, 1, 0, 0, 0, 1000, 2, 2 },
		{ "one beyond the range", 5000, 9, 1, 100000, 7200000, 1000, 7, 7 },
		{ "two, between the range and the largest", 5000, 9, 2, 1100000, 7200000, 1000, 2,
		  14 },
		{ "more than there can be", UINT64_MAX, UINT64_MAX / 2, 0, 0, 0, 1, INT64_MAX,
		  INT64_MAX },
	};

	static struct hist a;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t least, most;

		hist_init(&a);
		a.resolution_ns = rows[i].resolution_ns;
		if (rows[i].samples)
			hist_add_n(&a, rows[i].ns, rows[i].samples);
		if (rows[i].over) {
			hist_add_over(&a, rows[i].over_from_ns, rows[i].over);
			a.max_ns = rows[i].over_ns;
		}
		least = hist_hidden(&a, 1000000, false);
		most = hist_hidden(&a, 1000000, true);
		if (least != rows[i].least || most != rows[i].most)
			fail_msg("%s: %jd to %jd", rows[i].name, (intmax_t)least, (intmax_t)most);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bins_cover_all_values),
		cmocka_unit_test(extremes_are_exact),
		cmocka_unit_test(quantiles_agree_with_sorted_samples),
		cmocka_unit_test(quantiles_need_ten_samples_beyond),
		cmocka_unit_test(merging_is_addition_in_any_order),
		cmocka_unit_test(microseconds_survive),
		cmocka_unit_test(unknown_values_are_not_guessed),
		cmocka_unit_test(above_a_limit),
		cmocka_unit_test(points_hidden_by_late_samples),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
