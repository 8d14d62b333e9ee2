// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/file.h"

static int make_dir(void **state)
{
	char *dir = strdup("/tmp/rtkvm-unit.XXXXXX");

	if (!dir || !mkdtemp(dir))
		return -1;
	*state = dir;
	return 0;
}

static int drop_dir(void **state)
{
	struct err e = { 0 };

	file_remove_tree(*state, &e);
	free(*state);
	return 0;
}

static void replace_then_load(void **state)
{
	char path[PATH_MAX];
	_cleanup_free_ char *text = NULL;
	struct err e = { 0 };

	file_path(path, sizeof(path), "%s/f", (char *)*state);
	assert_int_equal(file_replace(path, "one", 3, &e), 0);
	assert_int_equal(file_replace(path, "four\n", 5, &e), 0);
	assert_int_equal(file_load(path, 100, &text, &e), 5);
	assert_string_equal(text, "four\n");
}

static void replace_leaves_no_temporary_file(void **state)
{
	char path[PATH_MAX], line[16];
	struct err e = { 0 };

	/* a directory is in the way: rename fails, the temporary file must go */
	file_path(path, sizeof(path), "%s/d", (char *)*state);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_true(file_replace(path, "x", 1, &e) < 0);
	file_path(path, sizeof(path), "%s/d.%d.tmp", (char *)*state, getpid());
	assert_false(file_exists(path));
	assert_string_equal(file_read_line("/nonexistent", line, sizeof(line)), "");
}

static void load_refuses_what_is_too_large_or_no_file(void **state)
{
	_cleanup_free_ char *text = NULL;
	struct err e = { 0 };
	char path[PATH_MAX];

	file_path(path, sizeof(path), "%s/f", (char *)*state);
	assert_int_equal(file_replace(path, "123456", 6, &e), 0);
	assert_int_equal(file_load(path, 5, &text, &e), -EFBIG);
	err_clear(&e);
	assert_int_equal(file_load(*state, 5, &text, &e), -EINVAL);
	err_clear(&e);
	err_clear(&e);
	assert_int_equal(file_load("/proc/cpuinfo", 5, &text, &e),
			 -EFBIG); /* says it has 0 bytes */
	err_clear(&e);
	assert_true(file_load("/proc/cpuinfo", 1 << 24, &text, &e) > 10);
	free(text);
	assert_int_equal(file_load("/nonexistent", 5, &text, &e), -ENOENT);
	assert_non_null(strstr(e.text, "/nonexistent"));
}

/* What waits for a writer, were it opened as a file is: without an end of the test, were it not refused. */
static void a_fifo_is_not_waited_for(void **state)
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX], to[PATH_MAX];
	struct err e = { 0 };
	FILE *f;

	alarm(20);
	file_path(path, sizeof(path), "%s/fifo", (char *)*state);
	file_path(to, sizeof(to), "%s/copy", (char *)*state);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(file_open(path, &e), -EINVAL);
	assert_non_null(strstr(e.text, "fifo failed: not a regular file"));
	err_clear(&e);
	assert_int_equal(file_stream(path, &f, &e), -EINVAL);
	assert_null(f);
	assert_non_null(strstr(e.text, "fifo failed: not a regular file"));
	err_clear(&e);
	assert_int_equal(file_load(path, 100, &text, &e), -EINVAL);
	err_clear(&e);
	assert_int_equal(file_copy(path, to, &e), -EINVAL);
	assert_false(file_exists(to));
	alarm(0);
}

static void streams_what_is_there(void **state)
{
	char path[PATH_MAX], line[16];
	struct err e = { 0 };
	FILE *f = stdin;

	file_path(path, sizeof(path), "%s/lines", (char *)*state);
	assert_int_equal(file_stream(path, &f, &e), 0);
	assert_null(f);
	assert_int_equal(e.code, 0);
	assert_int_equal(file_replace(path, "one\ntwo\n", 8, &e), 0);
	assert_int_equal(file_stream(path, &f, &e), 0);
	assert_non_null(fgets(line, sizeof(line), f));
	assert_string_equal(line, "one\n");
	fclose(f);
	assert_int_equal(file_stream(*state, &f, &e), -EINVAL);
	assert_non_null(strstr(e.text, "it is a directory"));
}

static void mkdirs_and_remove_tree(void **state)
{
	char path[PATH_MAX], link[PATH_MAX];
	struct err e = { 0 };

	file_path(path, sizeof(path), "%s/a/b/c", (char *)*state);
	assert_int_equal(file_mkdirs(path, &e), 0);
	assert_int_equal(file_mkdirs(path, &e), 0);
	file_path(link, sizeof(link), "%s/a/out", (char *)*state);
	assert_int_equal(symlink("/etc", link), 0);
	file_path(path, sizeof(path), "%s/a", (char *)*state);
	assert_int_equal(file_remove_tree(path, &e), 0);
	assert_false(file_exists(path));
	assert_true(file_exists("/etc/passwd"));
	assert_int_equal(file_remove_tree(path, &e), 0);

	file_path(path, sizeof(path), "%s/file", (char *)*state);
	assert_int_equal(file_replace(path, "", 0, &e), 0);
	assert_true(file_mkdirs(path, &e) < 0);

	/* all or none: the last of its names is longer than a name may be */
	file_path(path, sizeof(path), "%s/none/%0300d", (char *)*state, 0);
	assert_true(file_mkdirs(path, &e) < 0);
	file_path(path, sizeof(path), "%s/none", (char *)*state);
	assert_false(file_exists(path));
}

static void path_that_does_not_fit(void **state)
{
	char buf[8];

	(void)state;
	assert_null(file_path(buf, sizeof(buf), "%s", "12345678"));
	assert_int_equal(errno, ENAMETOOLONG);
	assert_non_null(file_path(buf, sizeof(buf), "%s", "1234567"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(replace_then_load, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(replace_leaves_no_temporary_file, make_dir,
						drop_dir),
		cmocka_unit_test_setup_teardown(load_refuses_what_is_too_large_or_no_file, make_dir,
						drop_dir),
		cmocka_unit_test_setup_teardown(a_fifo_is_not_waited_for, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(streams_what_is_there, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(mkdirs_and_remove_tree, make_dir, drop_dir),
		cmocka_unit_test(path_that_does_not_fit),
	};

	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
