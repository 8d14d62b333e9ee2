// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cyclic/guesthwlat.h"
#include "hwlat/culprit.h"
#include "hwlat/measure.h"
#include "lib/cleanup.h"
#include "lib/json.h"

/* Whatever rtkvm hwlat calls a cause, a guest may; and nothing else. */
static void kinds(void **state)
{
	static const char *const others[] = { "", "gremlins", "smi ", "guest-irq", "unexplained" };

	(void)state;
	for (int k = 0; k < CULPRIT_KINDS; k++)
		if (!guesthwlat_is_kind(culprit_kind_name(k)))
			fail_msg("%s is refused", culprit_kind_name(k));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (guesthwlat_is_kind(others[i]))
			fail_msg("%s is taken", others[i]);
}

/* Nothing that rtkvm hwlat tells of what was in force is lost on its way out of a guest. */
static void inforce(void **state)
{
	_cleanup_json_ json_object *from = json_object_new_object();
	_cleanup_json_ json_object *to = json_object_new_object();
	_cleanup_free_ struct measure *s = calloc(1, sizeof(*s));
	struct hwlat_opts o = { .window_ns = 1000000000, .width_ns = 500000000 };
	struct detector_cpu cpu = { .priority = 95 };

	(void)state;
	assert_non_null(s);
	s->o = &o;
	s->altered = (struct altered)ALTERED_INIT;
	s->detector.n = 1;
	s->detector.cpus = &cpu;
	s->evidence.tracing = true; /* which makes a line of what was altered */
	measure_inforce(s, from);
	assert_int_equal(json_object_array_length(json_at(from, "altered")), 1);
	guesthwlat_inforce(to, from);
	if (!json_object_equal(from, to))
		fail_msg("%s became %s", json_object_to_json_string(from),
			 json_object_to_json_string(to));
}

/* What a guest may put there instead. */
static void rubbish(void **state)
{
	char word[600], line[1100], many[512] = "";
	const struct {
		const char *name, *format, *what, *want;
	} rows[] = {
		{ "a key of its own", "{\"policy\":\"%s\",\"rubbish\":[1]}", "fifo",
		  "{\"policy\":\"fifo\"}" },
		{ "a word where a number belongs", "{\"priority\":\"%s\"}", "high", "{}" },
		{ "a long word", "{\"policy\":\"%s\"}", word, "{}" },
		{ "lines", "{\"altered\":[\"%s\",\"b\"]}", "a", "{\"altered\":[\"a\",\"b\"]}" },
		{ "no lines", "{\"altered\":[%s]}", "", "{\"altered\":[]}" },
		{ "a line that is too long", "{\"altered\":[\"a\",\"%s\"]}", line, "{}" },
		{ "too many", "{\"altered\":[%s\"\"]}", many, "{}" },
		{ "a number among them", "{\"altered\":[\"a\",%s]}", "1", "{}" },
		{ "none at all", "{\"altered\":\"%s\"}", "a", "{}" },
	};

	(void)state;
	memset(word, 'x', sizeof(word) - 1);
	memset(line, 'x', sizeof(line) - 1);
	word[sizeof(word) - 1] = line[sizeof(line) - 1] = '\0';
	for (int i = 0; i < 64; i++)
		strcat(many, "\"\",");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_json_ json_object *to = json_object_new_object();
		_cleanup_json_ json_object *want = json_tokener_parse(rows[i].want);
		_cleanup_json_ json_object *from = NULL;
		const char *cut = strstr(rows[i].format, "%s");
		char text[2048];

		snprintf(text, sizeof(text), "%.*s%s%s", (int)(cut - rows[i].format),
			 rows[i].format, rows[i].what, cut + 2);
		from = json_tokener_parse(text);
		assert_non_null(from);
		guesthwlat_inforce(to, from);
		if (!json_object_equal(to, want))
			fail_msg("%s: %s", rows[i].name, json_object_to_json_string(to));
	}
}

/* Whether gaps break a limit is not the guest's matter, but that it did not watch to the end is told. */
static void verdicts(void **state)
{
	static const struct {
		const char *doc, *want;
	} rows[] = {
		{ "{\"verdict\":\"pass\",\"shortfalls\":[]}", "pass" },
		{ "{\"verdict\":\"incomplete\"}", "incomplete" },
		{ "{\"verdict\":\"fail\"}", "fail" },
		{ "{\"verdict\":\"fail\",\"interrupted\":true}", "incomplete" },
		{ "{\"verdict\":\"fail\",\"shortfalls\":[\"ended early\"]}", "incomplete" },
		{ "{\"verdict\":\"fail\",\"shortfalls\":7}", "fail" },
		{ "{\"verdict\":7}", "" },
		{ "{}", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_json_ json_object *doc = json_tokener_parse(rows[i].doc);
		const char *verdict;

		assert_non_null(doc);
		verdict = guesthwlat_verdict(doc);
		assert_string_equal(verdict ? verdict : "", rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds),
		cmocka_unit_test(inforce),
		cmocka_unit_test(rubbish),
		cmocka_unit_test(verdicts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
