// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "tracing/count.h"

static const char exit_hist[] =
	"# event histogram\n#\n"
	"# trigger info: hist:keys=common_pid,isa,exit_reason:vals=hitcount:sort=hitcount:size=8192 "
	"if common_pid >= 2061 && common_pid <= 2062 [active]\n#\n\n"
	"{ common_pid:       2061, isa:          2, exit_reason:        120 } hitcount:         17\n"
	"{ common_pid:       2062, isa:          2, exit_reason:        124 } hitcount:     400000\n"
	"\nTotals:\n    Hits: 400020\n    Entries: 2\n    Dropped: 3\n";

static const char user_hist[] =
	"# event histogram\n#\n\n"
	"{ common_pid:       2061, reason:          2 } hitcount:          5\n"
	"\nTotals:\n    Hits: 5\n    Entries: 1\n    Dropped: 0\n";

static uint64_t hits(const struct counts *c, pid_t tid, enum reason_set set, uint32_t reason)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->rows[i].tid == tid && c->rows[i].set == set && c->rows[i].reason == reason)
			return c->rows[i].hits;
	return 0;
}

static void parse(void **state)
{
	struct counts c = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(counts_parse(&c, exit_hist, REASON_USERSPACE, &e), 0);
	assert_int_equal(counts_parse(&c, user_hist, REASON_USERSPACE, &e), 0);
	assert_int_equal(c.n, 3);
	assert_int_equal(hits(&c, 2061, REASON_SVM, 120), 17);
	assert_int_equal(hits(&c, 2062, REASON_SVM, 124), 400000);
	assert_int_equal(hits(&c, 2061, REASON_USERSPACE, 2), 5);
	assert_int_equal(c.lost, 3);
	counts_free(&c);
}

static void refuse(void **state)
{
	static const char *const bad[] = {
		"",
		"{ common_pid: 1, exit_reason: 2 } hitcount: 3\n", /* no totals: cut short */
		"{ common_pid: 1 } hitcount: 3\nDropped: 0\n",
		"{ common_pid: 1, exit_reason: 2 }\n    Dropped: 0\n",
		"{ common_pid: x, exit_reason: 2 } hitcount: 3\n    Dropped: 0\n",
		"{ xcommon_pid: 1, exit_reason: 2 } hitcount: 3\n    Dropped: 0\n",
		"{ common_pid: 1, exit_reason: 2 } hitcount:\n7\n    Dropped: 0\n",
		"{ common_pid: 1, exit_reason: 2 } hitcount: 99999999999999999999\n Dropped: 0\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct counts c = { 0 };
		struct err e = { 0 };

		assert_int_equal(counts_parse(&c, bad[i], REASON_VMX, &e), -EINVAL);
		assert_non_null(strstr(e.text, "histogram"));
		counts_free(&c);
	}
}

static void window(void **state)
{
	struct counts begin = { .lost = 1 }, end = { .lost = 4 };

	(void)state;
	assert_int_equal(counts_add(&begin, 7, REASON_VMX, 12, 10), 0);
	assert_int_equal(counts_add(&end, 7, REASON_VMX, 12, 10), 0);
	assert_int_equal(counts_add(&end, 7, REASON_VMX, 12, 5), 0);
	assert_int_equal(counts_add(&end, 8, REASON_VMX, 12, 2), 0); /* not seen at the begin */
	counts_subtract(&end, &begin);
	assert_int_equal(hits(&end, 7, REASON_VMX, 12), 5);
	assert_int_equal(hits(&end, 8, REASON_VMX, 12), 2);
	assert_int_equal(end.lost, 3);
	counts_free(&begin);
	counts_free(&end);
}

static void many(void **state)
{
	struct counts c = { 0 };

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(counts_add(&c, i % 500, REASON_SVM, 1, 1), 0);
	assert_int_equal(c.n, 500);
	assert_int_equal(hits(&c, 499, REASON_SVM, 1), 2);
	counts_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse),
		cmocka_unit_test(refuse),
		cmocka_unit_test(window),
		cmocka_unit_test(many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
