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

static void parses_proc_files(void **state)
{
	uint64_t n;

	(void)state;
	/* the command name may hold anything */
	assert_int_equal(counters_parse_faults("12 (a) b (c) S 1 2 3 4 5 6 100 8 20 10 11", &n), 0);
	assert_int_equal(n, 120);
	assert_int_equal(counters_parse_faults("12 (vcpu0) S 1 2", &n), -EINVAL);
	assert_int_equal(counters_parse_faults("", &n), -EINVAL);
	assert_int_equal(counters_parse_switches("voluntary_ctxt_switches:\t5\n"
						 "nonvoluntary_ctxt_switches:\t7\n",
						 &n),
			 0);
	assert_int_equal(n, 7);
	assert_int_equal(counters_parse_switches("Name: x\n", &n), -EINVAL);
}

static void reads_this_thread(void **state)
{
	struct thread_stats s;
	struct err e = { 0 };
	uint64_t start;

	(void)state;
	assert_int_equal(counters_thread(gettid(), &s, &e), 0);
	assert_true(s.page_faults > 0);
	assert_true(counters_thread(1 << 30, &s, &e) < 0);
	err_clear(&e);
	assert_int_equal(counters_process_start_ns(&start, &e), 0);
	assert_true(start < clock_now_ns());
	assert_true(clock_now_ns() - start < 3600 * NSEC_PER_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_proc_files),
		cmocka_unit_test(reads_this_thread),
	};

	return cmocka_run_group_tests_name("counters", tests, NULL, NULL);
}
