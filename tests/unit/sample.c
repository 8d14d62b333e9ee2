// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cyclic/sample.h"
#include "lib/cleanup.h"

enum { WORDS = 12 };

static int parse(struct sample_options *o, const char *const *words, struct err *e)
{
	char *argv[WORDS + 2] = { (char *)"rtkvm sample" };
	int argc = 1;

	for (; words[argc - 1]; argc++)
		argv[argc] = (char *)words[argc - 1];
	return sample_parse(o, argc, argv, e);
}

static void defaults(void **state)
{
	static const char *const words[] = { "-c", "2-3", NULL };
	struct sample_options o;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(parse(&o, words, &e), 0);
	assert_int_equal(cpulist_count(&o.config.cpus), 2);
	assert_int_equal(o.config.period_ns, 1000000);
	assert_int_equal(o.config.duration_ns, 60000000000);
	assert_int_equal(o.config.slice_ns, 10000000000);
	assert_int_equal(o.config.priority, 95);
	assert_true(o.config.spike_ns == UINT64_MAX);
	assert_int_equal(o.n_limits, 0);
}

static void all_options(void **state)
{
	static const char *const words[] = { "-c",	"1",	     "-i200us",
					     "-D24h",	"--fifo=80", "--slice=60s",
					     "--limit", "40us",	     "--limit=p99.999=20us",
					     "--smoke", "--json",    NULL };
	struct sample_options o;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(parse(&o, words, &e), 0);
	assert_int_equal(o.config.period_ns, 200000);
	assert_int_equal(o.config.priority, 80);
	assert_int_equal(o.n_limits, 2);
	assert_string_equal(o.limits[0].what, "max_ns");
	assert_int_equal(o.limits[0].ns, 40000);
	assert_string_equal(o.limits[1].what, "p99.999_ns");
	assert_int_equal(o.config.spike_ns, 40001);
	assert_true(o.smoke && o.json);
}

static void refused(void **state)
{
	static const struct {
		const char *words[WORDS];
		const char *why;
	} rows[] = {
		{ { NULL }, "--cpus is missing" },
		{ { "-c", "", NULL }, "CPU list" },
		{ { "-c", "1", "-D", "0", NULL }, "out of range" },
		{ { "-c", "1", "-D", "400d", NULL }, "out of range" },
		{ { "-c", "1", "-i", "1us", NULL }, "out of range" },
		{ { "-c", "1", "-i", "5s", "-D", "1s", NULL }, "shorter than --interval" },
		{ { "-c", "1", "-i", "5s", "--slice", "1s", NULL }, "--slice is shorter" },
		{ { "-c", "1", "--fifo", "99", NULL }, "out of range" },
		{ { "-c", "1", "--limit", "p98=1us", NULL }, "neither max nor" },
		{ { "-c", "1", "--limit", "max=0", NULL }, "cannot be met" },
		{ { "-c", "1", "--spike", "10", "--on-spike", "stop", NULL }, "--spike: \"10\"" },
		{ { "-c", "1", "--spike", "0", NULL }, "out of range" },
		{ { "-c", "1", "--on-spike", "run", NULL }, "none of record, trace, stop" },
		{ { "-c", "1", "--on-spike", "stop", NULL }, "need --spike" },
		{ { "-c", "1", "--simulate", "x", NULL }, "not a number" },
		{ { "-c", "1", "left", NULL }, "not understood" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sample_options o;
		struct err e = { 0 };

		assert_int_equal(parse(&o, rows[i].words, &e), -EINVAL);
		if (!strstr(e.text, rows[i].why))
			fail_msg("row %zu: \"%s\" lacks \"%s\"", i, e.text, rows[i].why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(all_options),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
