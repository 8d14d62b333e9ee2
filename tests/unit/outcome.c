// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cyclic/outcome.h"
#include "lib/cleanup.h"
#include "lib/json.h"

/* A cyclictest that breaks off at a spike below its limit says nothing of the time it was asked for. */
static void broke_off(void **state)
{
	static const struct {
		uint64_t late_ns, max_ns, limit_ns;
		bool smoke;
		enum verdict want;
		bool told;
	} rows[] = {
		{ 0, 30000, 200000, false, VERDICT_PASS, false },
		{ 100000, 100000, 200000, false, VERDICT_INCOMPLETE, true },
		{ 100000, 100000, 200000, true, VERDICT_PASS, false },
		{ 100000, 100000, 50000, false, VERDICT_FAIL, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct ctopts o = { .instrument = GUEST_CYCLICTEST,
					  .smoke = rows[i].smoke,
					  .host = true };
		const struct gathered g = { .o = &o, .broke.late_ns = rows[i].late_ns };
		struct run_cpu cpu = { .cpu = 1, .instrument = "cyclictest", .expected = 100 };
		struct run run = { .doc = json_tokener_parse(
					   "{\"conditions\":\"hardware\",\"limits\":[],"
					   "\"cpus\":[],\"reasons\":[]}") };
		const char *text;
		enum verdict v;
		struct hist h;

		hist_init(&h);
		for (int k = 0; k < 99; k++)
			hist_add(&h, 3000);
		hist_add(&h, rows[i].max_ns);
		run_add_cpu(&run, &cpu, &h);
		run_add_limit(&run, "max_ns", rows[i].limit_ns);
		v = outcome_judge(&run, &g);
		text = json_object_to_json_string(run.doc);
		if (v != rows[i].want || !strstr(text, "ended at a spike") == rows[i].told)
			fail_msg("row %zu: %s, %s", i, verdict_name(v), text);
		run_close(&run);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broke_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
