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
#include <sys/xattr.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/threads.h"
#include "tests/unit/tree.h"
#include "vmm/partition.h"

static void names(void **state)
{
	static const char *const good[] = { "p", "rtkvm-1", "a.b_c", "cpus" };
	static const char *const bad[] = { "",		 ".",	"..",		".p",
					   "a/b",	 "a b", "cgroup.procs", "cpuset.cpus",
					   "memory.max", "a\n" };
	char longest[70];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(partition_name_ok(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(partition_name_ok(bad[i]));
	memset(longest, 'x', sizeof(longest));
	longest[64] = '\0';
	assert_true(partition_name_ok(longest));
	longest[64] = 'x';
	longest[65] = '\0';
	assert_false(partition_name_ok(longest));
}

static void make(const char *name, const char *owner, bool populated)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	assert_int_equal(mkdir(path, 0755), 0);
	if (owner && setxattr(path, "trusted.rtkvm.owner", owner, strlen(owner), 0))
		skip(); /* not root, or a file system without such attributes */
	if (populated)
		tree_put("populated 1\nfrozen 0\n", "%s/cgroup.events", name);
}

static bool there(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return file_exists(path);
}

/* What is left of a run that was killed goes; what lives, and what is not ours, stays. */
static void recovers(void **state)
{
	char alive[64], path[PATH_MAX], line[64];
	struct err e = { 0 };

	(void)state;
	tree_put("cpuset\n", "cgroup.subtree_control");
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", root);
	snprintf(alive, sizeof(alive), "%d %ju 0", getpid(), (uintmax_t)process_start(getpid()));
	make("dead", "999999999 5 1", false);
	make("alive", alive, false);
	snprintf(alive, sizeof(alive), "%d 1 0", getpid()); /* the id was given out again */
	make("reused", alive, false);
	make("busy", "999999999 5 0", true); /* its owner lives where we cannot see it */
	make("foreign", NULL, false);
	make("garbage", "x", false);
	assert_int_equal(partition_recover(root, &e), 2);
	assert_false(there("dead"));
	assert_false(there("reused"));
	assert_true(there("alive") && there("busy") && there("foreign") && there("garbage"));
	/* it had turned the controller on, and nobody else uses it */
	assert_memory_equal(file_read_line(path, line, sizeof(line)), "-cpuset", 7);
	assert_int_equal(partition_recover(root, &e), 0);
}

/* The kernel writes the reason behind the word when somebody else takes a CPU away. */
static void sees_that_it_is_undone(void **state)
{
	static const struct {
		const char *reads;
		int ret;
	} rows[] = {
		{ "isolated\n", 0 },
		{ "isolated invalid (Cpu list in cpuset.cpus not exclusive)\n", -EBUSY },
		{ "member\n", -EBUSY },
		{ "root\n", -EBUSY },
		{ "", -EBUSY },
	};
	struct partition p = { .group = { .path = "" } };

	(void)state;
	snprintf(p.dir, sizeof(p.dir), "%s", root);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };

		tree_put(rows[i].reads, "cpuset.cpus.partition");
		assert_int_equal(partition_check(&p, &e), rows[i].ret);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		tree_test(recovers),
		tree_test(sees_that_it_is_undone),
	};

	return cmocka_run_group_tests_name("partition", tests, NULL, NULL);
}
