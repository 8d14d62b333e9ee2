// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "hwlat/options.h"
#include "lib/cleanup.h"

enum { MAX_ARGS = 12 };

/* Splits a copy of text at blanks: no argument of these tests has one. */
static int parse(const char *text, struct hwlat_opts *o, struct err *e)
{
	static char copy[512];
	char *argv[MAX_ARGS] = { "rtkvm hwlat" }, *save;
	int argc = 1;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *w = strtok_r(copy, " ", &save); w && argc < MAX_ARGS - 1;
	     w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	return hwlat_opts_parse(o, argc, argv, e);
}

static void defaults(void **state)
{
	struct hwlat_opts o;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(parse("", &o, &e), 0);
	assert_int_equal(o.detector, HWLAT_SPIN);
	assert_int_equal(o.duration_ns, 120000000000);
	assert_int_equal(o.threshold_ns, 10000);
	assert_int_equal(o.hardlimit_ns, 10000);
	assert_int_equal(o.width_ns, o.window_ns);
	assert_int_equal(o.limit, HWLAT_LIMIT_PAUSE);
	assert_false(o.cpus_given);
}

/* The command lines that people have in their scripts. */
static void takes_hwlatdetects_options(void **state)
{
	static const struct {
		const char *args;
		uint64_t duration_ns, threshold_ns, hardlimit_ns, window_ns, width_ns;
	} rows[] = {
		{ "--duration=60 --threshold=20", 60000000000, 20000, 20000, 1000000000,
		  1000000000 },
		{ "--duration 1m --threshold 20us", 60000000000, 20000, 20000, 1000000000,
		  1000000000 },
		{ "--duration=12h --hardlimit=50us --threshold=1", 43200000000000, 1000, 50000,
		  1000000000, 1000000000 },
		{ "--duration=1w", 604800000000000, 10000, 10000, 1000000000, 1000000000 },
		{ "--window=1000000 --width=500000", 120000000000, 10000, 10000, 1000000000,
		  500000000 },
		{ "--window=1s --width=500ms", 120000000000, 10000, 10000, 1000000000, 500000000 },
		{ "--window=100ms", 120000000000, 10000, 10000, 100000000, 100000000 },
		{ "--width=2s", 120000000000, 10000, 10000, 2000000000, 2000000000 },
		{ "--detector=hwlat --window=1s", 120000000000, 10000, 10000, 1000000000,
		  500000000 },
		{ "--detector=timerlat", 120000000000, 10000, 10000, 1000000, 1000000 },
		{ "--detector=timerlat --window=100us --threshold=200", 120000000000, 200000,
		  200000, 100000, 100000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct hwlat_opts o;
		struct err e = { 0 };

		assert_int_equal(parse(rows[i].args, &o, &e), 0);
		assert_int_equal(o.duration_ns, rows[i].duration_ns);
		assert_int_equal(o.threshold_ns, rows[i].threshold_ns);
		assert_int_equal(o.hardlimit_ns, rows[i].hardlimit_ns);
		assert_int_equal(o.window_ns, rows[i].window_ns);
		assert_int_equal(o.width_ns, rows[i].width_ns);
	}
}

static void takes_flags(void **state)
{
	struct hwlat_opts o;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(
		parse("--cpu-list 2-3 --watch --debug --report /tmp/r --out /tmp/o", &o, &e), 0);
	assert_true(o.watch && o.debug && o.cpus_given && !o.quiet && !o.json);
	assert_true(cpulist_has(&o.cpus, 3));
	assert_string_equal(o.report, "/tmp/r");
	assert_string_equal(o.out, "/tmp/o");
	assert_int_equal(parse("--rt-limit=lift --evidence=counters --priority=90 --guest", &o, &e),
			 0);
	assert_int_equal(o.limit, HWLAT_LIMIT_LIFT);
	assert_int_equal(o.evidence, HWLAT_EVIDENCE_COUNTERS);
	assert_int_equal(o.priority, 90);
	assert_true(o.guest);
	assert_int_equal(parse("--threshold 500ns --detector timerlat", &o, &e), 0);
	assert_int_equal(o.threshold_ns, 500);
	assert_int_equal(parse("--threshold 500ns", &o, &e), 0);
	assert_int_equal(parse("--no-watchdog --pm-qos", &o, &e), 0);
	assert_true(o.no_watchdog && o.pm_qos);
}

static void refuses(void **state)
{
	static const struct {
		const char *args, *says;
	} rows[] = {
		{ "--duration 0", "--duration: 0 measures nothing" },
		{ "--duration -1", "--duration" },
		{ "--duration 9999w", "out of range" },
		{ "--duration 999999h", "more than ten years" },
		{ "--duration 99999999999999999999s", "--duration" },
		{ "--threshold 0", "--threshold: 0" },
		{ "--threshold 2s", "longer than 1s" },
		{ "--threshold 100ms --width 50ms", "longer than the --width" },
		{ "--threshold 500ns --detector hwlat",
		  "below 1us, the least that --detector hwlat" },
		{ "--threshold 999ns --detector osnoise", "below 1us" },
		{ "--threshold ten", "--threshold" },
		{ "--hardlimit 5us --threshold 10us", "below --threshold" },
		{ "--width 2s --window 1s", "longer than the --window" },
		{ "--width 0", "--width: 0" },
		{ "--window 0", "--window: 0" },
		{ "--cpus 3-1", "--cpus" },
		{ "--cpus all", "--cpus" },
		{ "--housekeeping x", "--housekeeping" },
		{ "--priority 0", "--priority" },
		{ "--priority 99", "--priority" },
		{ "--detector smi", "none of spin, hwlat, osnoise, timerlat" },
		{ "--detector timerlat --width 1ms", "--width: timerlat" },
		{ "--evidence gut", "none of auto, trace, counters" },
		{ "--rt-limit maybe", "none of pause, lift, keep" },
		{ "--step 2us --threshold 10us", "more than a tenth" },
		{ "--quiet --json", "--quiet" },
		{ "--nosuch", "--nosuch" },
		{ "2-3", "\"2-3\" is no option" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct hwlat_opts o;
		struct err e = { 0 };

		assert_true(parse(rows[i].args, &o, &e) < 0);
		if (!strstr(e.text, rows[i].says))
			fail_msg("\"%s\" says: %s", rows[i].args, e.text);
		assert_null(strchr(e.text, '\n'));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(takes_hwlatdetects_options),
		cmocka_unit_test(takes_flags),
		cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
