// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "tracing/clocks.h"

/* What KVM does (kvm_scale_tsc and the offset), and back. */
static void there_and_back(void **state)
{
	static const struct clock_map maps[] = {
		{ 0 },
		{ .offset = 123456789 },
		{ .offset = -29755526804 },
		{ .offset = 123456789, .ratio = (2ull << 48) / 3, .frac = 48 },
		{ .offset = -5, .ratio = 3ull << 31, .frac = 32 },
	};
	static const uint64_t stamps[] = { 1ull << 36, 1000000000000000, 1ull << 55, 12345678901 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
		for (size_t k = 0; k < ARRAY_SIZE(stamps); k++) {
			uint64_t guest = clock_to_guest(&maps[i], stamps[k]);
			int64_t off = clock_to_host(&maps[i], guest) - stamps[k];

			/* a slower guest clock names its host tick to within its own step */
			assert_true(off <= 0 && off >= -2);
		}
}

/* The numbers with which trace-cmd up to 3.4 gives -123414510. */
static void scaling_divides_and_the_offset_comes_first(void **state)
{
	const struct clock_map map = { .offset = 123456789, .ratio = (2ull << 48) / 3, .frac = 48 };

	(void)state;
	assert_true(llabs((int64_t)(clock_to_host(&map, clock_to_guest(&map, 1000000000000000)) -
				    1000000000000000)) <= 2);
	assert_int_equal(clock_to_host(&map, 5), 0); /* before the host's clock began */
}

static void rates(void **state)
{
	static const double hz[] = { 1e9, 2.6e9, 19.2e6, 24e6, 5e9 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hz); i++) {
		struct clock_rate r = clock_rate_hz(hz[i]);
		uint64_t ten_s = clock_ns(r, 10 * hz[i]);
		uint64_t last = 0;

		assert_true(llabs((int64_t)(ten_s - 10000000000)) <= 10);
		assert_true(llabs((int64_t)(clock_ticks(r, 1000000000) - hz[i])) <=
			    1 + hz[i] / 1e9);
		for (uint64_t t = 1ull << 50; t < (1ull << 50) + 1000; t++) {
			assert_true(clock_ns(r, t) >= last);
			last = clock_ns(r, t);
		}
	}
}

static void brackets(void **state)
{
	static const struct {
		uint64_t before, guest, after;
		struct clock_range want;
	} rows[] = {
		{ 100, 100, 100, { 0, 0 } },
		{ 1000, 1500, 1200, { 300, 500 } },
		{ 9000000000, 1000, 9000000040, { -8999999040, -8999999000 } },
		/* a guest's clock that began before 0 */
		{ 1000, (uint64_t)-500, 1002, { -1502, -1500 } },
	};
	struct clock_range r;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		r = clock_bracket(rows[i].before, rows[i].guest, rows[i].after);
		assert_int_equal(r.low, rows[i].want.low);
		assert_int_equal(r.high, rows[i].want.high);
	}
	r = clock_range_join((struct clock_range){ 1, 9 }, (struct clock_range){ -5, 4 });
	assert_true(r.low == 1 && r.high == 4);
	r = clock_range_join((struct clock_range){ 1, 2 }, (struct clock_range){ 3, 4 });
	assert_true(r.low > r.high);
}

static void bound_from_windows(void **state)
{
	struct clock_bound b;

	(void)state;
	clock_bound_init(&b);
	clock_bound_event(&b, 5); /* before the first window nothing is known */
	clock_bound_entry(&b, 100);
	clock_bound_event(&b, 130);
	clock_bound_event(&b, 180);
	clock_bound_exit(&b, 190);
	assert_int_equal(b.low, -10);
	assert_true(b.high == INT64_MAX); /* there may have been a window before, untraced */
	clock_bound_entry(&b, 200);
	clock_bound_event(&b, 207);
	clock_bound_entry(&b, 250); /* its exit was not told: no time outside the guest is known */
	clock_bound_event(&b, 251);
	clock_bound_exit(&b, 300);
	assert_int_equal(b.low, -10);
	assert_int_equal(b.high, 7);
	assert_int_equal(b.inside, 4);
	clock_bound_event(&b, 310);
	assert_int_equal(b.outside, 0); /* the host's trace may have ended */
	clock_bound_entry(&b, 320);
	assert_int_equal(b.outside, 1); /* it has not */
	clock_bound_exit(&b, 330);
	clock_bound_lost(&b);
	clock_bound_event(&b, 340);
	clock_bound_entry(&b, 350);
	assert_int_equal(b.outside, 1);
}

/* A window without a guest event says nothing, the first one no more than any other. */
static void empty_windows_bound_nothing(void **state)
{
	struct clock_bound b;

	(void)state;
	clock_bound_init(&b);
	for (uint64_t t = 100; t < 1000; t += 100) {
		clock_bound_entry(&b, t);
		clock_bound_exit(&b, t + 20);
		if (t == 500)
			clock_bound_lost(&b);
	}
	assert_true(b.low == INT64_MIN && b.high == INT64_MAX);
	assert_int_equal(b.inside, 0);
	clock_bound_entry(&b, 1000);
	clock_bound_event(&b, 1005);
	clock_bound_exit(&b, 1050);
	assert_int_equal(b.low, -45);
	assert_int_equal(b.high, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(scaling_divides_and_the_offset_comes_first),
		cmocka_unit_test(rates),
		cmocka_unit_test(brackets),
		cmocka_unit_test(bound_from_windows),
		cmocka_unit_test(empty_windows_bound_nothing),
	};

	return cmocka_run_group_tests_name("clocks", tests, NULL, NULL);
}
