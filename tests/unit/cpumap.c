// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/cpumap.h"

static void parses(void **state)
{
	static const struct {
		const char *in;
		int n, host[4];
	} rows[] = {
		{ "3", 1, { 3 } },
		{ "2-3", 2, { 2, 3 } },
		{ "5,2", 2, { 5, 2 } },
		{ "7,1-2,0", 4, { 7, 1, 2, 0 } },
		{ "0-7:1/4", 2, { 0, 4 } },
		{ "0:4", 1, { 4 } },
		{ "0:5,1:2", 2, { 5, 2 } },
		{ "2:1,0:7,1:3", 3, { 7, 3, 1 } },
		{ "0:7,1-3:2-4", 4, { 7, 2, 3, 4 } },
		{ "1-3:5-7,0-0:2-2", 4, { 2, 5, 6, 7 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		struct cpumap m;

		assert_int_equal(cpumap_parse(&m, rows[i].in, &e), 0);
		assert_int_equal(m.n, rows[i].n);
		for (int v = 0; v < m.n; v++)
			assert_int_equal(m.host[v], rows[i].host[v]);
	}
}

static void refuses(void **state)
{
	static const struct {
		const char *in, *why;
	} rows[] = {
		{ "", "empty" },
		{ "x", "missing" },
		{ "0:", "no valid host CPU" },
		{ ":1", "pairs" },
		{ "0:1,", "pairs" },
		{ "0:1,0:2", "twice" },
		{ "0:1,1:1", "two vCPUs" },
		{ "0:1,2:3", "vCPU 1 is missing" },
		{ "1:1", "vCPU 0 is missing" },
		{ "0:1 1:2", "unexpected" },
		{ "0:4096", "no valid host CPU" },
		{ "128:1", "at most 128" },
		{ "99999999999:1", "at most 128" },
		{ "0:+1", "no valid host CPU" },
		{ "0-200", "at most 128" },
		{ "4-2", "backwards" },
		{ "0,0", "CPU 0 carries two vCPUs" },
		{ "1-3,2", "CPU 2 carries two vCPUs" },
		{ "1,", "missing" },
		{ "0-3:1-3", "4 vCPUs from 0 on have 3 CPUs" },
		{ "0-3:1", "4 vCPUs from 0 on have 1 CPUs" },
		{ "0:1,1-2:1-2", "CPU 1 carries two" },
		{ "0-1:1-2,1-2:3-4", "vCPU 1 is given twice" },
		{ "3-0:0-3", "pairs" },
		{ "0-3:7-4", "no valid host CPU" },
		{ "0-128:0-128", "at most 128" },
		{ "0-:1", "pairs" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		struct cpumap m;

		assert_int_equal(cpumap_parse(&m, rows[i].in, &e), -EINVAL);
		if (!strstr(e.text, rows[i].why))
			fail_msg("\"%s\": %s", rows[i].in, e.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests_name("cpumap", tests, NULL, NULL);
}
