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
#include "lib/hostcpus.h"
#include "tests/unit/tree.h"

static void is(const struct cpulist *l, const char *want)
{
	char text[256];

	assert_string_equal(cpulist_format(l, text, sizeof(text)), want);
}

static void sets(void **state)
{
	struct err e = { 0 };
	struct hostcpus h;

	(void)state;
	assert_true(hostcpus_read(&h, root, &e) < 0); /* no "present": not a sysfs */
	err_clear(&e);
	tree_put("0-7\n", "devices/system/cpu/present");
	tree_put("0-6\n", "devices/system/cpu/online");
	assert_int_equal(hostcpus_read(&h, root, &e), 0); /* the rest is features */
	is(&h.present, "0-7");
	is(&h.isolated, "");
	assert_false(h.has_nohz_full);
	tree_put("2-3\n", "devices/system/cpu/isolated");
	tree_put("(null)\n", "devices/system/cpu/nohz_full");
	tree_put("5\n", "fs/cgroup/cpuset.cpus.isolated");
	assert_int_equal(hostcpus_read(&h, root, &e), 0);
	is(&h.online, "0-6");
	is(&h.isolated, "2-3,5");
	is(&h.nohz_full, "");
	assert_true(h.has_nohz_full);
	tree_put("6\n", "fs/cgroup/unified/cpuset.cpus.isolated");
	tree_put("2-6\n", "devices/system/cpu/nohz_full");
	assert_int_equal(hostcpus_read(&h, root, &e), 0);
	is(&h.isolated, "2-3,5-6");
	is(&h.nohz_full, "2-6");
	tree_put("2-x\n", "devices/system/cpu/isolated");
	assert_int_equal(hostcpus_read(&h, root, &e), -EINVAL);
}

static void places(void **state)
{
	struct err e = { 0 };
	struct cpulist l;

	(void)state;
	assert_int_equal(hostcpus_nodes(&l, root, &e), 0); /* a kernel without NUMA */
	is(&l, "");
	assert_int_equal(hostcpus_siblings(&l, root, 3, &e), 0);
	is(&l, "3");
	tree_put("0-1\n", "devices/system/node/online");
	tree_put("1\n", "devices/system/node/has_memory");
	tree_put("4-7,12-15\n", "devices/system/node/node1/cpulist");
	tree_put("3,11\n", "devices/system/cpu/cpu3/topology/thread_siblings_list");
	assert_int_equal(hostcpus_nodes(&l, root, &e), 0);
	is(&l, "0-1");
	assert_int_equal(hostcpus_memory_nodes(&l, root, &e), 0);
	is(&l, "1");
	assert_int_equal(hostcpus_node_cpus(&l, root, 1, &e), 0);
	is(&l, "4-7,12-15");
	assert_int_equal(hostcpus_siblings(&l, root, 3, &e), 0);
	is(&l, "3,11");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(sets),
		tree_test(places),
	};

	return cmocka_run_group_tests_name("hostcpus", tests, NULL, NULL);
}
