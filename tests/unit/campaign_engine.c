// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cyclic/campaign_engine.h"
#include "lib/claim.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "tests/unit/cpus.h"
#include "tests/unit/fakejob.h"
#include "tests/unit/tree.h"

enum { ATTEMPTS = 8 };

#define KILLED	  "$(kill -KILL $$)"
#define SPIKE(ns) "{\"cpu\":1,\"latency_ns\":" ns "}\n"

/* What each attempt in turn measures, in seconds, of 40 that are asked in pieces of 10. */
static const struct {
	const char *name;
	enum spike_action on_spike;
	struct {
		int seconds;
		const char *exits;
		bool spike, over; /* over: above the limit */
	} attempts[ATTEMPTS];
	size_t n; /* that there should have been */
	const char *status;
	uint64_t measured_s;
	const char *verdict;
} rows[] = {
	{ "pieces",
	  SPIKE_RECORD,
	  { { 10, "0" }, { 10, "0", true }, { 10, "1" }, { 10, "4" } },
	  4,
	  "done",
	  40,
	  "pass" },
	{ "broken three times, but each measured something",
	  SPIKE_RECORD,
	  { { 5, "2" }, { 5, "2" }, { 5, "2" }, { 10, "0" }, { 10, "0" }, { 5, "0" } },
	  6,
	  "done",
	  40,
	  "inconclusive" },
	{ "broken before anything was measured, but not three times in a row",
	  SPIKE_RECORD,
	  { { 0, "2" },
	    { 10, "0" },
	    { 0, "2" },
	    { 10, "0" },
	    { 0, "2" },
	    { 10, "0" },
	    { 10, "0" } },
	  7,
	  "done",
	  40,
	  "inconclusive" },
	{ "the third in a row measured",
	  SPIKE_RECORD,
	  { { 0, "2" }, { 0, "2" }, { 1, "2" }, { 10, "0" }, { 10, "0" }, { 10, "0" }, { 9, "0" } },
	  7,
	  "done",
	  40,
	  "inconclusive" },
	{ "three in a row measured nothing",
	  SPIKE_RECORD,
	  { { 10, "0" }, { 0, "2" }, { 0, "2" }, { 0, "2" } },
	  4,
	  "broken",
	  10,
	  "incomplete" },
	{ "good ones that measured nothing do not go on for ever",
	  SPIKE_RECORD,
	  { { 10, "0" }, { 0, "0" }, { 0, "0" }, { 0, "0" } },
	  4,
	  "broken",
	  10,
	  "incomplete" },
	{ "a spike ends the phase, which lacks its time",
	  SPIKE_STOP,
	  { { 10, "0" }, { 3, "0", true } },
	  2,
	  "done",
	  13,
	  "incomplete" },
	{ "also one in an attempt that broke",
	  SPIKE_STOP,
	  { { 3, "2", true } },
	  1,
	  "done",
	  3,
	  "incomplete" },
	{ "killed from outside, and what it had to measure measured again",
	  SPIKE_RECORD,
	  { { 5, KILLED }, { 10, "0" }, { 10, "0" }, { 10, "0" }, { 5, "143" } },
	  5,
	  "done",
	  40,
	  "pass" },
	{ "crashed: how late it was then nobody saw",
	  SPIKE_RECORD,
	  { { 10, "0" }, { 10, "0" }, { 5, "$(kill -SEGV $$)" }, { 10, "0" }, { 5, "0" } },
	  5,
	  "done",
	  40,
	  "inconclusive" },
	{ "killed behind a spike whose slice is lost with it",
	  SPIKE_RECORD,
	  { { 5, KILLED, .over = true }, { 10, "0" }, { 10, "0" }, { 10, "0" }, { 5, "0" } },
	  5,
	  "done",
	  40,
	  "fail" },
};

static void lay_down(size_t i)
{
	for (size_t k = 0; k < rows[i].n; k++) {
		char name[32], text[32];

		snprintf(name, sizeof(name), "log.%zu", k + 1);
		if (rows[i].attempts[k].seconds)
			fake_log(name, 1, 1, rows[i].attempts[k].seconds);
		snprintf(name, sizeof(name), "spikes.%zu", k + 1);
		put_file(name, rows[i].attempts[k].over	   ? SPIKE("60000")
			       : rows[i].attempts[k].spike ? SPIKE("9")
							   : "");
		snprintf(name, sizeof(name), "do.%zu", k + 1);
		snprintf(text, sizeof(text), "exit %s\n", rows[i].attempts[k].exits);
		put_file(name, text);
	}
}

static void open_engine(struct engine *en, struct campaign *c, struct state *s)
{
	static char self[128];
	struct err e = { 0 };
	struct run run;

	strcpy(self, in_dir("self"));
	if (run_create(&run, in_dir("campaign"), "test", &e) < 0 ||
	    state_create(s, run.dir, c, "", &e) < 0)
		fail_msg("%s", e.text);
	run_close(&run);
	*en = (struct engine){ .c = c, .state = s, .self = self, .sysfs = "/sys", .quiet = true };
}

static struct campaign *make_campaign(enum spike_action on_spike)
{
	struct err e = { 0 };
	struct campaign *c = campaign_new(&e);
	struct phase_entry *p = c->phases;

	assert_non_null(c);
	strcpy(p->entry.name, "p");
	c->smoke = true;
	c->slice_ns = 10 * SEC;
	c->n_phases = 1;
	p->run = RUN_SAMPLE;
	p->duration_ns = 40 * SEC;
	p->segment_ns = 10 * SEC;
	p->interval_ns = SEC / 1000;
	p->spike_ns = 1000;
	p->limits[p->n_limits++] = (struct sample_limit){ .what = "max_ns", .ns = 50000 };
	p->on_spike = on_spike;
	cpulist_add(&p->cpus, 1);
	return c;
}

static void attempts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ struct campaign *c = make_campaign(rows[i].on_spike);
		_cleanup_free_ char *asked = NULL;
		struct err e = { 0 };
		struct engine en;
		struct state s;
		json_object *p;
		int ret;

		fake_make();
		lay_down(i);
		/* of all attempts together: one alone may have too few samples for it */
		c->phases[0].limits[c->phases[0].n_limits++] =
			(struct sample_limit){ .what = "p99_ns", .ns = 50000 };
		open_engine(&en, c, &s);
		ret = engine_run(&en, &e);
		assert_true(file_load(in_dir("asked"), 1 << 16, &asked, &e) > 0);
		assert_non_null(strstr(asked, "--limit=max="));
		assert_null(strstr(asked, "p99"));
		p = state_phase(&s, 0);
		if (ret < 0 || json_object_array_length(json_at(p, "attempts")) != rows[i].n ||
		    strcmp(json_str(p, "status", ""), rows[i].status) != 0 ||
		    strcmp(json_str(p, "verdict", ""), rows[i].verdict) != 0 ||
		    (uint64_t)json_int(p, "measured_ns", 0) != rows[i].measured_s * SEC)
			fail_msg("%s: %d, %s", rows[i].name, ret,
				 json_object_to_json_string_ext(p, JSON_C_TO_STRING_PRETTY));
		state_close(&s);
		fake_free();
	}
}

/* What is left may be shorter than the instrument takes: it is asked for more, not for ever refused. */
static void short_rest(void **state)
{
	_cleanup_free_ struct campaign *c = make_campaign(SPIKE_RECORD);
	_cleanup_free_ char *asked = NULL;
	struct err e = { 0 };
	struct engine en;
	struct state s;

	(void)state;
	c->phases[0].run = RUN_CYCLICTEST;
	c->phases[0].spike_ns = c->phases[0].segment_ns = 0;
	fake_make();
	fake_log("log.1", 1, 1, 39);
	put_file("do.1", "exit 143\n");
	fake_log("log.2", 1, 1, 2);
	put_file("do.2", "exit 0\n");
	open_engine(&en, c, &s);
	assert_int_equal(engine_run(&en, &e), VERDICT_PASS);
	assert_true(file_load(in_dir("asked"), 1 << 16, &asked, &e) > 0);
	assert_non_null(strstr(asked, "--duration=40s "));
	assert_non_null(strstr(asked, "--duration=2s "));
	state_close(&s);
	fake_free();
}

/* A campaign that was cut off behind its spike has nothing left to measure. */
static void spike_before_resume(void **state)
{
	_cleanup_free_ struct campaign *c = make_campaign(SPIKE_STOP);
	struct err e = { 0 };
	struct engine en;
	struct state s;

	(void)state;
	fake_make();
	fake_log("log.1", 1, 1, 3);
	put_file("spikes.1", "{\"cpu\":1,\"latency_ns\":9}\n");
	put_file("do.1", "exit 0\n");
	put_file("do.2", "exit 0\n");
	open_engine(&en, c, &s);
	assert_true(engine_run(&en, &e) >= 0);
	json_set_str(state_phase(&s, 0), "status", "running");
	assert_true(engine_run(&en, &e) >= 0);
	assert_int_equal(json_object_array_length(json_at(state_phase(&s, 0), "attempts")), 1);
	state_close(&s);
	fake_free();
}

/* A trace that lacks the guest's side explains nothing, so it is not the one that was asked for. */
static void whole_traces_count(void **state)
{
	static const char *const leaves[] = { "host.dat", "host.dat guest.dat", "", "" };
	_cleanup_free_ struct campaign *c = make_campaign(SPIKE_TRACE);
	_cleanup_free_ char *asked = NULL;
	struct guest_entry guest = { .image = "/none", .cpus_text = "0-1", .cpus.n = 2 };
	unsigned int traced = 0;
	struct err e = { 0 };
	struct engine en;
	struct state s;

	(void)state;
	c->phases[0].guests[c->phases[0].n_guests++] = &guest;
	c->phases[0].traces = 1;
	fake_make();
	for (size_t k = 0; k < ARRAY_SIZE(leaves); k++) {
		char name[32], text[128];

		snprintf(name, sizeof(name), "log.%zu", k + 1);
		fake_log(name, 1, 1, 10);
		snprintf(name, sizeof(name), "do.%zu", k + 1);
		snprintf(text, sizeof(text),
			 "mkdir trace; for f in %s; do echo x >trace/$f; done; exit 0\n",
			 leaves[k]);
		put_file(name, text);
	}
	open_engine(&en, c, &s);
	assert_true(engine_run(&en, &e) >= 0);
	assert_true(file_load(in_dir("asked"), 1 << 16, &asked, &e) > 0);
	for (const char *p = asked; (p = strstr(p, "--on-spike=trace")); p++)
		traced++;
	assert_int_equal(traced, 2);
	state_close(&s);
	fake_free();
}

static const char *last_line(char *text)
{
	char *end;

	text[strlen(text) - 1] = '\0'; /* its line end */
	end = strrchr(text, '\n');
	return end ? end + 1 : text;
}

/*
 * A spike at which cyclictest breaks off ends the attempt, and the next measures what is left: as often
 * as traces are asked for, whether one could be kept or not, then without breaking off.
 */
static void breaks_off(void **state)
{
	static const struct {
		enum spike_action on_spike;
		int seconds[4]; /* of each attempt: what it measured before its spike */
		size_t n, breaking; /* that there should be, and of them those told to break off */
		uint64_t measured_s;
		const char *verdict, *last_asked;
	} steps[] = {
		{ SPIKE_TRACE, { 10, 9, 21 }, 3, 2, 40, "pass", "--duration=21s" },
		/* less than cyclictest can be asked for */
		{ SPIKE_TRACE, { 20, 19, 2 }, 3, 2, 41, "pass", "--duration=2s" },
		{ SPIKE_TRACE, { 40 }, 1, 1, 40, "pass", "--duration=40s" },
		{ SPIKE_STOP, { 10 }, 1, 1, 10, "incomplete", "--duration=40s" },
		{ SPIKE_RECORD, { 40 }, 1, 0, 40, "pass", "--duration=40s" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		_cleanup_free_ struct campaign *c = make_campaign(steps[i].on_spike);
		_cleanup_free_ char *asked = NULL;
		struct phase_entry *phase = c->phases;
		size_t breaking = 0;
		struct err e = { 0 };
		struct engine en;
		struct state s;
		json_object *p;

		phase->run = RUN_CYCLICTEST;
		phase->segment_ns = 0;
		phase->traces = 2;
		fake_make();
		for (size_t k = 0; k < steps[i].n; k++) {
			char name[32];

			snprintf(name, sizeof(name), "log.%zu", k + 1);
			fake_log(name, 1, 1, steps[i].seconds[k]);
			snprintf(name, sizeof(name), "spikes.%zu", k + 1);
			if (steps[i].seconds[k] < 21 && steps[i].seconds[k] > 2)
				put_file(name, SPIKE("9"));
			snprintf(name, sizeof(name), "do.%zu", k + 1);
			put_file(name, "exit 0\n");
		}
		open_engine(&en, c, &s);
		assert_true(engine_run(&en, &e) >= 0);
		p = state_phase(&s, 0);
		assert_true(file_load(in_dir("asked"), 1 << 16, &asked, &e) > 0);
		for (const char *at = asked; (at = strstr(at, "--spike=1000ns --on-spike=")); at++)
			breaking++;
		if (json_object_array_length(json_at(p, "attempts")) != steps[i].n ||
		    breaking != steps[i].breaking ||
		    strcmp(json_str(p, "verdict", ""), steps[i].verdict) != 0 ||
		    (uint64_t)json_int(p, "measured_ns", 0) != steps[i].measured_s * SEC ||
		    !strstr(last_line(asked), steps[i].last_asked))
			fail_msg("row %zu: %zu break off: %s\n%s", i, breaking,
				 json_object_to_json_string_ext(p, JSON_C_TO_STRING_PRETTY), asked);
		state_close(&s);
		fake_free();
	}
}

/* A guest on a phase's CPU ends it at its first attempt, and no other phase; resumed, it has nothing to hide. */
static void another_has_a_cpu(void **state)
{
	_cleanup_free_ struct campaign *c = make_campaign(SPIKE_RECORD);
	struct cpulist isolated = cpus_of("1-2"), alone = cpus_of("1"), none = { 0 };
	const struct claim_opts o = { .isolated = &isolated,
				      .alone = &alone,
				      .beside = &none,
				      .alone_for = "--cpus",
				      .beside_for = "",
				      .remedy = "try" };
	const char *reasons;
	struct claim claim;
	struct err e = { 0 };
	struct engine en;
	struct state s;
	json_object *p;

	(void)state;
	tree_put("0-2\n", "devices/system/cpu/present");
	tree_put("0-2\n", "devices/system/cpu/online");
	tree_put("1-2\n", "devices/system/cpu/isolated");
	for (int cpu = 0; cpu < 3; cpu++)
		tree_put("", "devices/system/cpu/cpu%d/uevent", cpu);
	c->phases[1] = c->phases[0];
	c->n_phases = 2;
	strcpy(c->phases[1].entry.name, "q");
	c->phases[1].cpus = cpus_of("2");
	c->phases[1].duration_ns = 10 * SEC;
	fake_make();
	fake_log("log.1", 2, 2, 10);
	put_file("do.1", "exit 0\n");
	open_engine(&en, c, &s);
	en.sysfs = root;
	assert_int_equal(claim_cpus(&claim, root, &o, &e), 0);
	if (engine_run(&en, &e) != VERDICT_INCOMPLETE)
		fail_msg("%s", e.text);
	p = state_phase(&s, 0);
	reasons = json_object_to_json_string(json_at(p, "reasons"));
	if (json_object_array_length(json_at(p, "attempts")) != 1 ||
	    strcmp(json_str(p, "status", ""), "broken") != 0 ||
	    strcmp(json_str(p, "verdict", ""), "incomplete") != 0 ||
	    !strstr(reasons, "broken: phase p: CPU 1 wanted alone"))
		fail_msg("%s", json_object_to_json_string_ext(p, JSON_C_TO_STRING_PRETTY));
	p = state_phase(&s, 1);
	assert_string_equal(json_str(p, "status", ""), "done");
	assert_string_equal(json_str(p, "verdict", ""), "pass");
	claim_drop(&claim);
	for (int n = 2; n <= 5; n++) {
		char name[32];

		snprintf(name, sizeof(name), "log.%d", n);
		fake_log(name, 1, 1, 10);
		snprintf(name, sizeof(name), "do.%d", n);
		put_file(name, "exit 0\n");
	}
	if (engine_run(&en, &e) != VERDICT_PASS)
		fail_msg("%s: %s", e.text,
			 json_object_to_json_string_ext(state_phase(&s, 0),
							JSON_C_TO_STRING_PRETTY));
	state_close(&s);
	fake_free();
}

/* Two phases that came to this. */
static void set_phase(struct state *s, size_t i, const char *members)
{
	_cleanup_json_ json_object *o = json_tokener_parse(members);

	assert_non_null(o);
	json_object_object_foreach(o, key, value) {
		json_object_object_add(state_phase(s, i), key, json_object_get(value));
	}
}

static enum verdict held_against(struct run *run, uint64_t limit_ns)
{
	json_object_object_add(run->doc, "limits", json_object_new_array());
	run_add_limit(run, "max_ns", limit_ns);
	return run_judge(run, true);
}

/* The campaign's verdict, also when it is held against other limits later, as rtkvm report does. */
static void the_whole(void **state)
{
#define CPUS "\"cpus\":[{\"cpu\":1,\"instrument\":\"p\",\"samples\":1,\"max_ns\":5000}]"
	static const struct {
		const char *name, *p, *q;
		enum verdict first, narrow, wide; /* 1 us, 1 s */
		bool headline;
	} wholes[] = {
		{ "passed", "{\"verdict\":\"pass\"," CPUS "}", "{\"verdict\":\"pass\"}",
		  VERDICT_PASS, VERDICT_FAIL, VERDICT_PASS, true },
		{ "a gate skipped the second", "{\"verdict\":\"inconclusive\"," CPUS "}",
		  "{\"status\":\"skipped\"}", VERDICT_INCONCLUSIVE, VERDICT_FAIL,
		  VERDICT_INCONCLUSIVE, false },
		{ "the second not gone through", "{\"verdict\":\"pass\"," CPUS "}", "{}",
		  VERDICT_INCOMPLETE, VERDICT_FAIL, VERDICT_INCOMPLETE, false },
		{ "the kernel throttled", "{\"verdict\":\"pass\",\"throttled\":true," CPUS "}",
		  "{\"verdict\":\"pass\",\"throttled\":false}", VERDICT_PASS, VERDICT_INCONCLUSIVE,
		  VERDICT_PASS, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wholes); i++) {
		_cleanup_free_ struct campaign *c = make_campaign(SPIKE_RECORD);
		enum verdict first, narrow, wide;
		struct err e = { 0 };
		const char *reasons;
		struct engine en;
		struct state s;
		struct run run;

		c->phases[c->n_phases++] = c->phases[0];
		fake_make();
		open_engine(&en, c, &s);
		set_phase(&s, 0, wholes[i].p);
		set_phase(&s, 1, wholes[i].q);
		engine_finish(&en, true, &e);
		first = engine_finish(&en, true, &e); /* which leaves nothing of the one before */
		assert_int_equal(run_open(&run, s.dir, &e), 0);
		assert_int_equal(json_object_array_length(json_at(run.doc, "judged")),
				 wholes[i].headline);
		narrow = held_against(&run, 1000);
		reasons = json_object_to_json_string(json_at(run.doc, "reasons"));
		if (strstr(reasons, "everything worked"))
			fail_msg("%s: %s", wholes[i].name, reasons);
		wide = held_against(&run, SEC);
		if (first != wholes[i].first || narrow != wholes[i].narrow ||
		    wide != wholes[i].wide)
			fail_msg("%s: %s, %s, %s", wholes[i].name, verdict_name(first),
				 verdict_name(narrow), verdict_name(wide));
		run_close(&run);
		state_close(&s);
		fake_free();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attempts),
		cmocka_unit_test(short_rest),
		cmocka_unit_test(spike_before_resume),
		cmocka_unit_test(whole_traces_count),
		cmocka_unit_test(breaks_off),
		cmocka_unit_test(the_whole),
		tree_test(another_has_a_cpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
