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

/* A thread's stat line, as of /proc: its priority and policy are what is asked of it. */
#define STAT(name, priority, policy)                                                               \
	"9 (" name                                                                                 \
	") S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 2 0 9 9 9 9 9 9 9 9 9 9 9 9 9 9 0 0 17 1 " priority \
	" " policy " 0 0 0\n"
#define FIFO_95 STAT("cyclictest", "95", "1")

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
	{ "to its end, which no mark of the guest tells", "43199.9", "22:00:00", 0, false,
	  12 * HOURS, true },
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

/* What a run of cyclictest with one thread, on CPU 1, has told. */
struct told {
	const char *histogram; /* in its JSON */
	int cycles, max_us;
	const char *threads; /* their stat lines */
	const char *text; /* what it printed; NULL: nothing */
};

/* Feed it to a run of that name, which is the caller's to close. */
static int take(struct run *run, const char *name, struct gathered *g, const struct told *t,
		struct err *e)
{
	const struct frame_file threads = { .data = (const uint8_t *)t->threads,
					    .len = strlen(t->threads) };
	const struct frame_file text = { .data = (const uint8_t *)t->text,
					 .len = t->text ? strlen(t->text) : 0 };
	struct frame_file json = { .len = 0 };
	const struct figures_files files = { &json, t->text ? &text : NULL, &threads };
	char doc[512], dir[128];

	json.len = snprintf(doc, sizeof(doc),
			    "{\"file_version\":1,\"num_threads\":1,\"thread\":{\"0\":{\"cpu\":1,"
			    "\"min\":3,\"max\":%d,\"cycles\":%d,\"histogram\":{%s}}}}",
			    t->max_us, t->cycles, t->histogram);
	json.data = (const uint8_t *)doc;
	snprintf(dir, sizeof(dir), "%s/%s", root, name);
	assert_int_equal(run_create(run, dir, "test", e), 0);
	return figures_take(run, g, &files, e);
}

static void oslat(bool host)
{
	struct cpumap map = { .n = host ? 1 : 2, .host = { 1, 1 } };
	struct ctopts o = {
		.instrument = GUEST_OSLAT, .duration_s = 43200, .priority = 1, .host = host
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		/* as a guest's or the host's JSON has it, and its only thread's stat line */
		static const char stat[] = STAT("oslat", "1", "1");
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
		    !json_at(run.doc, "doubts") == (rows[i].doubt && (rows[i].job_ns || !host)))
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
		const struct told told = { .histogram = "\"3\":9,\"99\":1",
					   .cycles = stopped[i].cycles,
					   .max_us = stopped[i].max_us,
					   .threads = FIFO_95 };
		int64_t missed = stopped[i].missed;
		struct err e = { 0 };
		json_object *cpu;
		struct run run;

		if (take(&run, stopped[i].name, &g, &told, &e) < 0)
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

/* What cyclictest prints: the thread that was late, and by how many microseconds. */
#define IDS	  "# Thread Ids: 00009\n"
#define BROKE(us) IDS "# Break thread: 9\n# Break value: " us "\n"

/* A cyclictest of an hour at 200 us that should break off at 400 us. */
static const struct broken {
	const char *name;
	struct told told;
	enum spike_action on_spike;
	int ret;
	struct {
		int64_t samples, missed, expected;
	} want;
	const char *reason; /* NULL: none */
} broken[] = {
	{ .name = "whole",
	  .told = { "\"3\":9,\"450\":1", 10, 450, FIFO_95, BROKE("450") },
	  .on_spike = SPIKE_TRACE,
	  .want = { 10, 2, 12 },
	  .reason = "450 us late on CPU 1, as asked" },
	{ .name = "its last sample not counted",
	  .told = { "\"3\":9", 9, 450, FIFO_95, BROKE("450") },
	  .on_spike = SPIKE_STOP,
	  .want = { 10, 2, 12 },
	  .reason = "450 us late on CPU 1, as asked" },
	{ .name = "too soon for its threads to be read",
	  .told = { "\"450\":1", 1, 450, "", BROKE("450") },
	  .on_spike = SPIKE_TRACE,
	  .want = { 1, 2, 3 },
	  .reason = "before the priority of all its threads" },
	{ .name = "long after its threads should have been read",
	  .told = { "\"3\":5000,\"450\":1", 5001, 450, STAT("cyclictest", "0", "0"), BROKE("450") },
	  .on_spike = SPIKE_TRACE,
	  .ret = -EPROTO },
	{ .name = "less late than asked",
	  .told = { "\"3\":9,\"450\":1", 10, 450, FIFO_95, BROKE("1") },
	  .on_spike = SPIKE_STOP,
	  .ret = -EPROTO },
	{ .name = "later than its job was long",
	  .told = { "\"3\":9", 9, 450, FIFO_95, BROKE("43200000000") },
	  .on_spike = SPIKE_STOP,
	  .ret = -EPROTO },
	{ .name = "by threads that had another priority",
	  .told = { "\"450\":1", 1, 450, STAT("cyclictest", "94", "1"), BROKE("450") },
	  .on_spike = SPIKE_TRACE,
	  .ret = -EPROTO },
	{ .name = "not at all",
	  .told = { "\"3\":18000000", 18000000, 3, FIFO_95, IDS },
	  .on_spike = SPIKE_TRACE,
	  .want = { 18000000, 0, 18000000 } },
	{ .name = "not at all, its threads not seen",
	  .told = { "\"3\":18000000", 18000000, 3, "", IDS },
	  .on_spike = SPIKE_TRACE,
	  .ret = -EPROTO },
	/* nobody gave it -b: whatever wrote that, it was to measure to its end */
	{ .name = "unasked",
	  .told = { "\"3\":9,\"450\":1", 10, 450, FIFO_95, BROKE("450") },
	  .on_spike = SPIKE_RECORD,
	  .want = { 10, 17999990, 18000000 } },
};

static void check_broken(const struct broken *b, struct run *run, bool broke)
{
	json_object *cpu = json_object_array_get_idx(json_at(run->doc, "cpus"), 0);
	const char *reasons = json_object_to_json_string(json_at(run->doc, "reasons"));

	if (b->reason ? !strstr(reasons, b->reason) : strlen(reasons) > 4)
		fail_msg("%s: %s", b->name, reasons);
	if (!b->ret && (json_int(cpu, "samples", -1) != b->want.samples ||
			json_int(cpu, "missed", -1) != b->want.missed ||
			json_int(cpu, "expected", -1) != b->want.expected ||
			(uint64_t)b->want.expected * 200000 != duration_in_log(run)))
		fail_msg("%s: %s", b->name, json_object_to_json_string(cpu));
	assert_int_equal(!!json_at(run->doc, "stopped_at_spike"), broke);
}

/* Its time is what it measured, and the late wake-up is in its figures. */
static void broke_off(void **state)
{
	struct cpumap map = { .n = 1, .host = { 1 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		const struct ctopts o = { .instrument = GUEST_CYCLICTEST,
					  .interval_us = 200,
					  .duration_s = 3600,
					  .histogram_us = 1000,
					  .priority = 95,
					  .on_spike = broken[i].on_spike,
					  .spike_ns = 400000,
					  .host = true };
		struct gathered g = { .o = &o, .cpus = &map, .job_ns = HOURS };
		struct err e = { 0 };
		struct run run;
		int ret = take(&run, broken[i].name, &g, &broken[i].told, &e);

		if (ret != broken[i].ret)
			fail_msg("%s: %d %s", broken[i].name, ret, e.text);
		check_broken(&broken[i], &run, !ret && g.broke.late_ns > 0);
		run_close(&run);
	}
}

/* A guest's cyclictest that served all its periods, held against the host's clock. */
static void guest_clock(void **state)
{
	static const struct {
		const char *name;
		uint64_t job_s;
		const char *text; /* NULL: it says nothing of its own */
		bool interrupted, doubt;
		uint64_t want_s;
		const char *reason, *ended; /* NULL: any; the VMM's event */
		bool beyond; /* samples are, so that nobody knows what they hid */
	} clocks[] = {
		{ "as long as asked", 3605, NULL, false, false, 3600 },
		{ "within what may lack", 3564, NULL, false, false, 3600 },
		{ "a clock that runs fast by two per cent", 3529, NULL, false, true, 3600 },
		{ "a second", 1, NULL, false, true, 3600, "cyclictest ended after 1.0 s" },
		{ "its end not known", 0, NULL, false, true, 3600,
		  "[ \"the end of the guest's job is not known" },
		{ "its end lost, which is told", 0, NULL, false, false, 3600, "[ ]",
		  "{\"marks_lost\":1}" },
		{ "stopped by us, its end not known", 0, NULL, true, true, 3600,
		  "[ \"the end of the guest's job is not known" },
		{ "stopped by us after a minute", 60, NULL, true, true, 60 },
		{ "and nobody knows what some of it hid", 60, NULL, true, true, 60,
		  "runs fast, or its figures are wrong", .beyond = true },
		{ "stopped by us at its end", 3605, NULL, true, false, 3600 },
		{ "stopped by us a little before its end", 3599, NULL, true, false, 3599 },
		{ "broke off after a minute", 60, BROKE("190"), false, true, 60 },
		{ "broke off at its end", 3605, BROKE("190"), false, false, 3600 },
	};
	struct cpumap map = { .n = 2, .host = { 0, 1 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(clocks); i++) {
		const struct told told = { clocks[i].beyond ? "\"3\":17999990" : "\"3\":17999999",
					   18000000, clocks[i].beyond ? 450 : 190, FIFO_95,
					   clocks[i].text };
		const struct ctopts o = { .instrument = GUEST_CYCLICTEST,
					  .interval_us = 200,
					  .duration_s = 3600,
					  .histogram_us = 100,
					  .priority = 95,
					  .on_spike = clocks[i].text ? SPIKE_STOP : SPIKE_RECORD,
					  .spike_ns = 150000 };
		struct gathered g = { .o = &o, .cpus = &map, .interrupted = clocks[i].interrupted };
		struct err e = { 0 };
		struct run run;

		g.mark_ns[ABI_MARK_JOB_START] = 77;
		if (clocks[i].job_s)
			g.mark_ns[ABI_MARK_JOB_END] = 77 + clocks[i].job_s * NSEC_PER_SEC;
		g.ended = clocks[i].ended ? json_tokener_parse(clocks[i].ended) : NULL;
		if (take(&run, clocks[i].name, &g, &told, &e) < 0)
			fail_msg("%s: %s", clocks[i].name, e.text);
		if (!json_at(run.doc, "doubts") == clocks[i].doubt ||
		    duration_in_log(&run) != clocks[i].want_s * NSEC_PER_SEC ||
		    (clocks[i].reason &&
		     !strstr(json_object_to_json_string(json_at(run.doc, "reasons")),
			     clocks[i].reason)))
			fail_msg("%s: %ju ns %s", clocks[i].name, (uintmax_t)duration_in_log(&run),
				 json_object_to_json_string(run.doc));
		json_object_put(g.ended);
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
