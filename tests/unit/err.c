// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
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

/* Whatever a user gave us: what it was for, why it is wrong and what to do are left. */
static void the_middle_goes(void **state)
{
	char value[5000];
	struct err e = { 0 };

	(void)state;
	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	err_set(&e, -EINVAL, "--thing: \"%s\" is wrong; give another", value);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	assert_int_equal(strncmp(e.text, "--thing: \"xxx", 13), 0);
	assert_non_null(strstr(e.text, "x[...]x"));
	assert_non_null(strstr(e.text, "x\" is wrong; give another"));
	err_clear(&e);
	errno = ENOENT;
	err_sys(&e, "opening %s failed", value);
	assert_non_null(strstr(e.text, "x failed: No such file or directory"));
}

static void characters_stay_whole(void **state)
{
	char value[2000] = "";
	struct err e;

	(void)state;
	for (size_t shift = 0; shift < 3; shift++) {
		memset(value, 'x', shift);
		for (size_t i = shift; i + 3 < sizeof(value); i += 3)
			memcpy(value + i, "\xe2\x82\xac", 4); /* the sign of the euro */
		err_clear(&e);
		err_set(&e, -EINVAL, "%s", value);
		assert_non_null(strstr(e.text, "\xac[...]\xe2"));
	}
}

static void reasons_with_a_remedy(void **state)
{
	struct err e = { 0 };

	(void)state;
	errno = EMFILE;
	assert_int_equal(err_sys(&e, "opening x failed"), -EMFILE);
	assert_string_equal(e.text, "opening x failed: Too many open files; raise this process's "
				    "limit (ulimit -n)");
}

static void is_printed_as_one_line(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "plain", "v: plain\n" },
		{ "a\nb\tc\x1b[2Jd\x7f", "v: a?b?c?[2Jd?\n" },
		{ "\xc2\x9b"
		  "2J \xc3\x9c \xe2\x82\xac",
		  "v: ??2J \xc3\x9c \xe2\x82\xac\n" },
		{ "cut \xc2", "v: cut \xc2\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err e = { 0 };
		char *text = NULL;
		size_t len;
		FILE *f = open_memstream(&text, &len);

		assert_non_null(f);
		err_set(&e, -EINVAL, "%s", rows[i].in);
		err_print(&e, "v", f);
		fclose(f);
		assert_string_equal(text, rows[i].out);
		free(text);
	}
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
		cmocka_unit_test(the_middle_goes),
		cmocka_unit_test(characters_stay_whole),
		cmocka_unit_test(reasons_with_a_remedy),
		cmocka_unit_test(is_printed_as_one_line),
		cmocka_unit_test(verdicts),
		cmocka_unit_test(iso_times),
	};

	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
