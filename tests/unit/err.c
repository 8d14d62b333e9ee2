// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/clock.h"
#include "lib/err.h"

static void first_failure_stays(void **state)
{
	struct err e = { 0 };

	(void)state;
	errno = ENOENT;
	assert_int_equal(err_sys(&e, "opening %s failed", "/x"), -ENOENT);
	assert_int_equal(err_set(&e, -EIO, "later"), -EIO);
	assert_int_equal(e.code, -ENOENT);
	assert_string_equal(e.text, "opening /x failed: No such file or directory");
	err_clear(&e);
	assert_int_equal(e.code, 0);
	assert_string_equal(e.text, "");
}

static void long_sentences_are_cut(void **state)
{
	char text[2000];
	struct err e = { 0 };

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	errno = EIO;
	err_sys(&e, "%s", text);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
}

static void verdicts(void **state)
{
	(void)state;
	assert_int_equal(err_verdict(VERDICT_PASS), 0);
	assert_int_equal(err_verdict(VERDICT_INCONCLUSIVE), 4);
	assert_int_equal(err_verdict(-EINTR), VERDICT_INCOMPLETE);
	assert_int_equal(err_verdict(-ENOENT), VERDICT_ERROR);
	assert_string_equal(verdict_name(VERDICT_FAIL), "fail");
	assert_string_equal(verdict_name(77), "error");
}

static void iso_times(void **state)
{
	char buf[CLOCK_ISO_BYTES];

	(void)state;
	assert_string_equal(clock_iso8601(0, buf), "1970-01-01T00:00:00Z");
	assert_string_equal(clock_iso8601(1709164800ull * NSEC_PER_SEC, buf),
			    "2024-02-29T00:00:00Z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_failure_stays),
		cmocka_unit_test(long_sentences_are_cut),
		cmocka_unit_test(verdicts),
		cmocka_unit_test(iso_times),
	};

	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
