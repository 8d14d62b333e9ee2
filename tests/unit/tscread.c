// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "vmm/tscread.h"

#define MS 1000000ull

static void a_rate_is_ticks_by_time(void **state)
{
	static const struct {
		uint64_t ticks, ns, error;
		int code;
		uint32_t khz, error_ppm;
	} t[] = {
		{ 2600000, MS, 0, 0, 2600000, 1 },
		{ 26000000000, 10000 * MS, 130, 0, 2600000, 1 },
		{ 5200001, 2 * MS, 260, 0, 2600000, 100 },
		{ 2600000, MS, 2598, 0, 2600000, 1999 },
		{ 2600000, MS, 2601, -EIO, 0, 0 }, /* the readings alone: 2001 ppm */
		{ 0, MS, 0, -EIO, 0, 0 },
		{ 2600000, 0, 0, -EIO, 0, 0 },
		{ -5ull, MS, 0, -EIO, 0, 0 }, /* backwards */
		{ 1ull << 62, 1ull << 62, 0, 0, 1000000, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct tsc_instant from = { 1000, 77, t[i].error };
		struct tsc_instant to = { 1000 + t[i].ticks, 77 + t[i].ns, t[i].error };
		struct tsc_rate r = { 0 };
		struct err e = { 0 };

		assert_int_equal(tsc_rate(&r, &from, &to, &e), t[i].code);
		assert_int_equal(r.khz, t[i].khz);
		assert_int_equal(r.error_ppm, t[i].error_ppm);
		assert_int_equal(!t[i].code, !e.text[0]);
	}
}

/* Readings of 1000 ticks each, 26 million of the host's TSC (10 ms) apart. */
static int check_scale(uint64_t ticks, struct err *e)
{
	const struct tsc_read from = { 1000, 7000000, 2000 },
			      to = { 26001000, 7000000 + ticks, 26002000 };

	return tsc_check_scale(3, &from, &to, e);
}

static void a_scaled_tsc_is_refused(void **state)
{
	static const struct {
		uint64_t ticks;
		int code;
	} t[] = {
		{ 26000000, 0 },
		{ 26001000 + 26 * 250,
		  0 }, /* 250 ppm: KVM does not scale yet; and the readings' error */
		{ 26001000 + 26 * 250 + 1, -EIO },
		{ 25999000 - 25 * 250, 0 },
		{ 25999000 - 25 * 250 - 1, -EIO },
		{ 25000000, -EIO },
		{ 0, -EIO },
		{ -26000000ULL, -EIO },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct err e = { 0 };

		assert_int_equal(check_scale(t[i].ticks, &e), t[i].code);
	}
}

static void one_that_cannot_be_read_is_not_judged(void **state)
{
	const struct tsc_read none = { 0 }, some = { 1000, 1000, 2000 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(tsc_check_scale(0, &none, &some, &e), 0);
	assert_int_equal(tsc_check_scale(0, &some, &none, &e), 0);
}

static void and_the_sentence_names_both_rates(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(check_scale(25000000, &e), -EIO);
	assert_non_null(strstr(
		e.text, "vCPU 3: wanted the host's rate, got 25000000 ticks in 26001000 of"));
}

static void instants_of_this_machine_give_its_rate(void **state)
{
	struct tsc_instant from = tsc_instant(), to;
	struct tsc_rate r;
	struct err e = { 0 };
	int ret = -1;

	(void)state;
	for (int i = 0; ret && i < 200; i++) { /* a disturbed machine: until they are far apart */
		clock_sleep_until(clock_now_ns() + 5 * MS);
		to = tsc_instant();
		e = (struct err){ 0 };
		ret = tsc_rate(&r, &from, &to, &e);
	}
	assert_int_equal(ret, 0);
	assert_true(r.khz > 100000 && r.khz < 10000000);
	assert_true(r.error_ppm <= TSC_ERROR_MAX_PPM);
	assert_int_equal(tsc_rate(&r, &to, &from, &e), -EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rate_is_ticks_by_time),
		cmocka_unit_test(a_scaled_tsc_is_refused),
		cmocka_unit_test(one_that_cannot_be_read_is_not_judged),
		cmocka_unit_test(and_the_sentence_names_both_rates),
		cmocka_unit_test(instants_of_this_machine_give_its_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
