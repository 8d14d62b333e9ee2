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

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "guests/home.h"
#include "lib/cleanup.h"
#include "lib/file.h"

static char base[] = "/tmp/rtkvm-unit.XXXXXX";

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(base))
		return -1;
	return setenv("RTKVM_HOME", base, 1);
}

static int tear_down(void **state)
{
	struct err e = { 0 };

	(void)state;
	return file_remove_tree(base, &e);
}

static void makes_what_is_asked_for(void **state)
{
	struct err e = { 0 };
	char path[PATH_MAX], want[PATH_MAX];

	(void)state;
	assert_int_equal(home_path(path, "guests", &e), 0);
	assert_non_null(file_path(want, sizeof(want), "%s/guests", base));
	assert_string_equal(path, want);
	assert_true(file_exists(path));
}

static void a_run_has_its_own_directory(void **state)
{
	struct err e = { 0 };
	struct rundir a, b;

	(void)state;
	assert_int_equal(rundir_create(&a, &e), 0);
	assert_int_equal(rundir_create(&b, &e), 0);
	assert_string_not_equal(a.path, b.path);
	assert_true(file_exists(a.path)); /* its owner lives: the second one left it alone */
	rundir_remove(&a);
	assert_string_equal(a.path, "");
	rundir_remove(&a);
	rundir_remove(&b);
}

static void the_next_run_removes_what_a_dead_one_left(void **state)
{
	struct err e = { 0 };
	struct rundir dead, next;
	char path[PATH_MAX], file[PATH_MAX], lock[PATH_MAX];

	(void)state;
	assert_int_equal(rundir_create(&dead, &e), 0);
	assert_non_null(file_path(path, sizeof(path), "%s", dead.path));
	assert_non_null(file_path(file, sizeof(file), "%s/x", dead.path));
	assert_non_null(file_path(lock, sizeof(lock), "%s.lock", dead.path));
	assert_int_equal(file_replace(file, "x", 1, &e), 0);
	close(dead.lock); /* as the kernel does for a process that is killed */
	assert_int_equal(rundir_create(&next, &e), 0);
	assert_false(file_exists(path));
	assert_false(file_exists(lock));
	rundir_remove(&next);
}

/* Killed between making the directory and its lock file. */
static void a_directory_without_a_lock_is_dead(void **state)
{
	struct err e = { 0 };
	char path[PATH_MAX];
	struct rundir next;

	(void)state;
	assert_non_null(file_path(path, sizeof(path), "%s/lab/run.abcdef", base));
	assert_int_equal(file_mkdirs(path, &e), 0);
	assert_int_equal(rundir_create(&next, &e), 0);
	assert_false(file_exists(path));
	rundir_remove(&next);
}

static void the_cache_is_rid_of_half_done_work(void **state)
{
	char cache[PATH_MAX], half[PATH_MAX], whole[PATH_MAX];
	struct err e = { 0 };
	int fd;

	(void)state;
	assert_non_null(file_path(half, sizeof(half), "%s/cache/tmp.abcdef/x", base));
	assert_non_null(file_path(whole, sizeof(whole), "%s/cache/trees/a_1", base));
	assert_int_equal(file_mkdirs(half, &e), 0);
	assert_int_equal(file_mkdirs(whole, &e), 0);
	fd = home_cache(cache, &e);
	assert_true(fd >= 0);
	assert_false(file_exists(half));
	assert_true(file_exists(whole));
	close(fd);
}

static void not_writable(void **state)
{
	struct err e = { 0 };
	char path[PATH_MAX];

	(void)state;
	setenv("RTKVM_HOME", "/proc/nowhere", 1);
	assert_true(home_path(path, "lab", &e) < 0);
	assert_non_null(strstr(e.text, "/proc/nowhere"));
	setenv("RTKVM_HOME", base, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_what_is_asked_for),
		cmocka_unit_test(a_run_has_its_own_directory),
		cmocka_unit_test(the_next_run_removes_what_a_dead_one_left),
		cmocka_unit_test(a_directory_without_a_lock_is_dead),
		cmocka_unit_test(the_cache_is_rid_of_half_done_work),
		cmocka_unit_test(not_writable),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
