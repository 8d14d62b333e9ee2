// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cyclic/breakoff.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"

#define IDS   "# Histogram\n# Thread Ids: 00101 00102\n"
#define VALUE "# Break value: 61\n"

static void text(void **state)
{
	static const struct {
		const char *text;
		uint64_t late_ns;
		size_t thread;
	} rows[] = {
		{ "", 0, SIZE_MAX },
		{ "# Total: 000010000\n", 0, SIZE_MAX },
		{ IDS, 0, SIZE_MAX }, /* it had -b, and no wake-up was that late */
		{ IDS "# Break thread: 101\n" VALUE, 61000, 0 },
		{ IDS "# Break thread: 102\n" VALUE, 61000, 1 },
		{ IDS "# Break thread: 102\n# Break value: 61", 61000, 1 }, /* no line end */
		{ IDS "# Break thread: 103\n" VALUE, 61000, SIZE_MAX },
		{ "# Break thread: 101\n" VALUE, 61000, SIZE_MAX },
		{ IDS VALUE, 0, SIZE_MAX },
		{ IDS "# Break thread: 101\n", 0, SIZE_MAX },
		{ IDS "# Break thread: 101\n# Break value:", 0, SIZE_MAX },
		{ IDS "# Break thread: 101\n# Break value: -5\n", 0, SIZE_MAX },
		{ IDS "# Break thread: 101\n# Break value: 99999999999999999999\n", 0, SIZE_MAX },
		{ "x # Break thread: 101\n" VALUE, 0, SIZE_MAX },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len = strlen(rows[i].text);
		/* exactly as long: nothing may be read behind it */
		_cleanup_free_ char *copy = malloc(len + !len);
		struct breakoff b;

		memcpy(copy, rows[i].text, len);
		breakoff_read(&b, copy, len);
		if (b.late_ns != rows[i].late_ns || b.thread != rows[i].thread)
			fail_msg("row %zu: %ju ns, thread %zu", i, (uintmax_t)b.late_ns, b.thread);
	}
}

/* "At least" in nanoseconds is "more than" in microseconds rounded down. */
static void option(void **state)
{
	(void)state;
	assert_int_equal(breakoff_option(50000), 49);
	assert_int_equal(breakoff_option(40001), 40); /* beyond a limit of 40us: from 41 on */
	assert_int_equal(breakoff_option(BREAKOFF_LEAST_NS), 1);
}

static void possible(void **state)
{
	static const struct {
		const char *name;
		uint64_t late_ns, spike_ns, job_ns;
		int want;
	} rows[] = {
		{ "it did not break off", 0, 50000, 1000, 0 },
		{ "as late as asked", 50000, 50000, NSEC_PER_SEC, 0 },
		{ "rounded down", 41000, 40001, NSEC_PER_SEC, 0 },
		{ "not that late", 49000, 50000, NSEC_PER_SEC, -EPROTO },
		{ "1 us", 1000, 50000, NSEC_PER_SEC, -EPROTO },
		{ "as late as the job was long", NSEC_PER_SEC, 50000, NSEC_PER_SEC, 0 },
		{ "later", 12 * 3600 * NSEC_PER_SEC, 50000, NSEC_PER_SEC, -EPROTO },
		{ "later than nobody knows", 12 * 3600 * NSEC_PER_SEC, 50000, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct breakoff b = { .late_ns = rows[i].late_ns };
		struct err e = { 0 };
		int ret = breakoff_check(&b, rows[i].spike_ns, rows[i].job_ns, &e);

		if (ret != rows[i].want)
			fail_msg("%s: %d %s", rows[i].name, ret, e.text);
	}
}

static void in_histogram(void **state)
{
	static const struct {
		const char *name;
		size_t thread; /* as cyclictest listed it */
		uint64_t late_ns, max_ns, over;
		bool counted;
		int want;
		uint64_t want_cycles;
	} rows[] = {
		{ "counted", 1, 61000, 61000, 0, true, 0, 11 },
		{ "not counted yet", 1, 61000, 61000, 0, false, 0, 11 },
		{ "not even the largest yet", 1, 61000, 9000, 0, false, 0, 11 },
		{ "beyond the range", 1, 61000, 61000, 1, false, 0, 11 },
		{ "of a thread that is not listed", SIZE_MAX, 61000, 61000, 0, false, 0, 11 },
		{ "of none", SIZE_MAX, 61000, 9000, 0, false, -EPROTO, 10 },
		{ "of one that is none", 7, 61000, 9000, 0, false, -EPROTO, 10 },
		{ "it did not break off", SIZE_MAX, 0, 9000, 0, false, 0, 10 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rttests_thread threads[] = { { .cpu = 1 }, { .cpu = 2 } };
		struct rttests r = { .n = ARRAY_SIZE(threads), .threads = threads };
		struct breakoff b = { .late_ns = rows[i].late_ns, .thread = rows[i].thread };
		struct rttests_thread *t = &threads[1];
		struct err e = { 0 };
		int ret;

		hist_init(&threads[0].hist);
		hist_init(&t->hist);
		hist_add_n(&t->hist, 9000, 10);
		if (rows[i].counted)
			hist_add(&t->hist, rows[i].late_ns);
		hist_add_over(&t->hist, 50000, rows[i].over);
		t->hist.max_ns = rows[i].max_ns;
		t->cycles = hist_total(&t->hist);
		ret = breakoff_count(&b, &r, &e);
		if (ret != rows[i].want || t->cycles != rows[i].want_cycles ||
		    t->cycles != hist_total(&t->hist))
			fail_msg("%s: %d, %ju cycles: %s", rows[i].name, ret, (uintmax_t)t->cycles,
				 e.text);
		if (!ret && rows[i].late_ns)
			assert_int_equal(b.cpu, 2);
	}
}

/* Dated by the trace where that has it, else by when cyclictest had ended. */
static void spike_line(void **state)
{
	static const struct {
		const char *there;
		int64_t wall_ns, tsc;
	} rows[] = {
		{ "", 900, 0 },
		{ "{\"instrument\":\"trace\",\"cpu\":2,\"latency_ns\":60500,\"wall_ns\":700,\"tsc\":5}\n"
		  "{\"instrument\":\"trace\",\"cpu\":2,\"latency_ns\":40500,\"wall_ns\":600,\"tsc\":4}\n",
		  700, 5 },
		{ "{\"instrument\":\"trace\",\"cpu\":2,\"latency_ns\":60500,\"wall_ns\":0}\n", 900,
		  0 },
		{ "{\"instrument\":\"trace\",\"cpu\":2,\"latency_ns\":40500,\"wall_ns\":600,\"tsc\":4}\n",
		  900, 0 },
		{ "{\"instrument\":\"trace\",\"cpu\":1,\"latency_ns\":60500,\"wall_ns\":700}\n",
		  900, 0 },
	};
	const struct breakoff b = { .late_ns = 61000, .cpu = 2 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char dir[] = "/tmp/rtkvm-breakoff.XXXXXX", name[64], path[PATH_MAX];
		_cleanup_json_ json_object *o = NULL;
		_cleanup_free_ char *all = NULL;
		struct err e = { 0 };
		struct run run;

		assert_non_null(mkdtemp(dir));
		snprintf(name, sizeof(name), "%s/run", dir);
		assert_int_equal(run_create(&run, name, "test", &e), 0);
		run_path(&run, "spikes.jsonl", path);
		assert_int_equal(file_replace(path, rows[i].there, strlen(rows[i].there), &e), 0);
		assert_int_equal(breakoff_spike(&b, &run, 5, 900, &e), 0);
		assert_true(file_load(path, 4096, &all, &e) > 0);
		o = json_tokener_parse(all + strlen(rows[i].there));
		assert_string_equal(json_str(o, "instrument", ""), "cyclictest");
		assert_int_equal(json_int(o, "cpu", -1), 2);
		assert_int_equal(json_int(o, "host_cpu", -1), 5);
		assert_int_equal(json_int(o, "latency_ns", 0), 61000);
		assert_int_equal(json_int(o, "wall_ns", 0), rows[i].wall_ns);
		assert_int_equal(json_int(o, "tsc", 0), rows[i].tsc);
		run_close(&run);
		assert_int_equal(file_remove_tree(dir, &e), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text),	      cmocka_unit_test(option),
		cmocka_unit_test(possible),   cmocka_unit_test(in_histogram),
		cmocka_unit_test(spike_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
