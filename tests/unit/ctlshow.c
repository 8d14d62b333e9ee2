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

/* What a reply is as text. */
static char *shown(enum ctl_command command, const char *text)
{
	_cleanup_json_ json_object *reply = json_tokener_parse(text);
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);

	assert_non_null(f);
	assert_non_null(reply);
	ctlshow(command, reply, f);
	assert_int_equal(fclose(f), 0);
	return out;
}

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
		_cleanup_free_ char *out = NULL;
		char text[256];

		snprintf(text, sizeof(text), "{\"vcpus\":[{\"window\":%s}]}", rows[i].window);
		out = shown(CTL_STATS, text);
		if (!strstr(out, rows[i].line ? rows[i].line : "window of") ||
		    (!rows[i].line && strstr(out, "CPU lost")))
			fail_msg("row %zu: %s", i, out);
	}
}

static void tells_what_is_held_from_what_is_in_force(void **state)
{
	static const struct {
		const char *status, *line;
	} rows[] = {
		{ "{\"cpu_dma_latency_us\":7,\"cpu_dma_latency_held_us\":7}",
		  "\nCPUs leave idle states within 7 us: this run holds 7\n" },
		{ "{\"cpu_dma_latency_us\":2,\"cpu_dma_latency_held_us\":100}",
		  "\nCPUs leave idle states within 2 us: this run holds 100, another process less\n" },
		{ "{\"cpu_dma_latency_us\":null,\"cpu_dma_latency_held_us\":null}", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *out = shown(CTL_STATUS, rows[i].status);

		if (rows[i].line ? !strstr(out, rows[i].line) : !!strstr(out, "idle states"))
			fail_msg("row %zu: %s", i, out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_whom_the_cpu_was_lost_to),
		cmocka_unit_test(tells_what_is_held_from_what_is_in_force),
	};

	return cmocka_run_group_tests_name("ctlshow", tests, NULL, NULL);
}
