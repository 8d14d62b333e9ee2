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
#include "vmm/term.h"

static void escapes(void **state)
{
	static const struct {
		const char *in, *out;
		bool quit;
	} rows[] = {
		{ "ls\r", "ls\r", false },	   { "\x01x", "", true },
		{ "a\x01\x01x", "a\x01x", false }, { "\x01q", "q", false },
		{ "\x03", "\x03", false },	   { "", "", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (size_t piece = 1; piece <= 8; piece += 7) {
			struct term t = { .fd = -1 };
			size_t len = strlen(rows[i].in), used = 0;
			bool quit = false;
			uint8_t out[16];

			for (size_t at = 0; at < len; at += piece) {
				size_t n = len - at < piece ? len - at : piece;

				memcpy(out + used, rows[i].in + at, n);
				used += term_filter(&t, out + used, n, &quit);
			}
			assert_int_equal(used, strlen(rows[i].out));
			assert_memory_equal(out, rows[i].out, used);
			assert_int_equal(quit, rows[i].quit);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes),
	};

	return cmocka_run_group_tests_name("term", tests, NULL, NULL);
}
