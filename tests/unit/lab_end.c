// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "guests/lab_session.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "tests/unit/tree.h"

#define PANIC "[    9.1] Kernel panic - not syncing: sysrq triggered crash\r\n"
#define CLOSE "[    9.9] ---[ end Kernel panic - not syncing: sysrq triggered crash ]---\r\n"
#define BUG   "[    9.0] BUG: TASK stack guard page was hit at 00000000deadbeef\r\n"
#define OOPS  "[    9.0] Oops: 0000 [#1] PREEMPT_RT SMP NOPTI\r\n"
#define LINE  "[    9.2]  a line of its call trace\r\n"

/* What is shown of: before lines, between, lines, after. */
static char *shown(const char *between, size_t before, size_t lines, const char *after)
{
	_cleanup_free_ char *text = NULL;
	char *out = NULL;
	size_t text_len = 0, out_len = 0;
	FILE *f = open_memstream(&text, &text_len);

	while (before--)
		fputs("[    1.0] booting\r\n", f);
	fputs(between, f);
	while (lines--)
		fputs(LINE, f);
	fputs(after, f);
	fclose(f);
	f = open_memstream(&out, &out_len);
	lab_console_end(text, text_len, f);
	fclose(f);
	return out;
}

static void begins_at_the_panic(void **state)
{
	static const struct {
		const char *between;
		size_t before, lines;
		const char *after, *begin;
		size_t least, most; /* bytes */
	} rows[] = {
		/* a short console is shown whole */
		{ "", 0, 0, "", "", 0, 0 },
		{ "", 1, 0, "no newline", "[    1.0] booting\r\nno newline\n", 30, 30 },
		{ PANIC, 2, 3, "", "[    1.0] booting\r\n[    1.0]", 150, 300 },
		/* a long one from a line's begin; a panic in its end changes nothing */
		{ "", 0, 1000, "", LINE, 2900, 3000 },
		{ PANIC, 1000, 3, "", "[    1.0] booting", 2900, 3000 },
		{ "", 0, 1000, PANIC, LINE, 2900, 3000 },
		/* the panic comes earlier; its closing line is not taken for it */
		{ PANIC, 1000, 100, "", PANIC LINE, 3000, 16 << 10 },
		{ PANIC, 1000, 100, CLOSE, PANIC LINE, 3000, 16 << 10 },
		{ PANIC, 0, 400, "", PANIC LINE, 3000, 16 << 10 },
		{ CLOSE, 0, 100, "", CLOSE LINE, 3000, 16 << 10 },
		/* and so does what led to it, if it can be shown with it */
		{ BUG LINE OOPS PANIC, 9, 100, "", BUG LINE OOPS PANIC LINE, 3000, 16 << 10 },
		{ OOPS, 1000, 100, PANIC, OOPS LINE, 3000, 16 << 10 },
		{ "[    9.0] kernel BUG at mm/slub.c:1!\r\n" OOPS, 1000, 100, PANIC,
		  "[    9.0] kernel BUG at ", 3000, 16 << 10 },
		{ OOPS, 1000, 1000, PANIC, LINE, 2900, 3000 },
		/* too much after the first fault, not after the second */
		{ BUG LINE OOPS LINE, 9, 436, PANIC CLOSE, OOPS LINE, 16000, 16 << 10 },
		{ OOPS, 1000, 440, PANIC CLOSE, LINE, 2900, 3000 },
		/* the last of two */
		{ PANIC LINE "[    9.3] Kernel panic - not syncing: again\r\n", 9, 100, "",
		  "[    9.3] Kernel panic - not syncing: again\r\n" LINE, 3000, 16 << 10 },
		/* too much in between: its line, and the end */
		{ PANIC, 9, 1000, CLOSE,
		  "[    9.1] Kernel panic - not syncing: sysrq triggered crash\n[...]\n" LINE, 2900,
		  3100 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *got =
			shown(rows[i].between, rows[i].before, rows[i].lines, rows[i].after);
		size_t len = strlen(got);

		if (strncmp(got, rows[i].begin, strlen(rows[i].begin)))
			fail_msg("row %zu begins with %.100s", i, got);
		if (len < rows[i].least || len > rows[i].most)
			fail_msg("row %zu: %zu bytes", i, len);
	}
}

/* What a machine writes there is its own affair: no line end at all, NULs, half a panic. */
static void takes_any_bytes(void **state)
{
	static char text[20001];
	_cleanup_free_ char *out = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);

	(void)state;
	memset(text, 'x', 20000);
	lab_console_end(text, 20000, f);
	fflush(f);
	assert_int_equal(len, 3000 + 1);
	memcpy(text + 100, "Kernel panic - not syncing", 26);
	lab_console_end(text, 20000, f);
	fflush(f);
	assert_int_equal(len, 3001 + 500 + 7 + 3001);
	memset(text, 0, 20000);
	memcpy(text + 19990, "Kernel pan", 10);
	lab_console_end(text, 20000, f);
	fflush(f);
	assert_int_equal(len, 3001 + 500 + 7 + 3001 + 3001);
	memcpy(text, "BUG: ", 5);
	memcpy(text + 9000, "Kernel panic - not syncing", 26);
	lab_console_end(text, 10000, f);
	fclose(f);
	assert_int_equal(len, 3001 + 500 + 7 + 3001 + 3001 + 10001);
}

/* A machine that panics and hangs on its way out has panicked: another is only for who asked for that. */
static void a_panic_is_no_hang(void **state)
{
	static const struct {
		const char *console;
		bool ready, silent, retry_panic;
		int code;
		const char *says;
	} rows[] = {
		{ LINE, false, false, false, -EHOSTDOWN,
		  "the lab did not start the command within 180 s (--boot-timeout); is its kernel "
		  "command line right?" },
		{ PANIC, false, false, false, -EIO,
		  "the lab did not start the command within 180 s (--boot-timeout): kernel panic: "
		  "sysrq triggered crash" },
		{ PANIC, false, false, true, -EHOSTDOWN, "(--boot-timeout): kernel panic" },
		{ LINE, true, true, false, -EHOSTDOWN,
		  "the emulated host hung: no sign of life for 60 s (--silence); run it again, or "
		  "with --tries" },
		{ PANIC LINE, true, true, false, -EIO, "(--silence): kernel panic: sysrq" },
		{ PANIC LINE, true, true, true, -EHOSTDOWN, "(--silence): kernel panic: sysrq" },
		{ PANIC, true, false, true, -ETIMEDOUT,
		  "the command in the lab did not end within 10 s (--timeout)" },
	};
	struct lab_options o = {
		.boot_timeout_ns = 180 * NSEC_PER_SEC,
		.silence_ns = 60 * NSEC_PER_SEC,
		.timeout_ns = 10 * NSEC_PER_SEC,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct session s = { .o = &o };
		struct progress p = { .ready = rows[i].ready };
		struct err e = { 0 };

		o.retry_panic = rows[i].retry_panic;
		p.deadline_ns = rows[i].silent ? UINT64_MAX : 0;
		snprintf(s.console, sizeof(s.console), "%s/console", root);
		tree_put(rows[i].console, "console");
		assert_int_equal(lab_timed_out(&s, &p, &e), rows[i].code);
		if (!strstr(e.text, rows[i].says))
			fail_msg("row %zu: %s", i, e.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(a_panic_is_no_hang),
		cmocka_unit_test(begins_at_the_panic),
		cmocka_unit_test(takes_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
