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

#include "cyclic/figures.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "results/log.h"
#include "tests/unit/tree.h"

#define HOURS (3600 * NSEC_PER_SEC)
#define MS    1000000ull

/* An oslat of 12 hours that was stopped after 10 minutes; it tells its time, start and end. */
static const struct {
	const char *name;
	const char *duration; /* as in its JSON; "" none */
	const char *end; /* of day; it began at 10:00:00 */
	uint64_t job_ns; /* by CLOCK_MONOTONIC */
	bool interrupted;
	uint64_t want_ns;
	bool doubt;
} rows[] = {
	{ "as it was", "598.5", "10:10:00", 600 * NSEC_PER_SEC, true, 598500 * MS },
	{ "the clock was set 10 hours on", "598.5", "20:10:00", 600 * NSEC_PER_SEC, true,
	  598500 * MS },
	{ "the clock was set back", "598.5", "09:10:00", 600 * NSEC_PER_SEC, true, 598500 * MS },
	{ "a guest that claims a day", "86400.0", "10:10:00", 600 * NSEC_PER_SEC, true,
	  600000 * MS },
	{ "more than was asked", "86400.0", "10:10:00", 24 * HOURS, true, 12 * HOURS },
	{ "less than nothing", "-1", "10:10:00", 600 * NSEC_PER_SEC, true, 0 },
	{ "not told", "", "10:10:00", 600 * NSEC_PER_SEC, true, 0 },
	{ "no number", "\"long\"", "10:10:00", 600 * NSEC_PER_SEC, true, 0 },
	{ "it ended long before its time, by its own word", "60", "22:00:00", 12 * HOURS, false,
	  60 * NSEC_PER_SEC, true },
	{ "and by the host's clock", "43200", "22:00:00", 600 * MS, false, 600 * MS, true },
	{ "not told, and it ended before its time", "", "10:10:00", 600 * NSEC_PER_SEC, false,
	  600 * NSEC_PER_SEC, true },
	{ "to its end, not told", "", "22:00:00", 12 * HOURS + 5 * NSEC_PER_SEC, false,
	  12 * HOURS },
	{ "to its end", "43199.9", "22:00:00", 12 * HOURS + 5 * NSEC_PER_SEC, false, 12 * HOURS },
};

static uint64_t duration_in_log(const struct run *run)
{
	_cleanup_free_ struct log_reader *r = malloc(sizeof(*r));
	struct err e = { 0 };
	char path[PATH_MAX];
	uint64_t ns;

	assert_non_null(r);
	assert_int_equal(log_open(r, run_path(run, "latency.log", path), &e), 0);
	assert_int_equal(log_next(r, &e), LOG_SLICE);
	ns = r->slice.duration_ns;
	log_reader_close(r);
	return ns;
}

static void oslat(bool host)
{
	struct cpumap map = { .n = host ? 1 : 2, .host = { 1, 1 } };
	struct ctopts o = {
		.instrument = GUEST_OSLAT, .duration_s = 43200, .priority = 1, .host = host
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		/* as a guest's or the host's JSON has it, and its only thread's stat line */
		static const char stat[] =
			"9 (oslat) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 2 0 9 9 9 9 9 9 9 9 9 9 9 "
			"9 9 9 0 0 17 1 1 1 0 0 0\n";
		const struct frame_file threads = { .data = (const uint8_t *)stat,
						    .len = strlen(stat) };
		struct gathered g = { .o = &o, .cpus = &map, .interrupted = rows[i].interrupted };
		struct frame_file json = { .len = 0 };
		const struct figures_files files = { .json = &json, .threads = &threads };
		char text[1024], name[128];
		struct err e = { 0 };
		struct run run;

		g.job_ns = host ? rows[i].job_ns : 0;
		g.mark_ns[ABI_MARK_JOB_START] = host ? 0 : 77;
		g.mark_ns[ABI_MARK_JOB_END] = host ? 0 : 77 + rows[i].job_ns;
		snprintf(
			text, sizeof(text),
			"{\"file_version\":1,\"rt_test_version:\":\"2.40\",\"start_time\":"
			"\"Fri, 20 Nov 2026 10:00:00 +0000\",\"end_time\":\"Fri, 20 Nov 2026 %s "
			"+0000\",\"num_threads\":1,\"thread\":{\"0\":{\"cpu\":1,\"min\":1,\"max\":3,"
			"%s%s%s\"histogram\":{\"1\":10,\"3\":2}}}}",
			rows[i].end, *rows[i].duration ? "\"duration\":" : "", rows[i].duration,
			*rows[i].duration ? "," : "");
		json.data = (const uint8_t *)text;
		json.len = strlen(text);
		snprintf(name, sizeof(name), "%s/%d-%zu", root, host, i);
		if (run_create(&run, name, "test", &e) < 0 ||
		    figures_take(&run, &g, &files, &e) < 0)
			fail_msg("%s: %s", rows[i].name, e.text);
		if (duration_in_log(&run) != rows[i].want_ns ||
		    !json_at(run.doc, "doubts") == rows[i].doubt)
			fail_msg("%s: %ju ns", rows[i].name, (uintmax_t)duration_in_log(&run));
		run_close(&run);
	}
}

static void oslat_on_host(void **state)
{
	(void)state;
	oslat(true);
}

static void oslat_in_guest(void **state)
{
	(void)state;
	oslat(false);
}

/* A cyclictest at 200 us with -h 100 that was stopped: what samples beyond its range hid. */
static void beyond_the_range(void **state)
{
	static const struct {
		const char *name;
		int cycles, max_us; /* ten are in the histogram */
		int64_t missed; /* -1: cannot be told */
	} stopped[] = {
		{ "none is", 10, 99, 0 },
		{ "shorter than a period", 13, 199, 0 },
		{ "one of two periods", 11, 450, 2 },
		{ "one of two periods, the others of none or two", 13, 450, -1 },
	};
	static const char stat[] =
		"9 (cyclictest) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 2 0 9 9 9 9 9 9 9 9 9 9 9 "
		"9 9 9 0 0 17 1 95 1 0 0 0\n";
	const struct frame_file threads = { .data = (const uint8_t *)stat, .len = strlen(stat) };
	struct cpumap map = { .n = 1, .host = { 1 } };
	struct ctopts o = { .instrument = GUEST_CYCLICTEST,
			    .interval_us = 200,
			    .duration_s = 3600,
			    .histogram_us = 100,
			    .priority = 95,
			    .host = true };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(stopped); i++) {
		struct gathered g = { .o = &o, .cpus = &map, .interrupted = true };
		int64_t missed = stopped[i].missed;
		struct frame_file json = { .len = 0 };
		const struct figures_files files = { .json = &json, .threads = &threads };
		char text[512], name[128];
		struct err e = { 0 };
		json_object *cpu;
		struct run run;

		json.len = snprintf(
			text, sizeof(text),
			"{\"file_version\":1,\"num_threads\":1,\"thread\":{\"0\":{\"cpu\":1,"
			"\"min\":3,\"max\":%d,\"cycles\":%d,\"histogram\":{\"3\":9,\"99\":1}}}}",
			stopped[i].max_us, stopped[i].cycles);
		json.data = (const uint8_t *)text;
		snprintf(name, sizeof(name), "%s/beyond-%zu", root, i);
		if (run_create(&run, name, "test", &e) < 0 ||
		    figures_take(&run, &g, &files, &e) < 0)
			fail_msg("%s: %s", stopped[i].name, e.text);
		cpu = json_object_array_get_idx(json_at(run.doc, "cpus"), 0);
		if (json_int(cpu, "samples", -1) != stopped[i].cycles ||
		    json_int(cpu, "max_ns", -1) != stopped[i].max_us * 1000 ||
		    json_int(cpu, "over", 0) != stopped[i].cycles - 10 ||
		    json_int(cpu, "missed", -1) != missed ||
		    json_int(cpu, "expected", -1) != (missed < 0 ? -1 : stopped[i].cycles + missed))
			fail_msg("%s: %s", stopped[i].name, json_object_to_json_string(cpu));
		run_close(&run);
	}
}

/* What may be lacking: of little a second, then a tenth, of much a hundredth. */
static void slack(void **state)
{
	static const struct {
		uint64_t asked_s, ms;
		bool whole;
	} cases[] = {
		{ 2, 1000, true },	   { 2, 999, false },	       { 60, 54000, true },
		{ 60, 53999, false },	   { 500, 490000, true },      { 500, 489999, false },
		{ 36000, 35640000, true }, { 36000, 35639999, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct ctopts o = { .duration_s = cases[i].asked_s };

		if (outcome_whole(&o, cases[i].ms * MS) != cases[i].whole)
			fail_msg("%ju ms of %ju s", (uintmax_t)cases[i].ms,
				 (uintmax_t)cases[i].asked_s);
	}
}

/* A cyclictest that broke off: its time is what it measured, and the late wake-up is in its figures. */
static void broke_off(void **state)
{
#define STAT(priority, policy)                                                                                  \
	"9 (cyclictest) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 2 0 9 9 9 9 9 9 9 9 9 9 9 9 9 9 0 0 17 1 " priority \
	" " policy " 0 0 0\n"
#define IDS	     "# Thread Ids: 00009\n"
#define BREAK(value) IDS "# Break thread: 9\n# Break value: " value "\n"
#define TOLD	     BREAK("450")
#define EARLY	     BREAK("1")
#define HOURS_LATE   BREAK("43200000000")
	static const struct {
		const char *name, *histogram;
		int cycles, max_us;
		const char *stat, *text;
		enum spike_action on_spike;
		int ret;
		int64_t samples, missed, expected;
		const char *reason; /* NULL: none */
	} broken[] = {
		{ "whole", "\"3\":9,\"450\":1", 10, 450, STAT("95", "1"), TOLD, SPIKE_TRACE, 0, 10,
		  2, 12, "450 us late on CPU 1, as asked" },
		{ "its last sample not counted", "\"3\":9", 9, 450, STAT("95", "1"), TOLD,
		  SPIKE_STOP, 0, 10, 2, 12, "450 us late on CPU 1, as asked" },
		{ "too soon for its threads to be read", "\"450\":1", 1, 450, "", TOLD, SPIKE_TRACE,
		  0, 1, 2, 3, "before the priority of all its threads" },
		{ "long after its threads should have been read", "\"3\":5000,\"450\":1", 5001, 450,
		  STAT("0", "0"), TOLD, SPIKE_TRACE, -EPROTO, 0, 0, 0, NULL },
		{ "less late than asked", "\"3\":9,\"450\":1", 10, 450, STAT("95", "1"), EARLY,
		  SPIKE_STOP, -EPROTO, 0, 0, 0, NULL },
		{ "later than its job was long", "\"3\":9", 9, 450, STAT("95", "1"), HOURS_LATE,
		  SPIKE_STOP, -EPROTO, 0, 0, 0, NULL },
		{ "by threads that had another priority", "\"450\":1", 1, 450, STAT("94", "1"),
		  TOLD, SPIKE_TRACE, -EPROTO, 0, 0, 0, NULL },
		{ "not at all", "\"3\":18000000", 18000000, 3, STAT("95", "1"), IDS, SPIKE_TRACE, 0,
		  18000000, 0, 18000000, NULL },
		{ "not at all, its threads not seen", "\"3\":18000000", 18000000, 3, "", IDS,
		  SPIKE_TRACE, -EPROTO, 0, 0, 0, NULL },
		/* nobody gave it -b: whatever wrote that, it was to measure to its end */
		{ "unasked", "\"3\":9,\"450\":1", 10, 450, STAT("95", "1"), TOLD, SPIKE_RECORD, 0,
		  10, 17999990, 18000000, NULL },
	};
	struct cpumap map = { .n = 1, .host = { 1 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		const struct frame_file threads = { .data = (const uint8_t *)broken[i].stat,
						    .len = strlen(broken[i].stat) };
		const struct frame_file told = { .data = (const uint8_t *)broken[i].text,
						 .len = strlen(broken[i].text) };
		struct frame_file json = { .len = 0 };
		const struct figures_files files = { &json, &told, &threads };
		const struct ctopts o = { .instrument = GUEST_CYCLICTEST,
					  .interval_us = 200,
					  .duration_s = 3600,
					  .histogram_us = 1000,
					  .priority = 95,
					  .on_spike = broken[i].on_spike,
					  .spike_ns = 400000,
					  .host = true };
		struct gathered g = { .o = &o, .cpus = &map, .job_ns = HOURS };
		char text[512], name[128];
		struct err e = { 0 };
		json_object *cpu;
		struct run run;
		int ret;

		json.len = snprintf(text, sizeof(text),
				    "{\"file_version\":1,\"num_threads\":1,\"thread\":{\"0\":{"
				    "\"cpu\":1,\"min\":3,\"max\":%d,\"cycles\":%d,"
				    "\"histogram\":{%s}}}}",
				    broken[i].max_us, broken[i].cycles, broken[i].histogram);
		json.data = (const uint8_t *)text;
		snprintf(name, sizeof(name), "%s/broke-%zu", root, i);
		assert_int_equal(run_create(&run, name, "test", &e), 0);
		ret = figures_take(&run, &g, &files, &e);
		if (ret != broken[i].ret)
			fail_msg("%s: %d %s", broken[i].name, ret, e.text);
		cpu = json_object_array_get_idx(json_at(run.doc, "cpus"), 0);
		snprintf(text, sizeof(text), "%s",
			 json_object_to_json_string(json_at(run.doc, "reasons")));
		if (!ret && (json_int(cpu, "samples", -1) != broken[i].samples ||
			     json_int(cpu, "missed", -1) != broken[i].missed ||
			     json_int(cpu, "expected", -1) != broken[i].expected ||
			     (uint64_t)broken[i].expected * 200000 != duration_in_log(&run)))
			fail_msg("%s: %s", broken[i].name, json_object_to_json_string(cpu));
		if (broken[i].reason ? !strstr(text, broken[i].reason) : strlen(text) > 4)
			fail_msg("%s: %s", broken[i].name, text);
		assert_int_equal(!!json_at(run.doc, "stopped_at_spike"),
				 !ret && g.broke.late_ns > 0);
		run_close(&run);
	}
#undef HOURS_LATE
#undef EARLY
#undef TOLD
#undef BREAK
#undef IDS
#undef STAT
}

/* A guest's cyclictest that served all its periods, held against the host's clock. */
static void guest_clock(void **state)
{
	static const struct {
		const char *name;
		uint64_t job_s;
		bool interrupted, doubt;
	} clocks[] = {
		{ "as long as asked", 3605, false, false },
		{ "within what may lack", 3564, false, false },
		{ "a clock that runs fast by two per cent", 3529, false, true },
		{ "no time at all", 0, false, true },
		{ "stopped by us", 60, true, false },
	};
	static const char stat[] =
		"9 (cyclictest) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 2 0 9 9 9 9 9 9 9 9 9 9 9 "
		"9 9 9 0 0 17 1 95 1 0 0 0\n";
	static const char json_text[] =
		"{\"file_version\":1,\"num_threads\":1,\"thread\":{\"0\":{\"cpu\":1,"
		"\"min\":3,\"max\":3,\"cycles\":18000000,\"histogram\":{\"3\":18000000}}}}";
	const struct frame_file threads = { .data = (const uint8_t *)stat, .len = strlen(stat) };
	const struct frame_file json = { .data = (const uint8_t *)json_text,
					 .len = strlen(json_text) };
	const struct figures_files files = { .json = &json, .threads = &threads };
	struct cpumap map = { .n = 2, .host = { 0, 1 } };
	struct ctopts o = { .instrument = GUEST_CYCLICTEST,
			    .interval_us = 200,
			    .duration_s = 3600,
			    .histogram_us = 100,
			    .priority = 95 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(clocks); i++) {
		struct gathered g = { .o = &o, .cpus = &map, .interrupted = clocks[i].interrupted };
		char name[128];
		struct err e = { 0 };
		struct run run;

		g.mark_ns[ABI_MARK_JOB_START] = 77;
		g.mark_ns[ABI_MARK_JOB_END] = 77 + clocks[i].job_s * NSEC_PER_SEC;
		snprintf(name, sizeof(name), "%s/clock-%zu", root, i);
		if (run_create(&run, name, "test", &e) < 0 ||
		    figures_take(&run, &g, &files, &e) < 0)
			fail_msg("%s: %s", clocks[i].name, e.text);
		if (!json_at(run.doc, "doubts") == clocks[i].doubt)
			fail_msg("%s: %s", clocks[i].name, json_object_to_json_string(run.doc));
		run_close(&run);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(guest_clock),	   tree_test(broke_off),	tree_test(oslat_on_host),
		tree_test(oslat_in_guest), tree_test(beyond_the_range), cmocka_unit_test(slack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
