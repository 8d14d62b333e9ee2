// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "results/rttests.h"

static int parse(struct rttests *r, const char *text, uint64_t range_us, struct err *e)
{
	return rttests_parse(r, text, strlen(text), range_us, "x.json", e);
}

/* A real file of rt-tests 2.4: two threads, two samples each beyond -h 60. */
static void real_file(void **state)
{
	_cleanup_free_ char *text = NULL;
	struct err e = { 0 };
	struct rttests r;

	(void)state;
	assert_true(file_load("tests/fixtures/rttests/cyclictest-2.4-over.json", 1 << 20, &text,
			      &e) > 0);
	assert_int_equal(parse(&r, text, 60, &e), 0);
	assert_string_equal(r.version, "2.40");
	assert_string_equal(r.kernel, "6.18.44-fc-v657");
	assert_string_equal(r.cmdline, "cyclictest -q -p95 -t2 -i1000 -h 60 -D 1 --json=r.json");
	assert_int_equal(r.n, 2);
	assert_int_equal(r.threads[0].cpu, 0);
	assert_int_equal(r.threads[0].cycles, 994);
	assert_int_equal(r.threads[0].hist.count, 992);
	assert_int_equal(r.threads[0].hist.over, 2);
	assert_int_equal(r.threads[0].hist.over_from_ns, 60000);
	assert_int_equal(r.threads[0].hist.min_ns, 12000);
	assert_int_equal(r.threads[0].hist.max_ns, 3091000);
	assert_int_equal(r.threads[0].hist.resolution_ns, 1000);
	assert_int_equal(r.threads[1].cycles, 1000);
	assert_int_equal(r.threads[1].hist.max_ns, 191000);
	rttests_free(&r);
}

/* Every sample beyond the range: an empty histogram is not an empty measurement. */
static void all_over(void **state)
{
	_cleanup_free_ char *text = NULL;
	struct err e = { 0 };
	struct rttests r;

	(void)state;
	assert_true(file_load("tests/fixtures/rttests/cyclictest-2.4-all-over.json", 1 << 20, &text,
			      &e) > 0);
	assert_int_equal(parse(&r, text, 60, &e), 0);
	assert_int_equal(r.threads[1].hist.count, 0);
	assert_int_equal(hist_total(&r.threads[1].hist), 1);
	assert_int_equal(r.threads[1].hist.min_ns, 72000);
	assert_int_equal(r.threads[1].hist.max_ns, 72000);
	rttests_free(&r);
}

#define HEAD "{\n\"file_version\": 1,\n\"num_threads\": 1,\n"
#define THREAD(h, cycles, min, max, avg)                                                           \
	"\"thread\": {\n\"0\": {\n\"histogram\": {" h "},\n\"cycles\": " cycles ",\n\"min\": " min \
	",\n\"max\": " max ",\n\"avg\": " avg ",\n\"cpu\": 3,\n\"node\": 0\n}\n}\n}\n"

static void traps(void **state)
{
	static const struct {
		const char *text;
		uint64_t range_us, cycles, over, over_from_ns, max_ns;
	} rows[] = {
		/* no cycle at all: -nan and min 1000000 */
		{ HEAD THREAD("", "0", "1000000", "0", "-nan"), 60, 0, 0, 0, 0 },
		{ HEAD THREAD("", "0", "1000000", "0", "nan"), 60, 0, 0, 0, 0 },
		/* over the range, which is known, or not */
		{ HEAD THREAD("\"4\": 10", "12", "4", "99", "9.9"), 60, 12, 2, 60000, 99000 },
		{ HEAD THREAD("\"4\": 10", "12", "4", "99", "9.9"), 0, 12, 2, 5000, 99000 },
		/* all of them; a smallest that cannot be is not believed */
		{ HEAD THREAD("", "12", "70", "99", "80.9"), 60, 12, 12, 70000, 99000 },
		{ HEAD THREAD("", "12", "100", "99", "80.9"), 60, 12, 12, 60000, 99000 },
		{ HEAD THREAD("", "12", "3", "99", "80.9"), 60, 12, 12, 60000, 99000 },
		{ HEAD THREAD("", "12", "-3", "99", "80.9"), 60, 12, 12, 60000, 99000 },
		/* a cycle counted while the file was being written is no overflow */
		{ HEAD THREAD("\"4\": 10", "11", "4", "4", "4.0"), 60, 10, 0, 0, 4000 },
		{ HEAD THREAD("\"4\": 11", "10", "4", "4", "4.0"), 60, 11, 0, 0, 4000 },
		/* nanoseconds */
		{ "{\n\"file_version\": 1,\n\"num_threads\": 1,\n\"resolution_in_ns\": 1,\n" THREAD(
			  "\"4\": 10", "12", "4", "99000", "9.9"),
		  60, 12, 2, 60000, 99000 },
		/* strings are not escaped */
		{ HEAD "\"cmdline:\": \"cyclictest \"a\\b\" --json=\"x\"\",\n" THREAD(
			  "\"4\": 10", "10", "4", "4", "4.0"),
		  60, 10, 0, 0, 4000 },
		/* rewritten by another program, on one line */
		{ "{\"file_version\":1,\"num_threads\":1,\"thread\":{\"0\":{\"histogram\":{\"4\":10},"
		  "\"cycles\":10,\"max\":4,\"cpu\":3}},\"a\": \"b\", \"c\": \"d\"}",
		  60, 10, 0, 0, 4000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		struct rttests r;

		if (parse(&r, rows[i].text, rows[i].range_us, &e))
			fail_msg("row %zu: %s", i, e.text);
		assert_int_equal(r.n, 1);
		assert_int_equal(r.threads[0].cpu, 3);
		assert_int_equal(r.threads[0].cycles, rows[i].cycles);
		assert_int_equal(hist_total(&r.threads[0].hist), rows[i].cycles);
		assert_int_equal(r.threads[0].hist.over, rows[i].over);
		assert_int_equal(r.threads[0].hist.over_from_ns, rows[i].over_from_ns);
		assert_int_equal(r.threads[0].hist.max_ns, rows[i].max_ns);
		rttests_free(&r);
	}
}

static void refused(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "too early" },
		{ "{", "too early" },
		{ "[]", "file_version" },
		{ "{\"file_version\": 2}", "file_version" },
		{ "{\"file_version\": 1}", "num_threads" },
		{ "{\"file_version\": 1, \"num_threads\": -1}", "num_threads" },
		{ "{\"file_version\": 1, \"num_threads\": 99999999}", "num_threads" },
		{ HEAD "\"thread\": {}}", "thread 0 of 1 is absent" },
		{ HEAD "\"thread\": {\"0\": {\"cycles\": 1, \"max\": 1}}}", "with -h" },
		{ HEAD THREAD("\"4\": 10", "5", "4", "4", "4.0"), "more samples" },
		{ HEAD THREAD("\"4\": -1", "5", "4", "4", "4.0"), "histogram entry" },
		{ HEAD THREAD("\"x\": 1", "5", "4", "4", "4.0"), "histogram entry" },
		{ HEAD THREAD("\"-4\": 1", "5", "4", "4", "4.0"), "histogram entry" },
		{ HEAD THREAD("\"1000000\": 1", "5", "4", "4", "4.0"), "histogram entry" },
		{ HEAD THREAD("\"4\": 9223372036854775806, \"5\": 9223372036854775806, \"6\": 9",
			      "5", "4", "4", "4.0"),
		  "histogram entry" },
		{ HEAD THREAD("\"4\": \"1\"", "5", "4", "4", "4.0"), "histogram entry" },
		{ HEAD THREAD("\"4\": 1", "-5", "4", "4", "4.0"), "cycles" },
		{ HEAD THREAD("\"4\": 1", "99999999999999999999", "4", "4", "4.0"), "cycles" },
		{ HEAD THREAD("\"4\": 1", "1", "4", "-4", "4.0"), "max" },
		{ HEAD THREAD("\"4\": 1", "1", "4", "9223372036854775806", "4.0"), "maximum" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		struct rttests r;

		if (parse(&r, rows[i].text, 60, &e) >= 0)
			fail_msg("row %zu was taken", i);
		if (!strstr(e.text, rows[i].why) || !strstr(e.text, "x.json"))
			fail_msg("row %zu: %s", i, e.text);
	}
}

/* oslat's last bin, 32, took 949795 us as well: 14 rounds of which only the largest is known. */
static void oslat(void **state)
{
	_cleanup_free_ char *text = NULL;
	struct err e = { 0 };
	struct rttests r;

	(void)state;
	assert_true(file_load("tests/fixtures/import/oslat-2.4.json", 1 << 20, &text, &e) > 0);
	assert_int_equal(rttests_parse_oslat(&r, text, strlen(text), 1000, "x.json", &e), 0);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.threads[0].cpu, 1);
	assert_int_equal(r.threads[0].hist.over, 14);
	assert_int_equal(r.threads[0].hist.over_from_ns, 31000);
	assert_int_equal(r.threads[0].hist.max_ns, 949795000);
	assert_int_equal(r.threads[0].hist.min_ns, 1000);
	assert_int_equal(r.threads[0].cycles, hist_total(&r.threads[0].hist));
	rttests_free(&r);
}

static void oslat_refused(void **state)
{
	static const struct {
		const char *thread, *why;
	} rows[] = {
		{ "\"min\": 1, \"max\": 2", "no histogram" },
		{ "\"min\": 3, \"max\": 2, \"histogram\": {\"1\": 1}", "make no sense" },
		{ "\"max\": 2, \"histogram\": {\"1\": 1}", "\"min\" of a thread is not a count" },
		{ "\"min\": 1, \"max\": 2, \"histogram\": {\"1.x\": 1}", "histogram entry" },
		{ "\"min\": 1, \"max\": 2, \"histogram\": {\"1.\": 1}", "histogram entry" },
		{ "\"min\": 1, \"max\": 2, \"histogram\": {\"-1\": 1}", "histogram entry" },
		{ "\"min\": 1, \"max\": 2, \"histogram\": {\"1\": -1}", "histogram entry" },
		{ "\"min\": 1, \"max\": 36893488147419103232, \"histogram\": {\"1\": 1}",
		  "\"max\" of a thread is not a count" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err e = { 0 };
		char text[512];
		struct rttests r;

		snprintf(text, sizeof(text),
			 "{\"file_version\": 1, \"num_threads\": 1, \"thread\": {\"0\": {%s}}}",
			 rows[i].thread);
		if (rttests_parse_oslat(&r, text, strlen(text), 1000, "x.json", &e) != -EINVAL ||
		    !strstr(e.text, rows[i].why))
			fail_msg("row %zu: %s", i, e.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_file), cmocka_unit_test(all_over),
		cmocka_unit_test(oslat),     cmocka_unit_test(oslat_refused),
		cmocka_unit_test(traps),     cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
