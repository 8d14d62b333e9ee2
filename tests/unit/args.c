// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "guests/args.h"

static void grows(void **state)
{
	static const char *const more[] = { "two", "three", NULL };
	struct err e = { 0 };
	struct args a = { 0 };

	(void)state;
	assert_false(args_has(&a, "one"));
	args_add(&a, "%s%d", "one", 1);
	args_add_all(&a, more);
	assert_int_equal(a.n, 3);
	assert_string_equal(a.v[0], "one1");
	assert_string_equal(a.v[2], "three");
	assert_null(a.v[3]);
	assert_true(args_has(&a, "two"));
	assert_false(args_has(&a, "tw"));
	assert_int_equal(args_check(&a, &e), 0);
	args_free(&a);
	assert_int_equal(a.n, 0);
	assert_null(a.v);
}

static void tells_a_failure_late(void **state)
{
	struct args a = { .failed = true };
	struct err e = { 0 };

	(void)state;
	args_add(&a, "x");
	assert_int_equal(args_check(&a, &e), -ENOMEM);
	args_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows),
		cmocka_unit_test(tells_a_failure_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
