// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "results/record.h"

static char dir[] = "/tmp/rtkvm-run-XXXXXX";

static int enter_dir(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	return chdir(dir);
}

static int remove_dir(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(chdir("/"), 0);
	return file_remove_tree(dir, &e);
}

static void a_run_is_whole_from_the_start(void **state)
{
	struct run r, again;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(run_create(&r, "one", "first-try", &e), 0);
	assert_int_equal(run_open(&again, "one", &e), 0); /* as after a crash now */
	assert_string_equal(json_str(again.doc, "verdict", ""), "incomplete");
	assert_null(json_at(again.doc, "ended"));
	assert_string_not_equal(json_str(again.doc, "host.kernel", ""), "");
	run_close(&again);
	run_reason(&r, "%d of %d", 1, 2);
	assert_int_equal(run_finish(&r, VERDICT_FAIL, &e), 0);
	run_close(&r);
	assert_int_equal(run_open(&again, "one", &e), 0);
	assert_string_equal(json_str(again.doc, "verdict", ""), "fail");
	assert_non_null(json_at(again.doc, "ended"));
	assert_string_equal(
		json_object_get_string(json_object_array_get_idx(json_at(again.doc, "reasons"), 0)),
		"1 of 2");
	run_close(&again);
}

static void the_default_directory_tells_time_and_name(void **state)
{
	struct run r;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(run_create(&r, NULL, "x", &e), 0);
	assert_non_null(strstr(r.dir, "/runs/20"));
	assert_string_equal(r.dir + strlen(r.dir) - 3, "Z-x");
	run_close(&r);
}

static void results_are_not_overwritten(void **state)
{
	struct run r;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(run_create(&r, "one", "x", &e), -EEXIST);
	run_close(&r);
}

static void bad_names(void **state)
{
	static const char *const names[] = { "", "a/b", "..", "-x", "a b", "\xff" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct run r;
		struct err e = { 0 };

		assert_int_equal(run_create(&r, "bad", names[i], &e), -EINVAL);
	}
	assert_false(file_exists("bad"));
}

static void bad_run_files(void **state)
{
	static const struct {
		const char *text, *message;
		int code;
	} cases[] = {
		{ "", "ends too early", -EINVAL },
		{ "{\"schema\":1", "ends too early", -EINVAL },
		{ "\x7f"
		  "ELF",
		  "byte 0", -EINVAL },
		{ "[]", "no \"schema\"", -EINVAL },
		{ "{\"schema\":2}", "newer", -EPROTONOSUPPORT },
		{ "{\"schema\":1,\"name\":3}", "\"name\" is missing or not string", -EINVAL },
	};

	(void)state;
	assert_int_equal(mkdir("broken", 0755), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct run r;
		struct err e = { 0 };

		assert_int_equal(
			file_replace("broken/run.json", cases[i].text, strlen(cases[i].text), &e),
			0);
		assert_int_equal(run_open(&r, "broken", &e), cases[i].code);
		assert_non_null(strstr(e.text, cases[i].message));
		assert_non_null(strstr(e.text, "broken/run.json"));
	}
}

/* A run of one CPU with one limit, judged under given conditions. */
static void judging(void **state)
{
	static const struct {
		const char *conditions, *what;
		uint64_t limit_ns;
		bool smoke;
		enum verdict want;
	} cases[] = {
		{ "hardware", "max_ns", 50000, false, VERDICT_PASS },
		{ "hardware", "max_ns", 49999, false, VERDICT_FAIL },
		{ "hardware", "p99_ns", 20000, false, VERDICT_PASS },
		{ "hardware", "p99_ns", 4000, false, VERDICT_FAIL },
		{ "hardware", "p99.9999_ns", 90000, false, VERDICT_INCONCLUSIVE },
		{ "hardware", "p98_ns", 90000, false, VERDICT_INCONCLUSIVE },
		{ "emulated", "max_ns", 50000, false, VERDICT_INCONCLUSIVE },
		{ "emulated", "max_ns", 1, false, VERDICT_INCONCLUSIVE },
		{ "nested", "max_ns", 50000, false, VERDICT_INCONCLUSIVE },
		{ "emulated", "max_ns", 50000, true, VERDICT_PASS },
		{ "emulated", "max_ns", 1, true, VERDICT_FAIL },
	};
	struct hist h;

	(void)state;
	hist_init(&h);
	hist_add_n(&h, 5000, 9999);
	hist_add(&h, 50000);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct run_cpu c = { .cpu = 3,
				     .host_cpu = -1,
				     .instrument = "cyclictest",
				     .expected = 10000,
				     .missed = -1 };
		char name[32];
		struct run r;
		struct err e = { 0 };

		snprintf(name, sizeof(name), "judge-%zu", i);
		assert_int_equal(run_create(&r, name, name, &e), 0);
		json_set_str(r.doc, "conditions", cases[i].conditions);
		run_add_cpu(&r, &c, &h);
		run_add_limit(&r, cases[i].what, cases[i].limit_ns);
		assert_int_equal(run_judge(&r, cases[i].smoke), cases[i].want);
		if (cases[i].want != VERDICT_PASS)
			assert_true(json_object_array_length(json_at(r.doc, "reasons")) > 0);
		run_close(&r);
	}
}

/* An instrument that records from a threshold on tells by recording nothing that a limit was kept. */
static void no_sample_can_be_an_answer(void **state)
{
	static const struct {
		const char *what;
		uint64_t none_from_ns, limit_ns;
		enum verdict want;
	} cases[] = {
		{ "max_ns", 10000, 10000, VERDICT_PASS },
		{ "max_ns", 10000, 50000, VERDICT_PASS },
		{ "max_ns", 10000, 9999, VERDICT_INCONCLUSIVE },
		{ "max_ns", 0, 50000, VERDICT_INCONCLUSIVE },
		{ "p99_ns", 10000, 50000, VERDICT_INCONCLUSIVE },
	};
	struct hist none;

	(void)state;
	hist_init(&none);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct run_cpu c = { .cpu = 3,
				     .host_cpu = 3,
				     .instrument = "hwlat",
				     .none_from_ns = cases[i].none_from_ns };
		bool pass = cases[i].want == VERDICT_PASS;
		struct err e = { 0 };
		char name[32];
		struct run r;

		snprintf(name, sizeof(name), "none-%zu", i);
		assert_int_equal(run_create(&r, name, name, &e), 0);
		json_set_str(r.doc, "conditions", "hardware");
		run_add_cpu(&r, &c, &none);
		run_add_limit(&r, cases[i].what, cases[i].limit_ns);
		assert_int_equal(run_judge(&r, false), cases[i].want);
		if (!strcmp(cases[i].what, "max_ns"))
			assert_int_equal(run_none_above(&r, "hwlat", 3, cases[i].limit_ns), pass);
		assert_false(run_none_above(&r, "hwlat", 4, 50000));
		assert_false(run_none_above(&r, "sampler", 3, 50000));
		run_close(&r);
	}
}

static void what_is_unknown_is_null(void **state)
{
	struct run_cpu c = {
		.cpu = 0, .host_cpu = -1, .instrument = "x", .expected = -1, .missed = -1
	};
	json_object *cpu;
	struct hist h;
	struct run r;
	struct err e = { 0 };

	(void)state;
	hist_init(&h);
	assert_int_equal(run_create(&r, "empty", "x", &e), 0);
	run_add_cpu(&r, &c, &h);
	hist_add_n(&h, 1300, 3);
	hist_add_n(&h, 1400, 1);
	run_add_cpu(&r, &c, &h);
	cpu = json_object_array_get_idx(json_at(r.doc, "cpus"), 0);
	assert_int_equal(json_int(cpu, "samples", -1), 0);
	assert_null(json_at(cpu, "min_ns"));
	assert_null(json_at(cpu, "mean_ns"));
	assert_null(json_at(cpu, "max_ns"));
	assert_null(json_at(cpu, "missed"));
	cpu = json_object_array_get_idx(json_at(r.doc, "cpus"), 1);
	assert_string_equal(json_object_to_json_string(json_at(cpu, "mean_ns")), "1325.0");
	assert_int_equal(json_object_object_length(json_at(cpu, "quantiles_ns")), 0);
	run_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_is_whole_from_the_start),
		cmocka_unit_test(the_default_directory_tells_time_and_name),
		cmocka_unit_test(results_are_not_overwritten),
		cmocka_unit_test(bad_names),
		cmocka_unit_test(bad_run_files),
		cmocka_unit_test(judging),
		cmocka_unit_test(no_sample_can_be_an_answer),
		cmocka_unit_test(what_is_unknown_is_null),
	};

	return cmocka_run_group_tests(tests, enter_dir, remove_dir);
}
