// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "vmm/ctlshow.h"

/* The line that says whom the vCPU lost its CPU to; NULL: there must be none. */
static void tells_whom_the_cpu_was_lost_to(void **state)
{
	static const struct {
		const char *window, *line;
	} rows[] = {
		{ "{\"involuntary_switches\":3,\"preempted_by\":null}", NULL },
		{ "{\"involuntary_switches\":0,\"preempted_by\":[],\"preempted_by_others\":0}",
		  "CPU lost to: nobody\n" },
		{ "{\"involuntary_switches\":3,\"preempted_by\":[],\"preempted_by_others\":3}",
		  "CPU lost to: others 3\n" },
		{ "{\"involuntary_switches\":3,\"preempted_by_others\":1,"
		  "\"preempted_by\":[{\"tid\":3,\"name\":\"rcuc/3\",\"times\":2}]}",
		  "CPU lost to: rcuc/3 2 others 1\n" },
		{ "{\"involuntary_switches\":2,\"preempted_by_others\":0,"
		  "\"preempted_by\":[{\"tid\":3,\"name\":\"a\\n\\u001b[2J\",\"times\":2}]}",
		  "CPU lost to: a??[2J 2\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_json_ json_object *reply = NULL;
		_cleanup_free_ char *out = NULL;
		char text[256];
		size_t len;
		FILE *f = open_memstream(&out, &len);

		assert_non_null(f);
		snprintf(text, sizeof(text), "{\"vcpus\":[{\"window\":%s}]}", rows[i].window);
		reply = json_tokener_parse(text);
		assert_non_null(reply);
		ctlshow(CTL_STATS, reply, f);
		assert_int_equal(fclose(f), 0);
		if (!strstr(out, rows[i].line ? rows[i].line : "window of") ||
		    (!rows[i].line && strstr(out, "CPU lost")))
			fail_msg("row %zu: %s", i, out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_whom_the_cpu_was_lost_to),
	};

	return cmocka_run_group_tests_name("ctlshow", tests, NULL, NULL);
}
