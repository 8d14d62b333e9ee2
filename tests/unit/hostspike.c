// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "cyclic/hostspike.h"
#include "lib/cleanup.h"
#include "lib/json.h"

static void renamed(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "{\"cpu\":3,\"cause\":\"guest-thread\",\"detail\":\"hog/5\",\"parts\":["
		  "{\"cause\":\"guest-thread\",\"detail\":\"hog/5\",\"ns\":9},"
		  "{\"cause\":\"below-guest\",\"ns\":1},{\"cause\":\"wakeup\",\"ns\":2}]}",
		  "{\"cpu\":3,\"cause\":\"host-thread\",\"detail\":\"hog/5\",\"parts\":["
		  "{\"cause\":\"host-thread\",\"detail\":\"hog/5\",\"ns\":9},"
		  "{\"cause\":\"unexplained\",\"ns\":1,"
		  "\"detail\":\"interrupts off, an idle state, or hardware\"},"
		  "{\"cause\":\"wakeup\",\"ns\":2}],\"host_cpu\":3}" },
		{ "{\"cpu\":0,\"cause\":\"guest-irq\",\"detail\":\"LOC\"}",
		  "{\"cpu\":0,\"cause\":\"host-irq\",\"detail\":\"LOC\",\"host_cpu\":0}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_object *late = json_tokener_parse(rows[i].in);
		json_object *want = json_tokener_parse(rows[i].out);

		hostspike_rename(late);
		if (!json_object_equal(late, want))
			fail_msg("%s", json_object_to_json_string(late));
		json_object_put(late);
		json_object_put(want);
	}
}

/* What trace explain makes of a host's trace; its TSC runs at 2 GHz. */
#define LATE(cpu, ns, tsc)                                       \
	"{\"cpu\":" #cpu ",\"latency_ns\":" #ns ",\"tsc\":" #tsc \
	",\"wall_ns\":0,\"cause\":\"guest-irq\"}"

static json_object *doc_of(const char *list)
{
	char text[1024];
	json_object *doc;

	snprintf(text, sizeof(text), "{\"clock\":{\"hz\":2e9},\"list\":[%s]}", list);
	doc = json_tokener_parse(text);
	assert_non_null(doc);
	return doc;
}

static void expect(const char *name, json_object *late, int64_t tsc, int64_t wall_ns)
{
	if (json_int(late, "tsc", -1) != tsc ||
	    (late && (json_int(late, "wall_ns", -1) != wall_ns ||
		      strcmp(json_str(late, "cause", ""), "host-irq") != 0 ||
		      json_int(late, "host_cpu", -1) != json_int(late, "cpu", -2))))
		fail_msg("%s: %s", name, late ? json_object_to_json_string(late) : "none");
}

/* The wake-up on CPU 2 at which cyclictest broke off, 61 us late. */
static void of_a_break(void **state)
{
	static const char manifest[] =
		"{\"tsc_hz\":2000000000,\"end\":{\"ticks\":9000,\"wall_ns\":1800000000000000000}}";
	static const struct {
		const char *name, *list, *manifest;
		int64_t tsc, wall_ns; /* tsc -1: none is its */
	} rows[] = {
		{ "the only one", LATE(2, 60500, 5000), manifest, 5000, 1799999999999998000 },
		{ "the latest of two",
		  LATE(2, 50000, 3000) "," LATE(2, 60500, 5000) "," LATE(2, 50001, 7000), manifest,
		  5000, 1799999999999998000 },
		{ "longer by what cyclictest rounded down", LATE(2, 61999, 5000), manifest, 5000,
		  1799999999999998000 },
		{ "a lesser one, and it is not in the trace", LATE(2, 40500, 5000), manifest, -1 },
		{ "one that was late when it had ended",
		  LATE(2, 60500, 5000) "," LATE(2, 90000, 7000), manifest, 5000,
		  1799999999999998000 },
		{ "on another CPU", LATE(1, 60500, 5000), manifest, -1 },
		{ "none at all", "", manifest, -1 },
		{ "without a date", LATE(2, 60500, 5000), "{}", 5000, 0 },
	};
	const struct breakoff b = { .late_ns = 61000, .cpu = 2 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_json_ json_object *doc = doc_of(rows[i].list);
		_cleanup_json_ json_object *recorded = json_tokener_parse(rows[i].manifest);

		expect(rows[i].name, hostspike_of_break(doc, recorded, &b), rows[i].tsc,
		       rows[i].wall_ns);
	}
}

/* A sampler's spike tells its end by both clocks: half a millisecond is a million ticks. */
static void of_a_spike(void **state)
{
	static const struct {
		const char *name, *list;
		int64_t tsc, wall_ns;
	} rows[] = {
		{ "the same end", LATE(2, 60500, 5000000), 5000000, 900000 },
		{ "half a millisecond before", LATE(2, 60500, 4000000), 4000000, 400000 },
		{ "two milliseconds behind", LATE(2, 60500, 9000000), -1, 0 },
		{ "much less late", LATE(2, 40500, 5000000), -1, 0 },
		{ "another CPU's", LATE(1, 60500, 5000000), -1, 0 },
		{ "one that is, behind one that is not",
		  LATE(1, 60500, 5000000) "," LATE(2, 60500, 5000000), 5000000, 900000 },
	};
	_cleanup_json_ json_object *spike = json_tokener_parse(
		"{\"cpu\":2,\"latency_ns\":61000,\"tsc\":5000000,\"wall_ns\":900000}");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_json_ json_object *doc = doc_of(rows[i].list);

		expect(rows[i].name, hostspike_of(doc, spike), rows[i].tsc, rows[i].wall_ns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(renamed),
		cmocka_unit_test(of_a_break),
		cmocka_unit_test(of_a_spike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
