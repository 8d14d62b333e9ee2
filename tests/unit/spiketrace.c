// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cyclic/spiketrace.h"
#include "lib/json.h"

/* Thread 1000 + N measures on CPU N. */
static void threads(void **state)
{
	static const struct {
		const char *name;
		int listed, cpu;
		int want;
		const char *first; /* NULL: none */
	} rows[] = {
		{ "none is listed", 0, -1, 0, NULL },
		{ "none is listed, of one CPU", 0, 1, 0, NULL },
		{ "all", 3, -1, 3, "--thread=1001" },
		{ "as many as trace explain takes", 16, -1, 16, "--thread=1001" },
		{ "more", 17, -1, 0, NULL },
		{ "of one CPU", 3, 2, 1, "--thread=1002" },
		{ "of the last of many", 17, 17, 1, "--thread=1017" },
		{ "of one that has none", 3, 9, 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_object *list = json_object_new_array();
		struct run run = { .doc = json_object_new_object() };
		struct vmproc_argv a = { .n = 0 };

		json_object_object_add(run_section(&run, "inforce"), "threads", list);
		for (int cpu = 1; cpu <= rows[i].listed; cpu++) {
			json_object *t = json_object_new_object();

			json_set_int(t, "tid", 1000 + cpu);
			json_set_int(t, "cpu", cpu);
			json_object_array_add(list, t);
		}
		if (spiketrace_threads(&a, &run, rows[i].cpu) || a.n != rows[i].want ||
		    (rows[i].first && strcmp(a.argv[0], rows[i].first) != 0))
			fail_msg("%s: %d: %s", rows[i].name, a.n, a.n ? a.argv[0] : "");
		json_object_put(run.doc);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(threads) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
