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

#include "lib/cleanup.h"
#include "tests/unit/tree.h"
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
	const char *cpus, *online, *isolated;
	const char *nohz; /* NULL: a kernel without it */
	const char *housekeeping;
	int allow; /* 1: --allow-shared, 2: --allow-tick */
	const char *want; /* housekeeping CPUs, or the reason of the refusal */
	int ret;
	const char *devices; /* CPUs of devices' threads */
};

static void judges(void **state)
{
	static const struct row rows[] = {
		{ "2-3", "0-3", "2-3", "2-3", NULL, 0, "0-1", 0 },
		{ "2", "0-3", "2-3", "2-3", NULL, 0, "0-1", 0 },
		{ "2-3", "0-3", "", "", NULL, 1, "0-1", 0 },
		{ "0-3", "0-3", "", "", NULL, 1, "0-3", 0 },
		{ "2-3", "0-3", "2-3", "2-3", "1", 0, "1", 0 },
		{ "2-4", "0-3", "2-3", "2-3", NULL, 0, "CPU 4 does not exist", -EINVAL },
		{ "3", "0-2", "3", "3", NULL, 0, "CPU 3 is not online", -EINVAL },
		{ "2-3", "0-3", "3", "2-3", NULL, 0, "CPU 2 is not isolated", -EINVAL },
		{ "2-3", "0-3", "2-3", "2", NULL, 0, "CPU 3 is isolated, but not in nohz_full",
		  -EINVAL },
		{ "2-3", "0-3", "2-3", NULL, NULL, 0, "this kernel has no nohz_full", -EINVAL },
		{ "2-3", "0-3", "2-3", NULL, NULL, 2, "0-1", 0 },
		{ "2-3", "0-3", "2-3", "2", NULL, 2, "0-1", 0 },
		{ "2-3", "0-3", "3", NULL, NULL, 2, "CPU 2 is not isolated", -EINVAL },
		{ "2-3", "0-3", "", NULL, NULL, 1, "0-1", 0 },
		{ "0-3", "0-3", "0-3", "0-3", NULL, 0, "no CPU is left", -EINVAL },
		{ "2", "0-3", "2-3", "2-3", "2", 0, "carries a vCPU", -EINVAL },
		{ "2", "0-3", "2-3", "2-3", "7", 0, "--housekeeping is not online", -EINVAL },
		{ "2", "0-3", "", "", "2", 1, "2", 0 },
		{ "2-3", "0-3", "2-3", "2-3", NULL, 0,
		  "CPU 3 carries a vCPU and by cpu= the thread of a device", -EINVAL, "1,3" },
		{ "2", "0-3", "2-3", "2-3", NULL, 0, "0-1", 0, "1,3" },
		{ "2-3", "0-3", "", "", NULL, 1, "0-1", 0, "3" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		struct hostcpus h = { .present = set("0-3"),
				      .online = set(r->online),
				      .isolated = set(r->isolated),
				      .nohz_full = set(r->nohz ? r->nohz : ""),
				      .has_nohz_full = r->nohz };
		struct cpulist allowed = set("0-3");
		struct cpulist devices = set(r->devices ? r->devices : "");
		struct cpulist given = r->housekeeping ? set(r->housekeeping) : set(""), got;
		struct err e = { 0 };
		struct cpumap map;
		char text[64];

		assert_int_equal(cpumap_parse(&map, r->cpus, &e), 0);
		assert_int_equal(
			place_check(&h,
				    &(struct place_opts){ .map = &map,
							  .housekeeping = r->housekeeping ? &given
											  : NULL,
							  .devices = &devices,
							  .allowed = &allowed,
							  .allow_shared = r->allow == 1,
							  .allow_tick = r->allow == 2 },
				    &got, &e),
			r->ret);
		if (r->ret && !strstr(e.text, r->want))
			fail_msg("row %zu: %s", i, e.text);
		if (!r->ret)
			assert_string_equal(cpulist_format(&got, text, sizeof(text)), r->want);
	}
}

static void leaves_an_inherited_realtime_policy(void **state)
{
	static const int flags[] = { 0, SCHED_RESET_ON_FORK };
	struct sched_param p = { .sched_priority = 1 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(place_ordinary(0, &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (sched_setscheduler(0, SCHED_FIFO | flags[i], &p)) {
			assert_int_equal(errno, EPERM);
			skip();
		}
		assert_int_equal(place_ordinary(0, &e), 0);
		assert_int_equal(sched_getscheduler(0) & ~SCHED_RESET_ON_FORK, SCHED_OTHER);
	}
}

static void reads_the_clamp_in_force(void **state)
{
	(void)state;
	assert_int_equal(place_uclamp_effective(root, "1"), 1024); /* no cap that is told */
	tree_put("512\n", "sys/kernel/sched_util_clamp_min");
	assert_int_equal(place_uclamp_effective(root, "1"), 512);
	tree_put("vcpu0 (1, #threads: 3)\nuclamp.min     :    1024\n"
		 "effective uclamp.min                         :                  300\n"
		 "effective uclamp.max                         :                 1024\n",
		 "1/sched");
	assert_int_equal(place_uclamp_effective(root, "1"), 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judges),
		tree_test(reads_the_clamp_in_force),
		cmocka_unit_test(leaves_an_inherited_realtime_policy),
	};

	return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}
