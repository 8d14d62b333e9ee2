// SPDX-License-Identifier: GPL-2.0-only
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "results/tail.h"

static double uniform(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return (((z ^ (z >> 31)) >> 11) + 0.5) * 0x1p-53;
}

/* A body around 3 us, and above 5 us (5 % of the samples) exactly generalized Pareto. */
static uint64_t latency(uint64_t *seed, double shape, double scale)
{
	double u = uniform(seed), v = uniform(seed);

	if (u > 0.05)
		return 2000 + 3000 * v;
	return 5000 + (shape ? scale / shape * expm1(-shape * log(v)) : -scale * log(v));
}

struct sample {
	struct hist all, halves[2];
};

static void fill(struct sample *s, uint64_t seed, int n, double shape, double scale,
		 uint64_t resolution)
{
	hist_init(&s->all);
	hist_init(&s->halves[0]);
	hist_init(&s->halves[1]);
	s->all.resolution_ns = s->halves[0].resolution_ns = s->halves[1].resolution_ns = resolution;
	for (int i = 0; i < n; i++) {
		uint64_t ns = latency(&seed, shape, scale);

		ns -= ns % resolution;
		hist_add(&s->all, ns);
		hist_add(&s->halves[2 * i >= n], ns);
	}
}

static void known_shapes_are_recovered(void **state)
{
	static const struct {
		double shape;
		uint64_t resolution;
	} cases[] = { { -0.1, 1 },    { 0, 1 },	   { 0.15, 1 },
		      { -0.1, 1000 }, { 0, 1000 }, { 0.15, 1000 } };
	static struct sample s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int inside = 0, fitted = 0;

		for (uint64_t seed = 1; seed <= 100; seed++) {
			struct tail_input in = { .hist = &s.all, .halves = s.halves };
			struct tail t;

			fill(&s, seed * 7919, 200000, cases[i].shape, 1500, cases[i].resolution);
			tail_fit(&t, &in);
			fitted += t.fitted;
			inside += t.fitted && t.shape_low <= cases[i].shape &&
				  cases[i].shape <= t.shape_high;
			if (!t.fitted)
				print_message("# seed %ju: %s\n", (uintmax_t)seed, t.reason);
		}
		print_message("# shape %g at %ju ns: fitted %d, inside %d of 100\n", cases[i].shape,
			      (uintmax_t)cases[i].resolution, fitted, inside);
		assert_true(inside >= 90);
	}
}

static void levels_bracket_the_truth(void **state)
{
	static struct sample s;
	int inside = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct tail_input in = { .hist = &s.all, .samples_per_day = 86400 * 5000.0 };
		double truth = 5000 - 1500 * log(1e-9 / 0.05);
		struct tail t;

		fill(&s, seed * 104729, 200000, 0, 1500, 1);
		tail_fit(&t, &in);
		if (!t.fitted)
			continue;
		assert_true(t.levels[0].low_ns <= t.levels[0].ns);
		assert_true(t.levels[0].ns <= t.levels[0].high_ns);
		assert_true(t.levels[1].ns < t.levels[2].ns); /* 24 h, 30 days */
		inside += t.levels[0].low_ns <= truth && truth <= t.levels[0].high_ns;
	}
	print_message("# level 1e-9: inside %d of 40\n", inside);
	assert_true(inside >= 34);
}

static void survival_meets_the_data_at_the_threshold(void **state)
{
	static struct sample s;
	struct tail_input in = { .hist = &s.all };
	struct tail t;

	(void)state;
	fill(&s, 3, 200000, 0.1, 1500, 1);
	tail_fit(&t, &in);
	assert_true(t.fitted);
	assert_true(fabs(tail_survival(&t, t.threshold_ns) -
			 (double)hist_above(&s.all, t.threshold_ns - 1, NULL) / 200000) < 1e-3);
	assert_true(tail_survival(&t, 2 * t.threshold_ns) < tail_survival(&t, t.threshold_ns));
}

static void rare_far_modes_are_refused(void **state)
{
	static struct sample s;

	(void)state;
	for (int rare = 1; rare <= 40; rare *= 2) { /* SMI-like: 300 us, a few of 200,000 */
		struct tail_input in = { .hist = &s.all };
		uint64_t seed = rare;
		struct tail t;

		fill(&s, 11 + rare, 200000, 0, 1500, 1);
		for (int i = 0; i < rare; i++)
			hist_add(&s.all, 295000 + 10000 * uniform(&seed));
		tail_fit(&t, &in);
		assert_false(t.fitted);
		assert_non_null(strstr(t.reason, "rare mode"));
	}
}

static void failed_assumptions_are_refused(void **state)
{
	static struct sample s;
	struct stationarity moved = { .verdict = STATIONARY_NO, .first_ns = 1e4, .second_ns = 3e4 };
	struct tail_input in = { .hist = &s.all };
	struct tail t;

	(void)state;
	fill(&s, 5, 200000, 0, 1500, 1);
	in.stationarity = &moved;
	tail_fit(&t, &in);
	assert_false(t.fitted);
	assert_non_null(strstr(t.reason, "not stationary"));
	in.stationarity = NULL;
	in.dispersion = 7;
	tail_fit(&t, &in);
	assert_false(t.fitted);
	assert_non_null(strstr(t.reason, "clusters"));
	in.dispersion = 1;
	in.halves = s.halves;
	hist_init(&s.halves[1]); /* a second half with half the scale */
	for (uint64_t i = 0, seed = 77; i < 100000; i++)
		hist_add(&s.halves[1], latency(&seed, 0, 750));
	tail_fit(&t, &in);
	assert_false(t.fitted);
	assert_non_null(strstr(t.reason, "first half"));
}

static void too_little_is_refused(void **state)
{
	static struct hist h;
	struct tail_input in = { .hist = &h };
	struct tail t;

	(void)state;
	hist_init(&h);
	tail_fit(&t, &in);
	assert_false(t.fitted);
	hist_add_n(&h, 4000, 1000000); /* one value only */
	tail_fit(&t, &in);
	assert_false(t.fitted);
	hist_add_n(&h, UINT64_MAX, 1000);
	tail_fit(&t, &in);
	assert_false(t.fitted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_shapes_are_recovered),
		cmocka_unit_test(levels_bracket_the_truth),
		cmocka_unit_test(survival_meets_the_data_at_the_threshold),
		cmocka_unit_test(rare_far_modes_are_refused),
		cmocka_unit_test(failed_assumptions_are_refused),
		cmocka_unit_test(too_little_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
