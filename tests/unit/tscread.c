// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "vmm/tscread.h"

/* Readings of width ticks each, whose middles lie 100 million of the host's TSC apart. */
static int check_scale(struct tsc_scale *s, uint64_t width, uint64_t ticks, struct err *e)
{
	const uint64_t at = 5000000, apart = 100000000;
	const struct tsc_read from = { at - width / 2, 7000000, at + width / 2 },
			      to = { at + apart - width / 2, 7000000 + ticks,
				     at + apart + width / 2 };

	return tsc_check_scale(s, 3, &from, &to, e);
}

static void a_scaled_tsc_is_refused(void **state)
{
	static const struct {
		uint64_t width, ticks;
		int code;
		int off, bound; /* ppm */
	} t[] = {
		{ 0, 100000000, 0, 0, 0 },
		{ 0, 100012400, 0, 124, 0 },
		{ 0, 100012600, -EIO, 126, 0 },
		{ 0, 99987600, 0, -124, 0 },
		{ 0, 99987400, -EIO, -126, 0 },
		{ 1000, 100025000, -EIO, 250, 10 }, /* the least that KVM scales by */
		{ 1000, 99975000, -EIO, -250, 10 },
		{ 1000, 100013400, 0, 134, 10 }, /* half of it, and the readings' error */
		{ 1000, 100013600, -EIO, 136, 10 },
		{ 100000, 100100000, 0, 1000, 1000 }, /* too wide to tell: so says the bound */
		{ 0, 0, -EIO, -1000000, 0 },
		{ 0, -100000000ull, -EIO, -2000000, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct tsc_scale s = { 0 };
		struct err e = { 0 };

		if (check_scale(&s, t[i].width, t[i].ticks, &e) != t[i].code || !s.known ||
		    lrint(s.off_ppm) != t[i].off || lrint(s.bound_ppm) != t[i].bound)
			fail_msg("row %zu: %f +- %f ppm %s", i, s.off_ppm, s.bound_ppm, e.text);
	}
}

static void one_that_cannot_be_read_is_not_judged(void **state)
{
	const struct tsc_read none = { 0 }, some = { 1000, 1000, 2000 };
	struct tsc_scale s = { .known = true };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(tsc_check_scale(&s, 0, &none, &some, &e), 0);
	assert_false(s.known);
	s.known = true;
	assert_int_equal(tsc_check_scale(&s, 0, &some, &none, &e), 0);
	assert_false(s.known);
}

static void a_host_that_stands_still_is_refused(void **state)
{
	const struct tsc_read some = { 1000, 1000, 2000 };
	struct tsc_scale s;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(tsc_check_scale(&s, 0, &some, &some, &e), -EIO);
	assert_non_null(strstr(e.text, "stands still or runs backwards"));
}

static void and_the_sentence_names_the_difference(void **state)
{
	struct tsc_scale s;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(check_scale(&s, 1000, 96000000, &e), -EIO);
	assert_non_null(strstr(
		e.text,
		"vCPU 3: wanted the host's rate, got one that is -40000 ppm off, give or take 10"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_scaled_tsc_is_refused),
		cmocka_unit_test(one_that_cannot_be_read_is_not_judged),
		cmocka_unit_test(a_host_that_stands_still_is_refused),
		cmocka_unit_test(and_the_sentence_names_the_difference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
