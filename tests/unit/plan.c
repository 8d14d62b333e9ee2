// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "hwlat/plan.h"
#include "lib/cleanup.h"
#include "tests/unit/cpus.h"

static int plan(const char *online, const char *isolated, const char *cpus, const char *house,
		struct plan *p, struct err *e)
{
	struct plan_machine m = { cpus_of(online), cpus_of("0-7"), cpus_of(isolated) };
	struct hwlat_opts o = { .cpus_given = *cpus,
				.cpus = cpus_of(cpus),
				.housekeeping_given = *house,
				.housekeeping = cpus_of(house) };

	return plan_make(p, &m, &o, e);
}

static void plans(void **state)
{
	static const struct {
		const char *online, *isolated, *cpus, *house, *watched, *housekeeping;
	} rows[] = {
		{ "0-3", "2-3", "", "", "2-3", "0-1" },
		{ "0-3", "2-3", "1", "", "1", "0" }, /* not on other isolated CPUs */
		{ "0-3", "1-3", "0", "", "0", "1-3" }, /* unless there are no others */
		{ "0-3", "", "1-3", "", "1-3", "0" },
		{ "0-3", "", "3", "1", "3", "1" },
		{ "0-1,3", "2-3", "", "", "3", "0-1" }, /* 2 is isolated and offline */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		struct plan p;
		char buf[64];

		assert_int_equal(
			plan(rows[i].online, rows[i].isolated, rows[i].cpus, rows[i].house, &p, &e),
			0);
		assert_string_equal(cpulist_format(&p.watched, buf, sizeof(buf)), rows[i].watched);
		assert_string_equal(cpulist_format(&p.housekeeping, buf, sizeof(buf)),
				    rows[i].housekeeping);
	}
}

static void refuses(void **state)
{
	static const struct {
		const char *online, *isolated, *cpus, *house, *says;
	} rows[] = {
		{ "0-3", "", "", "", "no CPU is isolated" },
		{ "0-3", "", "0-3", "", "would hang the machine" },
		{ "0", "", "0", "", "would hang the machine" },
		{ "0-2", "", "0-2", "", "would hang the machine" }, /* 3 is offline */
		{ "0-2", "", "3", "", "CPU 3 is offline; online are 0-2" },
		{ "0-3", "", "3,9", "", "no CPU 9" },
		{ "0-3", "", "3", "3", "--housekeeping" },
		{ "0-2", "", "2", "3", "--housekeeping" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		struct plan p;

		assert_int_equal(
			plan(rows[i].online, rows[i].isolated, rows[i].cpus, rows[i].house, &p, &e),
			-EINVAL);
		assert_non_null(strstr(e.text, rows[i].says));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plans),
		cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
