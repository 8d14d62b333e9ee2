// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "vmm/residual.h"

/* As Linux 6.1 writes it; -3000000 and 420 cycles in all. */
static const char text[] =
	"# event histogram\n#\n"
	"# trigger info: hist:keys=common_pid:vals=hitcount,delta:sort=hitcount:size=256 if delta < 0 "
	"&& (common_pid == 7100 || common_pid == 710) [active]\n#\n\n"
	"{ common_pid:        710 } hitcount:          5  delta: 18446744073709551115\n"
	"{ common_pid:       7100 } hitcount:       1500  delta: 18446744073706551616\n"
	"\nTotals:\n    Hits: 1505\n    Entries: 2\n    Dropped: 0\n\n\n"
	"# event histogram\n#\n"
	"# trigger info: hist:keys=common_pid:vals=hitcount,delta:sort=hitcount:size=256 if delta >= 0 "
	"&& (common_pid == 7100 || common_pid == 710) [active]\n#\n\n"
	"{ common_pid:       7100 } hitcount:          3  delta:        420\n"
	"\nTotals:\n    Hits: 3\n    Entries: 1\n    Dropped: 0\n";

static void parses(void **state)
{
	static const struct {
		const char *text;
		int tid;
		struct residual_counts want;
	} rows[] = {
		{ text, 7100, { 1500, 3000000, 3, 420 } },
		{ text, 710, { 5, 501, 0, 0 } },
		{ text, 71, { 0 } },
		{ "", 7100, { 0 } },
		{ "{ common_pid: 7100 } hitcount: 1", 7100, { 0 } }, /* cut */
		{ "{ common_pid: 7100 }\n{ common_pid: x", 7100, { 0 } },
		{ "\n\n#\n", 7100, { 0 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct residual_counts c = residual_parse(rows[i].text, rows[i].tid);

		assert_memory_equal(&c, &rows[i].want, sizeof(c));
	}
}

static void means(void **state)
{
	static const struct residual_counts from = { 500, 1000000, 3, 420 },
					    to = { 1500, 3000000, 3, 420 };
	_cleanup_json_ json_object *o = residual_json(&from, &to, 2000000);

	(void)state;
	assert_string_equal(
		json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN),
		"{\"early\":1000,\"early_mean_ns\":1000,\"late\":0,\"late_mean_ns\":null}");
}

static void harmless_when_closed(void **state)
{
	struct vcpuhist h = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(vcpuhist_read(&h, &e), 0);
	assert_null(h.text);
	vcpuhist_close(&h);
	vcpuhist_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(means),
		cmocka_unit_test(harmless_when_closed),
	};

	return cmocka_run_group_tests_name("residual", tests, NULL, NULL);
}
