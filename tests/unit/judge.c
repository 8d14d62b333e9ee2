// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "results/record.h"
#include "tests/unit/tree.h"

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

static const struct known {
	const char *name, *doc; /* beside 50 us, at most */
	bool smoke;
	enum verdict narrow, wide; /* limits */
	const char *reasons; /* after the wide one */
} known[] = {
	{ "nothing", "", false, VERDICT_FAIL, VERDICT_PASS, "" },
	{ "a doubt", "'doubts':['the load was dead'],'reasons':['the load was dead']", false,
	  VERDICT_FAIL, VERDICT_INCONCLUSIVE, "'the load was dead'" },
	{ "which smoke keeps", "'doubts':['d'],'reasons':['a','d','b']", true, VERDICT_FAIL,
	  VERDICT_INCONCLUSIVE, "'a','d','b'" },
	{ "a shortfall", "'shortfalls':['it died'],'reasons':['it died']", true, VERDICT_FAIL,
	  VERDICT_INCOMPLETE, "'it died'" },
	{ "interrupted", "'interrupted':true", true, VERDICT_FAIL, VERDICT_INCOMPLETE,
	  "'interrupted before its time was over; what was measured counts'" },
	{ "not interrupted", "'interrupted':false", true, VERDICT_FAIL, VERDICT_PASS, "" },
	{ "interrupted, and doubted", "'interrupted':true,'doubts':['d'],'reasons':['d']", false,
	  VERDICT_FAIL, VERDICT_INCOMPLETE,
	  "'d','interrupted before its time was over; what was measured counts'" },
	{ "stopped", "'stopped_at_spike':true", false, VERDICT_FAIL, VERDICT_INCOMPLETE,
	  "'ended at a spike before its time was over; what was measured counts'" },
	{ "stopped, which is all that smoke wants",
	  "'stopped_at_spike':true,'asked':{'smoke':true}", true, VERDICT_FAIL, VERDICT_PASS, "" },
	{ "which it was not asked", "'stopped_at_spike':true,'asked':{'smoke':false}", true,
	  VERDICT_FAIL, VERDICT_INCOMPLETE,
	  "'ended at a spike before its time was over; what was measured counts'" },
	{ "stopped, and doubted", "'stopped_at_spike':true,'doubts':['d'],'reasons':['d']", false,
	  VERDICT_FAIL, VERDICT_INCOMPLETE,
	  "'d','ended at a spike before its time was over; what was measured counts'" },
	{ "throttled", "'throttled':true", false, VERDICT_INCONCLUSIVE, VERDICT_PASS, "" },
	{ "of wrong lengths", "'clock_drifted':true,'doubts':['d'],'reasons':['d']", true,
	  VERDICT_INCONCLUSIVE, VERDICT_INCONCLUSIVE, "'d'" },
	{ "phases", "'phases':[{'verdict':'pass'},{'verdict':'pass'}]", false, VERDICT_FAIL,
	  VERDICT_PASS, "" },
	{ "one failed", "'phases':[{'verdict':'fail'},{'verdict':'pass'}]", false, VERDICT_FAIL,
	  VERDICT_FAIL, "" },
	{ "one was given up",
	  "'phases':[{'verdict':'incomplete'}],'reasons':['phase a, incomplete: hung']", true,
	  VERDICT_FAIL, VERDICT_INCOMPLETE, "'phase a, incomplete: hung'" },
	{ "one in error", "'phases':[{'verdict':'error'}]", true, VERDICT_FAIL, VERDICT_INCOMPLETE,
	  "" },
	{ "one was not begun", "'phases':[{'verdict':'pass'},{'verdict':null}]", true, VERDICT_FAIL,
	  VERDICT_INCOMPLETE, "" },
	{ "one was skipped because of another",
	  "'phases':[{'verdict':'inconclusive'},{'verdict':null,'status':'skipped'}]", false,
	  VERDICT_FAIL, VERDICT_INCONCLUSIVE, "" },
	{ "one is skipped now, and was not before",
	  "'phases':[{'verdict':'pass'},{'verdict':'fail','status':'skipped'}]", false,
	  VERDICT_FAIL, VERDICT_FAIL, "" },
	{ "a headline of the judgement before",
	  "'judged':['all is well'],"
	  "'reasons':['all is well','a']",
	  false, VERDICT_FAIL, VERDICT_PASS, "'a'" },
	{ "what nobody writes", "'phases':7,'doubts':{},'shortfalls':'x','judged':3", false,
	  VERDICT_FAIL, VERDICT_PASS, "" },
};

/* The run of one row, with one sample of 50 us. */
static void open_known(struct run *r, const struct known *k, const struct hist *h)
{
	struct run_cpu c = { .cpu = 3, .instrument = "cyclictest", .expected = 1 };
	char text[512];

	snprintf(text, sizeof(text),
		 "{'conditions':'hardware','limits':[],'cpus':[],'reasons':[]%s%s}",
		 *k->doc ? "," : "", k->doc);
	r->doc = json_tokener_parse(text); /* of one key twice it takes the last */
	assert_non_null(r->doc);
	run_add_cpu(r, &c, h);
}

static bool gives(const struct run *r, const struct known *k)
{
	const char *got = json_object_to_json_string_ext(json_at(r->doc, "reasons"),
							 JSON_C_TO_STRING_PLAIN |
								 JSON_C_TO_STRING_NOSLASHESCAPE);
	char want[256];

	snprintf(want, sizeof(want), "[%s]", k->reasons);
	for (char *p = want; *p; p++)
		if (*p == '\'')
			*p = '"';
	return !strcmp(got, want);
}

/*
 * What forbids a pass is known to the run, whoever holds it against which limit; judged a second time,
 * against a wider limit, it keeps those reasons and loses only those of the first limit.
 */
static void what_else_is_known(void **state)
{
	struct hist h;

	(void)state;
	hist_init(&h);
	hist_add(&h, 50000);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		const struct known *k = &known[i];
		enum verdict narrow, wide;
		struct run r = { 0 };

		open_known(&r, k, &h);
		run_add_limit(&r, "max_ns", 10000);
		narrow = run_judge(&r, k->smoke);
		assert_non_null(strstr(json_object_to_json_string(json_at(r.doc, "reasons")),
				       "above its limit of 10.00 us"));
		json_object_object_add(r.doc, "limits", json_object_new_array());
		run_add_limit(&r, "max_ns", 50000);
		wide = run_judge(&r, k->smoke);
		if (narrow != k->narrow || wide != k->wide || !gives(&r, k))
			fail_msg("%s: %s, then %s: %s", k->name, verdict_name(narrow),
				 verdict_name(wide), json_object_to_json_string(r.doc));
		run_close(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judging),
		cmocka_unit_test(no_sample_can_be_an_answer),
		cmocka_unit_test(what_else_is_known),
	};

	return cmocka_run_group_tests(tests, tree_enter, tree_leave);
}
