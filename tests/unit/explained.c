// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "results/explained.h"

static char path[] = "/tmp/rtkvm-explained-XXXXXX";

static int make_file(void **state)
{
	int fd;

	(void)state;
	fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

enum { LINES = 4, NONE = -1 };

struct at {
	const char *instrument; /* NULL: no more lines */
	int cpu;
	int64_t late, tsc, wall; /* tsc 0: not told */
};

/* Expected: for each spike, the number of its explanation among the explanations. */
static const struct {
	const char *what;
	struct at lines[LINES + 1];
	int want[LINES];
} rows[] = {
	{ "the nearest of two alike, not the first",
	  { { "sample", 1, 50000, 0, 1000000 },
	    { "sample", 1, 50000, 0, 9000000 },
	    { "trace", 1, 48000, 0, 8999000 } },
	  { NONE, 0 } },
	{ "two explanations, each for its spike, in another order",
	  { { "trace", 1, 48000, 0, 9000000 },
	    { "sample", 1, 50000, 0, 1000000 },
	    { "trace", 1, 48000, 0, 1000900 },
	    { "sample", 1, 50000, 0, 9000100 } },
	  { 1, 0 } },
	{ "a spike takes the nearer of two",
	  { { "sample", 1, 50000, 0, 1000000 },
	    { "trace", 1, 48000, 0, 1009000 },
	    { "trace", 1, 48000, 0, 1001000 } },
	  { 1 } },
	{ "by the TSC, though the wall clock was set by an hour",
	  { { "sample", 1, 50000, 7000000, 1000000 },
	    { "sample", 1, 50000, 9000000, 3600000000000 },
	    { "trace", 1, 48000, 8999000, 1000000 } },
	  { NONE, 0 } },
	{ "within a second by the wall clock, but another wake-up by the TSC",
	  { { "sample", 1, 50000, 7000000, 1000000 }, { "trace", 1, 48000, 8999000, 1000000 } },
	  { NONE } },
	{ "a TSC on one side only is no use",
	  { { "sample", 1, 50000, 0, 1000000 }, { "trace", 1, 48000, 8999000, 1000000 } },
	  { 0 } },
	{ "another CPU, too short, too long, too far off",
	  { { "sample", 1, 50000, 0, 1000000 },
	    { "trace", 2, 48000, 0, 1000000 },
	    { "trace", 1, 37000, 0, 1000000 },
	    { "trace", 1, 51000, 0, 1000000 } },
	  { NONE } },
	{ "more than a second apart",
	  { { "sample", 1, 50000, 0, 1000000 }, { "trace", 1, 48000, 0, 1001000001 } },
	  { NONE } },
	{ "figures that no delay has",
	  { { "sample", 1, INT64_MIN, 0, 1 },
	    { "sample", 1, INT64_MAX, INT64_MAX, INT64_MIN },
	    { "trace", 1, INT64_MIN, 1, INT64_MAX },
	    { "trace", 1, INT64_MAX, INT64_MIN, 1 } },
	  { NONE, NONE } },
};

static void write_lines(const struct at *lines)
{
	char text[2048];
	struct err e = { 0 };
	size_t used = 0;

	for (; lines->instrument; lines++) {
		used += snprintf(
			text + used, sizeof(text) - used,
			"{\"instrument\":\"%s\",\"cpu\":%d,\"latency_ns\":%jd,\"wall_ns\":%jd",
			lines->instrument, lines->cpu, (intmax_t)lines->late,
			(intmax_t)lines->wall);
		if (lines->tsc)
			used += snprintf(text + used, sizeof(text) - used, ",\"tsc\":%jd",
					 (intmax_t)lines->tsc);
		used += snprintf(text + used, sizeof(text) - used, "}\n");
	}
	assert_int_equal(file_replace(path, text, used, &e), 0);
}

static void each_to_its_spike(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct explained x;
		struct err e = { 0 };

		write_lines(rows[i].lines);
		assert_int_equal(explained_load(&x, path, &e), 0);
		for (size_t k = 0; k < x.n_spikes; k++) {
			json_object *got = explained_of(&x, k);
			json_object *want = rows[i].want[k] < 0 ? NULL : x.v[rows[i].want[k]].o;

			if (got != want)
				fail_msg("%s: spike %zu has %s", rows[i].what, k,
					 got ? json_object_to_json_string(got) : "none");
		}
		explained_free(&x);
	}
}

static void what_is_no_line_counts_as_none(void **state)
{
	static const char text[] = "\n[]\n{\"cpu\n{\"instrument\":\"sample\"}\n{\"instrument\":7}\n"
				   "{\"instrument\":\"trace\"}\nnull\n{\"instrument\":\"tra";
	struct explained x;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(file_replace(path, text, strlen(text), &e), 0);
	assert_int_equal(explained_load(&x, path, &e), 0);
	assert_int_equal(x.n, 1);
	assert_int_equal(x.n_spikes, 2);
	explained_free(&x);
	assert_int_equal(explained_load(&x, "/nonexistent/spikes.jsonl", &e), 0);
	assert_int_equal(x.n + x.n_spikes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_to_its_spike),
		cmocka_unit_test(what_is_no_line_counts_as_none),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
