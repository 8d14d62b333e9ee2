// SPDX-License-Identifier: GPL-2.0-only
#include "profiles/isolate.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"

/* n CPUs; cores of threads CPUs each, siblings half the machine apart; nodes of equal size */
static struct topology *machine(int n, int threads, int nodes, const char *fast)
{
	struct topology *t = calloc(1, sizeof(*t));
	struct err e = { 0 };
	int cores = n / threads;

	for (int cpu = 0; cpu < CPULIST_CPUS; cpu++)
		t->at[cpu] = (struct cpu_place){ -1, -1, -1 };
	for (int cpu = 0; cpu < n; cpu++) {
		int node = nodes ? cpu % cores / (cores / nodes) : -1;

		cpulist_add(&t->online, cpu);
		t->at[cpu].core = cpu % cores;
		t->at[cpu].node = nodes ? node * (cores / nodes) : -1;
	}
	if (fast)
		assert_int_equal(cpulist_parse(&t->performance, fast, &e), 0);
	return t;
}

static void check(void **state)
{
	static const struct {
		int n, threads, nodes;
		const char *list;
		const char *error; /* NULL: it may be isolated */
	} t[] = {
		{ 8, 1, 1, "2-7", NULL },
		{ 8, 1, 1, "1-7", NULL },
		{ 8, 1, 0, "7", NULL },
		{ 8, 1, 1, "0-3", "CPU 0" },
		{ 8, 1, 1, "0-7", "no housekeeping" },
		{ 8, 1, 1, "6-9", "CPU 8-9 is not online" },
		{ 8, 2, 1, "2-3", "share a core" },
		{ 8, 2, 1, "2-3,6-7", NULL },
		{ 8, 1, 2, "4-7", "no housekeeping CPU left" },
		{ 8, 1, 2, "2-3,5-7", NULL },
		{ 1, 1, 1, "0", "no housekeeping" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct topology *topo = machine(t[i].n, t[i].threads, t[i].nodes, NULL);
		struct cpulist l;
		struct err e = { 0 };

		assert_int_equal(cpulist_parse(&l, t[i].list, &e), 0);
		assert_int_equal(isolate_check(topo, &l, &e), t[i].error ? -EINVAL : 0);
		if (t[i].error && !strstr(e.text, t[i].error))
			fail_msg("%s: %s", t[i].list, e.text);
		free(topo);
	}
}

static void nothing_is_no_choice(void **state)
{
	struct topology *t = machine(4, 1, 1, NULL);
	struct cpulist none = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(isolate_check(t, &none, &e), -EINVAL);
	free(t);
}

static void automatic(void **state)
{
	static const struct {
		int n, threads, nodes;
		const char *fast, *expected; /* NULL: refused */
	} t[] = {
		{ 8, 1, 1, NULL, "1-7" },
		{ 8, 2, 1, NULL, "1-3,5-7" }, /* not CPU 0's other half */
		{ 8, 1, 2, NULL, "1-3,5-7" },
		{ 16, 2, 2, NULL, "1-3,5-7,9-11,13-15" },
		{ 8, 1, 0, NULL, "1-7" }, /* a kernel without nodes */
		{ 8, 1, 1, "0-3", "1-3" },
		{ 2, 1, 1, NULL, "1" },
		{ 2, 2, 1, NULL, NULL }, /* one core */
		{ 1, 1, 1, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct topology *topo = machine(t[i].n, t[i].threads, t[i].nodes, t[i].fast);
		struct cpulist got;
		struct err e = { 0 };
		char text[64];
		int ret = isolate_auto(topo, &got, &e);

		assert_int_equal(ret, t[i].expected ? 0 : -EINVAL);
		if (t[i].expected) {
			assert_string_equal(cpulist_format(&got, text, sizeof(text)),
					    t[i].expected);
			/* what is proposed is also accepted */
			assert_int_equal(isolate_check(topo, &got, &e), 0);
		}
		free(topo);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check),
		cmocka_unit_test(nothing_is_no_choice),
		cmocka_unit_test(automatic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
