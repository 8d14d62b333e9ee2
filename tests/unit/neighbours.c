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

#include "tests/unit/tree.h"
#include "vmm/neighbours.h"

static void thread(int pid, int tid, const char *name, int cpu, const char *schedstat)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "%d (%s) S", tid, name);

	for (int field = 4; field <= 41; field++)
		n += snprintf(text + n, sizeof(text) - n, " %d", field == 39 ? cpu : 0);
	tree_put(text, "%d/task/%d/stat", pid, tid);
	tree_put(schedstat, "%d/task/%d/schedstat", pid, tid);
}

static void own_runs(const struct neighbours *before, const struct neighbours *after)
{
	static const struct helpers none, two = { 2, { { .tid = 20 }, { .tid = 600 } } };
	const struct {
		const struct helpers *helpers;
		int cpu;
		pid_t tid, pid;
		int64_t want;
	} t[] = {
		{ &none, 3, 300, 300, 1 }, /* thread 301 had moved there */
		{ &none, 3, 301, 300, 0 }, /* a vCPU's own thread */
		{ &two, 3, 301, 300, 4 }, /* and the kernel's for it */
		{ &none, 1, 301, 300, 4 }, { &none, 3, 700, 700, 0 }, { &two, 2, 300, 300, 0 },
	};
	static const struct neighbours empty;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_int_equal(neighbours_own_runs(before, after, t[i].cpu, t[i].tid, t[i].pid,
						     t[i].helpers),
				 t[i].want);
	assert_int_equal(neighbours_own_runs(&empty, after, 3, 300, 300, &none), -1);
	assert_int_equal(neighbours_own_runs(before, &empty, 3, 300, 300, &none), -1);
}

static void tells_who_ran(void **state)
{
	struct neighbours before = { 0 }, after = { 0 };
	struct neighbour n;
	struct err e = { 0 };
	size_t at = 0;

	(void)state;
	assert_int_equal(neighbours_reserve(&before, "/proc", &e), 0);
	assert_true(before.room > 256);
	thread(20, 20, "ksoftirqd/3", 3, "1000 5 10\n");
	thread(21, 21, "idle one", 3, "1000 5 10\n");
	thread(300, 300, "sh) (x", 1, "500 0 5\n");
	thread(300, 301, "moved", 1, "500 0 5\n");
	thread(400, 400, "reused", 3, "900 0 90\n");
	tree_put("garbage", "500/task/500/stat");
	assert_int_equal(neighbours_read(&before, root, &e), 0);
	assert_int_equal(before.n, 5);
	thread(20, 20, "ksoftirqd/3", 3, "1700 5 12\n");
	thread(300, 300, "sh) (x", 1, "900 0 9\n");
	thread(300, 301, "moved", 3, "600 0 6\n");
	thread(400, 400, "reused", 3, "100 0 1\n");
	thread(600, 600, "new", 3, "50 0 2\n");
	assert_int_equal(neighbours_read(&after, root, &e), 0);

	assert_true(neighbours_next(&before, &after, 3, &at, &n));
	assert_string_equal(n.name, "ksoftirqd/3");
	assert_int_equal(n.runs, 2);
	assert_int_equal(n.run_ns, 700);
	assert_true(neighbours_next(&before, &after, 3, &at, &n));
	assert_string_equal(n.name, "moved");
	assert_int_equal(n.runs, 1);
	assert_true(neighbours_next(&before, &after, 3, &at, &n));
	assert_string_equal(n.name, "reused");
	assert_int_equal(n.runs, 1);
	assert_true(neighbours_next(&before, &after, 3, &at, &n));
	assert_string_equal(n.name, "new");
	assert_int_equal(n.runs, 2);
	assert_false(neighbours_next(&before, &after, 3, &at, &n));
	at = 0;
	assert_true(neighbours_next(&before, &after, 1, &at, &n));
	assert_string_equal(n.name, "sh) (x");
	assert_false(neighbours_next(&before, &after, 1, &at, &n));
	own_runs(&before, &after);
	neighbours_free(&before);
	neighbours_free(&after);
	neighbours_free(&after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(tells_who_ran),
	};

	return cmocka_run_group_tests_name("neighbours", tests, NULL, NULL);
}
