// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <unistd.h>

#include "lib/clock.h"
#include "vmm/counters.h"

static void start_of_this_process(void **state)
{
	struct err e = { 0 };
	uint64_t start;

	(void)state;
	assert_int_equal(counters_process_start_ns(&start, &e), 0);
	assert_true(start < clock_now_ns());
	assert_true(clock_now_ns() - start < 3600 * NSEC_PER_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start_of_this_process),
	};

	return cmocka_run_group_tests_name("counters", tests, NULL, NULL);
}
