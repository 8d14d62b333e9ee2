// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "vmm/bench.h"

enum { ARGS = 12 };

static int parse(struct bench_opts *o, const char *const *words, struct err *e)
{
	char *argv[ARGS + 1] = { (char *)"rtkvm bench" };
	int argc = 1;

	while (*words)
		argv[argc++] = (char *)*words++;
	return bench_opts_parse(o, argc, argv, e);
}

static void fills_the_struct(void **state)
{
	static const char *const words[] = {
		"timer",   "--cpu=3",		"--duration=20s", "--fifo=0",	"--json",
		"--out=d", "--period=50us,1ms", "--allow-tick",	  "--vmm=qemu", NULL
	};
	static const char *const few[] = { "gap", NULL };
	struct err e = { 0 };
	struct bench_opts o;

	(void)state;
	assert_int_equal(parse(&o, words, &e), 0);
	assert_int_equal(o.payload, BENCH_TIMER);
	assert_int_equal(o.vmm, BENCH_QEMU);
	assert_int_equal(bench_rows(&o), 4);
	assert_int_equal(bench_kind(&o, 3), ABI_BENCH_SPIN);
	assert_int_equal(o.cpu, 3);
	assert_int_equal(o.fifo, 0);
	assert_int_equal(o.duration_ns, 20000000000);
	assert_int_equal(o.n_periods, 2);
	assert_int_equal(o.period_ns[1], 1000000);
	assert_true(o.json);
	assert_string_equal(o.out, "d");
	assert_true(o.allow_tick);
	assert_int_equal(parse(&o, few, &e), 0);
	assert_int_equal(o.payload, BENCH_GAP);
	assert_int_equal(o.vmm, BENCH_RTKVM);
	assert_int_equal(o.cpu, -1);
	assert_int_equal(o.threshold_ns, 10000);
	assert_false(o.allow_shared);
}

static void refuses(void **state)
{
	static const struct {
		const char *words[ARGS];
		const char *why;
	} rows[] = {
		{ { NULL }, "name a payload" },
		{ { "tick", NULL }, "payload \"tick\" is unknown" },
		{ { "gap", "timer", NULL }, "one payload at a time" },
		{ { "gap", "--vmm=xen", NULL }, "--vmm: \"xen\" is unknown" },
		{ { "gap", "--cpu=-1", NULL }, "--cpu" },
		{ { "gap", "--cpu=5000", NULL }, "out of range" },
		{ { "gap", "--cpu=1", "--cpu=1", NULL }, "--cpu is given twice" },
		{ { "gap", "--duration=0", NULL }, "out of range" },
		{ { "gap", "--duration=2d", NULL }, "out of range" },
		{ { "gap", "--fifo=99", NULL }, "out of range" },
		{ { "gap", "--threshold=0", NULL }, "out of range (100ns to 1s)" },
		{ { "gap", "--threshold=1", NULL },
		  "--threshold: \"1\" has no unit; is it 1us, 1ms or 1s?" },
		{ { "gap", "--period=1ms", NULL }, "for the payload timer" },
		{ { "exits", "--period=1ms", NULL }, "for the payload timer" },
		{ { "timer", "--threshold=1ms", NULL }, "for the payload gap" },
		{ { "timer", "--period=", NULL }, "not a duration" },
		{ { "timer", "--period=1ms,", NULL }, "not a duration" },
		{ { "timer", "--period=1us", NULL }, "out of range (10us to 1s)" },
		{ { "timer", "--period=1ms,50us,1000us", NULL }, "\"1000us\" is given twice" },
		{ { "timer", "--period=50", NULL }, "no unit; is it 50us" },
		{ { "gap", "--threshold=10", NULL }, "no unit; is it 10us" },
		{ { "gap", "--threshold=1ns", NULL }, "(100ns to 1s)" },
		{ { "timer", "--period=20500ns", NULL }, "whole number of us" },
		{ { "timer", "--period=1ms,2ms,3ms,4ms,5ms,6ms,7ms,8ms,9ms", NULL }, "at most 8" },
		{ { "timer", "--period=1s", "--duration=2s", NULL }, "too short" },
		{ { "gap", "--nonsense", NULL }, "--nonsense" },
		{ { "gap", "--out", NULL }, "--out" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		struct bench_opts o;

		assert_true(parse(&o, rows[i].words, &e) < 0);
		if (!strstr(e.text, rows[i].why))
			fail_msg("row %zu: %s", i, e.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fills_the_struct),
		cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests_name("bench_opts", tests, NULL, NULL);
}
