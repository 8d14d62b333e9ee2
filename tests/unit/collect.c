// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cyclic/collect.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "tests/unit/cpus.h"
#include "tests/unit/tree.h"

/* Those that came too fast for the sampler to hand over are spikes, too. */
static void tells_how_many_are_listed(void **state)
{
	static const struct {
		uint64_t taken, lost;
		const char *reasons;
	} rows[] = {
		{ 2, 0, "[]" },
		{ 2, 3, "[\"spikes.jsonl lists 2 of 5 spikes\"]" },
	};
	struct cpulist cpus = cpus_of("1");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct loop_spike spike = { .mono_ns = 5, .late_ns = 9 };
		struct err e = { 0 };
		struct collect c;
		struct run run;
		char name[16];

		snprintf(name, sizeof(name), "listed-%zu", i);
		assert_int_equal(run_create(&run, name, name, &e), 0);
		assert_int_equal(collect_open(&c, &run, "sample", &cpus, 1000000, &e), 0);
		for (uint64_t k = 0; k < rows[i].taken; k++)
			assert_int_equal(collect_spike(&c, 0, &spike, 0, &e), 0);
		c.n_spikes += rows[i].lost;
		assert_int_equal(collect_close(&c, &e), 0);
		collect_free(&c);
		assert_int_equal(json_int(run.doc, "spikes", 0), rows[i].taken + rows[i].lost);
		assert_string_equal(json_object_to_json_string_ext(json_at(run.doc, "reasons"),
								   JSON_C_TO_STRING_PLAIN),
				    rows[i].reasons);
		run_close(&run);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_how_many_are_listed),
	};

	return cmocka_run_group_tests(tests, tree_enter, tree_leave);
}
