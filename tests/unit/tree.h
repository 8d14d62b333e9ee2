/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tree - a directory that stands for /sys, /proc or cgroup v2 during one test
 */
#ifndef RTKVM_TESTS_UNIT_TREE_H
#define RTKVM_TESTS_UNIT_TREE_H

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/file.h"

static char root[48]; /* its path */

/* tree_make, tree_remove - set-up and teardown of a test */
static inline int tree_make(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/rtkvm-tree.XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static inline int tree_remove(void **state)
{
	struct err e = { 0 };

	(void)state;
	return file_remove_tree(root, &e);
}

/* tree_enter, tree_leave - the same, for tests whose working directory it is */
static inline int tree_enter(void **state)
{
	return tree_make(state) ? -1 : chdir(root);
}

static inline int tree_leave(void **state)
{
	return chdir("/") ? -1 : tree_remove(state);
}

/* tree_put - a file below root, with the directories above it; its name is a format */
__attribute__((format(printf, 2, 3))) static inline void tree_put(const char *text, const char *fmt,
								  ...)
{
	char name[256], path[PATH_MAX], dir[PATH_MAX];
	struct err e = { 0 };
	va_list args;

	va_start(args, fmt);
	vsnprintf(name, sizeof(name), fmt, args);
	va_end(args);
	assert_non_null(file_path(path, sizeof(path), "%s/%s", root, name));
	memcpy(dir, path, sizeof(dir));
	*strrchr(dir, '/') = '\0';
	assert_int_equal(file_mkdirs(dir, &e), 0);
	assert_int_equal(file_replace(path, text, strlen(text), &e), 0);
}

#define tree_test(f) cmocka_unit_test_setup_teardown(f, tree_make, tree_remove)

#endif
