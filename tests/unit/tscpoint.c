// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lib/clock.h"
#include "lib/tscpoint.h"

/* What two points say themselves, to what their readings took. */
static void the_rate_is_what_points_say(void **state)
{
	uint64_t hz = tsc_measured_hz();
	struct tsc_point a, b;
	double between, error;

	(void)state;
	assert_true(hz > 100000000 && hz < 20000000000);
	tsc_point(&a);
	clock_sleep_until(clock_now_ns() + 50000000);
	tsc_point(&b);
	assert_true(b.tsc > a.tsc && b.raw_ns - a.raw_ns >= 49000000);
	assert_true(b.mono_ns - a.mono_ns >= 50000000);
	between = (b.tsc - a.tsc) * 1e9 / (b.raw_ns - a.raw_ns);
	error = (a.error_tsc + b.error_tsc) * 1e9 / (b.raw_ns - a.raw_ns);
	if (labs((long)(between - hz)) > error + hz / 10000.0) /* measured to 10 ppm itself */
		fail_msg("%f Hz between points, to %f, but %ju Hz", between, error, (uintmax_t)hz);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rate_is_what_points_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
