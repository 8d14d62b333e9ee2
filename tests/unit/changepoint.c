// SPDX-License-Identifier: GPL-2.0-only
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "results/changepoint.h"

static double noise(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return ((z ^ (z >> 31)) >> 11) * 0x1p-53 - 0.5;
}

static void levels(void **state)
{
	static const struct {
		double level[3]; /* of 20 values each */
		size_t n, at[2];
	} cases[] = {
		{ { 100, 100, 100 }, 0, { 0 } }, { { 100, 130, 130 }, 1, { 20 } },
		{ { 100, 100, 80 }, 1, { 40 } }, { { 100, 150, 100 }, 2, { 20, 40 } },
		{ { 100, 103, 103 }, 0, { 0 } }, /* too small to matter */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct changepoint c[8];
		uint64_t seed = 99;
		double v[60];
		size_t n;

		for (int k = 0; k < 60; k++)
			v[k] = cases[i].level[k / 20] + 4 * noise(&seed);
		n = changepoints_find(v, 60, 0.05, c, 8);
		assert_int_equal(n, cases[i].n);
		for (size_t k = 0; k < n; k++) {
			size_t want = cases[i].at[k];

			assert_true(c[k].at + 1 >= want && c[k].at <= want + 1);
			assert_true(fabs(c[k].after - cases[i].level[want / 20]) < 3);
			assert_true(c[k].p < 0.01);
		}
	}
}

/* Without a change there is one false alarm in a hundred rows at most, as the p value says. */
static void false_alarms(void **state)
{
	uint64_t seed = 7;
	int alarms = 0;

	(void)state;
	for (int row = 0; row < 100; row++) {
		struct changepoint c[8];
		double v[30];

		for (int k = 0; k < 30; k++)
			v[k] = 100 + 60 * noise(&seed);
		alarms += changepoints_find(v, 30, 0, c, 8) > 0;
	}
	print_message("# %d false alarms in 100 rows\n", alarms);
	assert_true(alarms <= 4);
}

static void short_and_odd_rows(void **state)
{
	struct changepoint c[2];
	double v[40] = { 0 };

	(void)state;
	assert_int_equal(changepoints_find(v, 0, 0, c, 2), 0);
	assert_int_equal(changepoints_find(v, 7, 0, c, 2), 0);
	assert_int_equal(changepoints_find(v, 40, 0, c, 2), 0); /* all equal */
	v[17] = 1e9; /* one outlier is no change of level */
	assert_int_equal(changepoints_find(v, 40, 0, c, 2), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels),
		cmocka_unit_test(false_alarms),
		cmocka_unit_test(short_and_odd_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
