// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <sched.h>
#include <stdio.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "vmm/place.h"

static struct cpulist set(const char *text)
{
	struct cpulist l = { 0 };
	struct err e = { 0 };

	if (text[0])
		assert_int_equal(cpulist_parse(&l, text, &e), 0);
	return l;
}

struct row {
	const char *cpus, *online, *isolated, *nohz, *housekeeping;
	bool shared;
	const char *want; /* housekeeping CPUs, or the reason of the refusal */
	int ret;
};

static void judges(void **state)
{
	static const struct row rows[] = {
		{ "2-3", "0-3", "2-3", "2-3", NULL, false, "0-1", 0 },
		{ "2", "0-3", "2-3", "2-3", NULL, false, "0-1", 0 },
		{ "2-3", "0-3", "", "", NULL, true, "0-1", 0 },
		{ "0-3", "0-3", "", "", NULL, true, "0-3", 0 },
		{ "2-3", "0-3", "2-3", "2-3", "1", false, "1", 0 },
		{ "2-4", "0-3", "2-3", "2-3", NULL, false, "CPU 4 does not exist", -EINVAL },
		{ "3", "0-2", "3", "3", NULL, false, "CPU 3 is not online", -EINVAL },
		{ "2-3", "0-3", "3", "2-3", NULL, false, "CPU 2 is not isolated", -EINVAL },
		{ "2-3", "0-3", "2-3", "2", NULL, false, "CPU 3 is not in nohz_full", -EINVAL },
		{ "0-3", "0-3", "0-3", "0-3", NULL, false, "no CPU is left", -EINVAL },
		{ "2", "0-3", "2-3", "2-3", "2", false, "carries a vCPU", -EINVAL },
		{ "2", "0-3", "2-3", "2-3", "7", false, "--housekeeping is not online", -EINVAL },
		{ "2", "0-3", "", "", "2", true, "2", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		struct host_cpus h = { .present = set("0-3"),
				       .online = set(r->online),
				       .isolated = set(r->isolated),
				       .nohz_full = set(r->nohz),
				       .allowed = set("0-3") };
		struct cpulist given = r->housekeeping ? set(r->housekeeping) : set(""), got;
		struct err e = { 0 };
		struct cpumap map;
		char text[64];

		assert_int_equal(cpumap_parse(&map, r->cpus, &e), 0);
		assert_int_equal(
			place_check(&h,
				    &(struct place_opts){ &map, r->housekeeping ? &given : NULL,
							  r->shared },
				    &got, &e),
			r->ret);
		if (r->ret && !strstr(e.text, r->want))
			fail_msg("row %zu: %s", i, e.text);
		if (!r->ret)
			assert_string_equal(cpulist_format(&got, text, sizeof(text)), r->want);
	}
}

static void write_set(const char *root, const char *name, const char *text)
{
	struct err e = { 0 };
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	assert_int_equal(file_replace(path, text, strlen(text), &e), 0);
}

static void reads_a_host(void **state)
{
	char root[] = "/tmp/rtkvm-place.XXXXXX", dir[256], text[64];
	struct host_cpus h;
	struct err e = { 0 };

	(void)state;
	assert_non_null(mkdtemp(root));
	snprintf(dir, sizeof(dir), "%s/devices/system/cpu", root);
	assert_int_equal(file_mkdirs(dir, &e), 0);
	snprintf(dir, sizeof(dir), "%s/fs/cgroup", root);
	assert_int_equal(file_mkdirs(dir, &e), 0);
	assert_true(place_read(&h, root, &e) < 0); /* no "present": not a sysfs */
	err_clear(&e);
	write_set(root, "devices/system/cpu/present", "0-7\n");
	write_set(root, "devices/system/cpu/online", "0-6\n");
	write_set(root, "devices/system/cpu/isolated", "2-3\n");
	write_set(root, "devices/system/cpu/nohz_full", "(null)\n");
	write_set(root, "fs/cgroup/cpuset.cpus.isolated", "5\n");
	assert_int_equal(place_read(&h, root, &e), 0);
	assert_string_equal(cpulist_format(&h.isolated, text, sizeof(text)), "2-3,5");
	assert_true(cpulist_empty(&h.nohz_full));
	assert_int_equal(cpulist_count(&h.online), 7);
	assert_int_equal(file_remove_tree(root, &e), 0);
}

static void leaves_an_inherited_realtime_policy(void **state)
{
	static const int flags[] = { 0, SCHED_RESET_ON_FORK };
	struct sched_param p = { .sched_priority = 1 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(place_ordinary(&e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (sched_setscheduler(0, SCHED_FIFO | flags[i], &p)) {
			assert_int_equal(errno, EPERM);
			skip();
		}
		assert_int_equal(place_ordinary(&e), 0);
		assert_int_equal(sched_getscheduler(0) & ~SCHED_RESET_ON_FORK, SCHED_OTHER);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judges),
		cmocka_unit_test(reads_a_host),
		cmocka_unit_test(leaves_an_inherited_realtime_policy),
	};

	return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}
