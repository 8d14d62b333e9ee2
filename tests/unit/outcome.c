// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cyclic/outcome.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "tests/unit/tree.h"

/* Two CPUs at 1 ms; of what they should have served a tenth may lack, and what the break itself hid. */
static void samples(void **state)
{
	static const struct {
		const char *name;
		uint64_t late_ms; /* of the wake-up at which CPU 1 broke off; 0: it did not */
		bool interrupted, smoke;
		int64_t samples[2], expected[2]; /* -1: not known */
		bool doubt;
	} rows[] = {
		{ "whole", 0, false, false, { 1000, 1000 }, { 1000, 1000 }, false },
		{ "a tenth lacks", 0, false, false, { 900, 1000 }, { 1000, 1000 }, false },
		{ "more than that", 0, false, false, { 899, 1000 }, { 1000, 1000 }, true },
		{ "which smoke does not mind", 0, false, true, { 899, 1 }, { 1000, 1000 }, false },
		{ "none at all, which it does", 0, false, true, { 0, 1 }, { 1000, 1000 }, true },
		{ "the break hid it", 500, false, false, { 10, 10 }, { 510, 10 }, false },
		{ "and more was hidden before", 500, false, false, { 10, 99 }, { 599, 99 }, true },
		{ "on another CPU", 500, false, false, { 10, 10 }, { 510, 510 }, true },
		{ "nobody knows how much", 500, false, false, { 10, 10 }, { -1, 10 }, false },
		{ "at its first wake-up", 500, false, false, { 1, 0 }, { 501, 0 }, false },
		{ "one was to come", 500, false, false, { 1, 0 }, { 501, 1 }, true },
		{ "stopped by us", 0, true, false, { 0, 10 }, { 0, 10 }, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct ctopts o = { .instrument = GUEST_CYCLICTEST,
					  .interval_us = 1000,
					  .host = true,
					  .smoke = rows[i].smoke };
		const struct gathered g = {
			.o = &o,
			.interrupted = rows[i].interrupted,
			.broke = { .late_ns = rows[i].late_ms * (NSEC_PER_SEC / 1000), .cpu = 1 },
		};
		char name[128];
		struct err e = { 0 };
		struct run run;

		snprintf(name, sizeof(name), "%s/%zu", root, i);
		assert_int_equal(run_create(&run, name, "test", &e), 0);
		for (int cpu = 1; cpu <= 2; cpu++) {
			const struct run_cpu c = { .cpu = cpu,
						   .host_cpu = cpu,
						   .instrument = "cyclictest",
						   .expected = rows[i].expected[cpu - 1],
						   .missed = -1 };
			_cleanup_free_ struct hist *h = malloc(sizeof(*h));

			assert_non_null(h);
			hist_init(h);
			hist_add_n(h, 3000, rows[i].samples[cpu - 1]);
			run_add_cpu(&run, &c, h);
		}
		outcome_judge(&run, &g);
		if (!json_at(run.doc, "doubts") == rows[i].doubt)
			fail_msg("%s: %s", rows[i].name,
				 json_object_to_json_string(json_at(run.doc, "reasons")));
		run_close(&run);
	}
}

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
		json_set_bool(run_section(&run, "asked"), "smoke", rows[i].smoke);
		if (rows[i].late_ns) /* as figures_take */
			json_set_bool(run.doc, "stopped_at_spike", true);
		v = outcome_judge(&run, &g);
		text = json_object_to_json_string(run.doc);
		if (v != rows[i].want || !strstr(text, "ended at a spike") == rows[i].told)
			fail_msg("row %zu: %s, %s", i, verdict_name(v), text);
		run_close(&run);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { tree_test(samples), cmocka_unit_test(broke_off) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
