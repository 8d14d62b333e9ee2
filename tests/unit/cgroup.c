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
#include <cmocka.h>

#include "lib/cleanup.h"
#include "vmm/cgroup.h"
#include "tests/unit/tree.h"

#define MIB (1ull << 20)

static void finds(void **state)
{
	static const struct {
		const char *groups, *mounts, *mount, *path;
	} rows[] = {
		{ "0::/user.slice/a b\n", "none /sys/fs/cgroup cgroup2 rw 0 0\n", "/sys/fs/cgroup",
		  "/user.slice/a b" },
		{ "0::/\n", "proc /proc proc rw 0 0\nx /cg cgroup2 rw 0 0\n", "/cg", "/" },
		{ "4:memory:/x\n0::/y\n",
		  "a /sys/fs/cgroup/memory cgroup rw 0 0\nb /u cgroup2 rw\n", "/u", "/y" },
		{ "4:memory:/x\n", "b /u cgroup2 rw\n", "", "" }, /* v1 alone */
		{ "0::/y\n", "a /sys/fs/cgroup/memory cgroup rw 0 0\n", "", "" }, /* not mounted */
		{ "0::/../y\n", "b /u cgroup2 rw\n", "", "" },
		{ "", "", "", "" },
		{ "0::", "b", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		struct cgroup g;

		tree_put(rows[i].groups, "self/cgroup");
		tree_put(rows[i].mounts, "self/mounts");
		assert_int_equal(cgroup_find(&g, root, &e), 0);
		assert_string_equal(g.mount, rows[i].mount);
		assert_string_equal(g.path, rows[i].path);
	}
	assert_int_equal(cgroup_find(&(struct cgroup){ 0 }, "/nowhere", &(struct err){ 0 }), 0);
}

static void limits(void **state)
{
	struct cgroup g = { .path = "/a/b" }, top = { .path = "/" };
	struct err e = { 0 };

	(void)state;
	snprintf(g.mount, sizeof(g.mount), "%s", root);
	snprintf(top.mount, sizeof(top.mount), "%s", root);
	assert_int_equal(cgroup_check_memory(&g, 1ull << 40, 4096, &e), 0); /* no controller */
	tree_put("max\n", "a/b/memory.max");
	tree_put("104857600\n", "a/b/memory.current");
	tree_put("314572800\n", "a/memory.max"); /* 300 MiB, 200 used, 50 of them cache */
	tree_put("209715200\n", "a/memory.current");
	tree_put("anon 157286400\nfile 152428800\ninactive_file 32428800\nactive_file 20000000\n",
		 "a/memory.stat");
	assert_int_equal(cgroup_check_memory(&g, 150 * MIB, 4096, &e), 0);
	assert_int_equal(cgroup_check_memory(&g, 151 * MIB, 4096, &e), -ENOMEM);
	assert_non_null(strstr(e.text, "/a/memory.max leaves 150 of 300 MiB"));
	err_clear(&e);
	assert_int_equal(cgroup_check_memory(&top, 151 * MIB, 4096, &e), 0);
	assert_int_equal(cgroup_check_memory(&g, 151 * MIB, 2 << 20, &e), 0); /* another limit */
	tree_put("max\n", "a/hugetlb.2MB.max");
	tree_put("2097152\n", "a/hugetlb.2MB.rsvd.max");
	tree_put("0\n", "a/hugetlb.2MB.rsvd.current");
	tree_put("0\n", "a/hugetlb.1GB.max");
	tree_put("0\n", "a/hugetlb.1GB.current");
	assert_int_equal(cgroup_check_memory(&g, 2 * MIB, 2 << 20, &e), 0);
	assert_int_equal(cgroup_check_memory(&g, 4 * MIB, 2 << 20, &e), -ENOMEM);
	assert_non_null(strstr(e.text, "hugetlb.2MB.rsvd.max leaves 2 of 2 MiB"));
	err_clear(&e);
	assert_int_equal(cgroup_check_memory(&g, 1 << 30, 1 << 30, &e), -ENOMEM);
	assert_non_null(strstr(e.text, "hugetlb.1GB.max"));
	tree_put("garbage\n", "a/memory.max"); /* no number: no limit that we know of */
	assert_int_equal(cgroup_check_memory(&g, 151 * MIB, 4096, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(finds),
		tree_test(limits),
	};

	return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
