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
#include "tests/unit/tree.h"

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

/* A doubt is a reason, too: each list holds it for itself. */
static void a_doubt_is_a_reason(void **state)
{
	static const char want[] = "[\"the clock is off by 7\",\"another\"]";
	struct err e = { 0 };
	struct run r;

	(void)state;
	assert_int_equal(run_create(&r, "doubt", "x", &e), 0);
	run_doubt(&r, "%s is off by %d", "the clock", 7);
	run_doubt(&r, "another");
	assert_int_equal(run_judge(&r, false), VERDICT_INCONCLUSIVE);
	assert_string_equal(
		json_object_to_json_string_ext(json_at(r.doc, "reasons"), JSON_C_TO_STRING_PLAIN),
		want);
	json_object_object_del(r.doc, "reasons");
	assert_string_equal(
		json_object_to_json_string_ext(json_at(r.doc, "doubts"), JSON_C_TO_STRING_PLAIN),
		want);
	run_close(&r);
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

/* What was there before stays, what had to be made goes, but for what is not ours. */
static void leaves_nothing_when_discarded(void **state)
{
	static const struct {
		const char *there, *out, *kept, *gone;
	} rows[] = {
		{ NULL, "new", ".", "new" },
		{ NULL, "no/such//dir/", ".", "no" },
		{ "empty1", "empty1", "empty1", NULL },
		{ "half", "half/way/there", "half", "half/way" },
		{ "busy/other", "busy/x/y", "busy/other", "busy/x" },
		{ "mine", "mine/x/./y", "mine", NULL },
		{ "up", "up/n/../y", "up", NULL },
		{ "linked", "link/n/y", "linked", NULL },
	};

	(void)state;
	assert_int_equal(symlink("linked", "link"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char path[PATH_MAX];
		struct err e = { 0 };
		struct run r;

		if (rows[i].there)
			assert_int_equal(file_mkdirs(rows[i].there, &e), 0);
		assert_int_equal(run_create(&r, rows[i].out, "x", &e), 0);
		assert_int_equal(mkdir(run_path(&r, "trace", path), 0755), 0);
		run_discard(&r);
		assert_true(file_exists(rows[i].kept));
		if (rows[i].gone)
			assert_false(file_exists(rows[i].gone));
		else
			assert_int_equal(rmdir(rows[i].kept), 0); /* empty, as it was */
		run_close(&r);
	}
}

/* Neither where it is not empty, nor where the last of its names is longer than a name may be. */
static void leaves_nothing_when_it_fails(void **state)
{
	char paths[][512] = { "halfway/n/../full", "halfway/n/" };
	size_t len = strlen(paths[1]);

	(void)state;
	memset(paths[1] + len, 'x', sizeof(paths[1]) - 1 - len);
	paths[1][sizeof(paths[1]) - 1] = '\0';
	assert_int_equal(file_mkdirs("halfway/full/of", &(struct err){ 0 }), 0);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct err e = { 0 };
		struct run r;

		assert_true(run_create(&r, paths[i], "x", &e) < 0);
		assert_false(file_exists("halfway/n"));
		assert_true(file_exists("halfway/full/of"));
	}
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
		cmocka_unit_test(a_doubt_is_a_reason),
		cmocka_unit_test(the_default_directory_tells_time_and_name),
		cmocka_unit_test(results_are_not_overwritten),
		cmocka_unit_test(leaves_nothing_when_discarded),
		cmocka_unit_test(leaves_nothing_when_it_fails),
		cmocka_unit_test(bad_names),
		cmocka_unit_test(bad_run_files),
		cmocka_unit_test(what_is_unknown_is_null),
	};

	return cmocka_run_group_tests(tests, tree_enter, tree_leave);
}
