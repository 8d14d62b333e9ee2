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
#include "vmm/panic.h"

static void recognises(void **state)
{
	static const struct {
		const char *text, *reason;
		bool seen, over;
	} rows[] = {
		{ "hello\n", "", false, false },
		{ "[ 1.0] Kernel panic - not syncing: Attempted to kill init!\n",
		  "Attempted to kill init!", true, false },
		{ "Kernel panic - not syncing: VFS\r\nCPU: 0\r\n---[ end Kernel panic - not syncing: VFS ]---\r\n",
		  "VFS", true, true },
		{ "Kernel panic - not sync\ning: x\n", "", false, false },
		{ "---[ end Kernel panic - not syncing: VFS ]---\n", "", false, false },
		{ "Kernel panic - not syncing: first\nKernel panic - not syncing: second\n",
		  "first", true, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (size_t piece = 1; piece < 40; piece += 6) {
			struct panic_watch p = { .used = 0 };
			size_t len = strlen(rows[i].text);

			for (size_t at = 0; at < len; at += piece)
				panic_feed(&p, rows[i].text + at,
					   len - at < piece ? len - at : piece);
			assert_int_equal(p.seen, rows[i].seen);
			assert_int_equal(p.over, rows[i].over);
			assert_string_equal(p.reason, rows[i].reason);
		}
}

static void endless_lines_are_cut(void **state)
{
	struct panic_watch p = { .used = 0 };

	(void)state;
	for (int i = 0; i < 10000; i++)
		panic_feed(&p, "x", 1);
	panic_feed(&p, "\nKernel panic - not syncing: still seen\n", 40);
	assert_true(p.seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recognises),
		cmocka_unit_test(endless_lines_are_cut),
	};

	return cmocka_run_group_tests_name("panic", tests, NULL, NULL);
}
