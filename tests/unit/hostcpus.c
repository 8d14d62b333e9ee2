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
#include "lib/file.h"
#include "lib/hostcpus.h"

static char *root;

static int make_root(void **state)
{
	char template[] = "/tmp/rtkvm-hostcpus.XXXXXX";

	(void)state;
	root = strdup(mkdtemp(template));
	return root ? 0 : -1;
}

static int remove_root(void **state)
{
	struct err e = { 0 };
	int ret = file_remove_tree(root, &e);

	(void)state;
	free(root);
	return ret;
}

static void put(const char *name, const char *text)
{
	char path[PATH_MAX], dir[PATH_MAX];
	struct err e = { 0 };

	assert_non_null(file_path(path, sizeof(path), "%s/%s", root, name));
	memcpy(dir, path, sizeof(dir));
	*strrchr(dir, '/') = '\0';
	assert_int_equal(file_mkdirs(dir, &e), 0);
	assert_int_equal(file_replace(path, text, strlen(text), &e), 0);
}

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
	put("devices/system/cpu/present", "0-7\n");
	put("devices/system/cpu/online", "0-6\n");
	assert_int_equal(hostcpus_read(&h, root, &e), 0); /* the rest is features */
	is(&h.present, "0-7");
	is(&h.isolated, "");
	assert_false(h.has_nohz_full);
	put("devices/system/cpu/isolated", "2-3\n");
	put("devices/system/cpu/nohz_full", "(null)\n");
	put("fs/cgroup/cpuset.cpus.isolated", "5\n");
	assert_int_equal(hostcpus_read(&h, root, &e), 0);
	is(&h.online, "0-6");
	is(&h.isolated, "2-3,5");
	is(&h.nohz_full, "");
	assert_true(h.has_nohz_full);
	put("fs/cgroup/unified/cpuset.cpus.isolated", "6\n");
	put("devices/system/cpu/nohz_full", "2-6\n");
	assert_int_equal(hostcpus_read(&h, root, &e), 0);
	is(&h.isolated, "2-3,5-6");
	is(&h.nohz_full, "2-6");
	put("devices/system/cpu/isolated", "2-x\n");
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
	put("devices/system/node/online", "0-1\n");
	put("devices/system/node/has_memory", "1\n");
	put("devices/system/node/node1/cpulist", "4-7,12-15\n");
	put("devices/system/cpu/cpu3/topology/thread_siblings_list", "3,11\n");
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
		cmocka_unit_test_setup_teardown(sets, make_root, remove_root),
		cmocka_unit_test_setup_teardown(places, make_root, remove_root),
	};

	return cmocka_run_group_tests_name("hostcpus", tests, NULL, NULL);
}
