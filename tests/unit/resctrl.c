// SPDX-License-Identifier: GPL-2.0-only
#include "profiles/resctrl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"

static void test_ways(void **state)
{
	static const struct {
		uint64_t full;
		unsigned int ways, min;
		uint64_t ours, others; /* ours 0: refused */
	} t[] = {
		{ 0x7ff, 4, 1, 0x780, 0x07f },
		{ 0xfffff, 1, 1, 0x80000, 0x7ffff },
		{ 0xf, 3, 1, 0xe, 0x1 },
		{ 0xf, 4, 1, 0, 0 },
		{ 0xff, 1, 2, 0, 0 },
		{ 0xff, 7, 2, 0, 0 },
		{ 0xff, 6, 2, 0xfc, 0x03 },
		{ 0, 1, 1, 0, 0 },
		{ 0xff, 0, 1, 0, 0 },
		{ 0xff, 63, 1, 0, 0 },
		{ UINT64_MAX, 63, 1, ~1ull, 0x1 },
		{ 0xff, 1, 0, 0x80, 0x7f },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct err e = { 0 };
		uint64_t ours = 0, others = 0;
		int ret = resctrl_ways(t[i].full, t[i].ways, t[i].min, &ours, &others, &e);

		assert_int_equal(!ret, t[i].ours != 0);
		if (ret)
			continue;
		assert_int_equal(ours, t[i].ours);
		assert_int_equal(others, t[i].others);
	}
}

static const char schemata[] = "    MB:0=100;1=100\n    L3:0=7ff;1=7ff\n";

static void test_line(void **state)
{
	static const struct {
		const char *text, *resource;
		uint64_t value;
		int hex;
		const char *line; /* NULL: refused */
	} t[] = {
		{ schemata, "L3", 0x780, 1, "L3:0=780;1=780" },
		{ schemata, "MB", 50, 0, "MB:0=50;1=50" },
		{ schemata, "L2", 1, 1, NULL },
		{ "L3:0=f", "L3", 3, 1, "L3:0=3" },
		{ "L3CODE:0=f\nL3DATA:0=f\n", "L3", 3, 1, NULL },
		{ "L3:", "L3", 3, 1, NULL },
		{ "L3:0", "L3", 3, 1, NULL },
		{ "L3:x=1", "L3", 3, 1, NULL },
		{ "", "L3", 3, 1, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		char buf[64];
		char *line = resctrl_line(t[i].text, t[i].resource, t[i].value, t[i].hex, buf,
					  sizeof(buf));

		if (t[i].line)
			assert_string_equal(line, t[i].line);
		else
			assert_null(line);
	}
}

static void test_line_too_long(void **state)
{
	char buf[8];

	(void)state;
	assert_null(resctrl_line(schemata, "L3", 0x7ff, 1, buf, sizeof(buf)));
}

static void test_holds(void **state)
{
	static const struct {
		const char *line;
		int holds;
	} t[] = {
		{ "L3:0=7ff;1=7ff", 1 }, { "L3:0=07ff;1=7FF", 1 }, { "MB:0=100;1=100", 1 },
		{ "L3:0=7ff;1=7fe", 0 }, { "L3:0=7ff", 0 },	   { "L3:0=7ff;1=7ff;2=7ff", 0 },
		{ "L2:0=7ff;1=7ff", 0 }, { "MB:0=100;2=100", 0 },  { "L3", 0 },
		{ "L3:0", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		assert_int_equal(resctrl_holds(schemata, t[i].line), t[i].holds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ways),
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_line_too_long),
		cmocka_unit_test(test_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
