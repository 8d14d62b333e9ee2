// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "cyclic/toolwatch.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "tests/unit/tree.h"

static void text(void **state)
{
	static const struct {
		const char *text;
		char mark;
		const char *want;
	} rows[] = {
		{ "# Histogram\n000000 000001\n# Total: 1\n#\n", '#',
		  "# Histogram\n# Total: 1\n#\n" },
		{ "x # y\n# Break value: 61", '#', "# Break value: 61\n" },
		{ "Version: 2.40\n\n0 0 0\n  Maximum:\t 3 (us)\n", ':',
		  "Version: 2.40\n  Maximum:\t 3 (us)\n" },
		{ "", '#', "" },
	};
	char from[PATH_MAX], to[PATH_MAX];

	(void)state;
	snprintf(from, sizeof(from), "%s/from", root);
	snprintf(to, sizeof(to), "%s/to", root);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *got = NULL;
		struct err e = { 0 };

		assert_int_equal(file_replace(from, rows[i].text, strlen(rows[i].text), &e), 0);
		assert_int_equal(toolwatch_text(from, rows[i].mark, to, &e), 0);
		assert_true(file_load(to, 4096, &got, &e) >= 0);
		assert_string_equal(got, rows[i].want);
	}
}

static void threads(void **state)
{
	struct err e = { 0 };
	char lines[4096] = "", few[8] = "";

	(void)state;
	/* we are one thread, and no real-time one */
	assert_int_equal(toolwatch_threads(getpid(), 95, lines, sizeof(lines)), 0);
	assert_int_equal(strtol(lines, NULL, 10), getpid());
	assert_ptr_equal(strchr(lines, '\n'), lines + strlen(lines) - 1);
	/* no half of a line */
	assert_int_equal(toolwatch_threads(getpid(), 95, few, sizeof(few)), 0);
	assert_null(strchr(few, '\n'));
	/* one that has ended does not undo what was seen of it before */
	assert_int_equal(toolwatch_threads(0, 95, lines, sizeof(lines)), 0);
	assert_int_equal(strtol(lines, NULL, 10), getpid());
	*lines = '\0';
	assert_int_equal(toolwatch_threads(0, 95, lines, sizeof(lines)), 0);
	assert_string_equal(lines, "");
	assert_int_equal(toolwatch_text("/nonexistent", '#', "/nonexistent/x", &e), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(text),
		tree_test(threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
