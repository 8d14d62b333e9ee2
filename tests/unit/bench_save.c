// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "vmm/bench.h"

/* A TSC of 2 GHz for a second, one that counts to the top of its 64 bits. */
static void maps_the_tsc_inside_its_span(void **state)
{
	const struct bench_span s = {
		.start = { .tsc = UINT64_MAX - 2000000000, .mono_ns = 5000000000 },
		.end = { .tsc = UINT64_MAX, .mono_ns = 6000000000 },
	};
	static const struct {
		uint64_t tsc, mono_ns;
	} rows[] = {
		{ UINT64_MAX - 2000000000, 5000000000 },
		{ UINT64_MAX - 1000000000, 5500000000 },
		{ UINT64_MAX, 6000000000 },
		{ UINT64_MAX - 2000000001, 0 },
		{ 0, 0 },
	};
	const struct bench_span empty = { .start = { .tsc = 7 }, .end = { .tsc = 7 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(bench_mono_ns(&s, rows[i].tsc), rows[i].mono_ns);
	assert_int_equal(bench_mono_ns(&empty, 7), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(maps_the_tsc_inside_its_span) };

	return cmocka_run_group_tests_name("bench_save", tests, NULL, NULL);
}
