// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cyclic/campaign_attempts.h"
#include "cyclic/campaign_baseline.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "tests/unit/fakejob.h"

#define NONE	 UINT64_MAX /* no sample at all */
#define PROOF(n) "{\"count\":" n ",\"per_second\":" n ",\"seconds\":10}\n"

static struct guest_entry guest = { .entry.name = "g", .image = "/none", .cpus.n = 2 };
static const struct guest_load load = { .name = "fork" };

/*
 * A phase of 40 s, limit 50 us, of which attempt "a" measured 20 s and attempt "b", whole, the rest.
 * Rows that come in pairs differ in what makes the difference.
 */
static const struct {
	const char *name;
	enum { GUEST, LOADED_GUEST, HOST } where;
	enum instrument run;
	/* attempt "a": its status, and so its job's outcome (NULL: there was no "a"), and more about it */
	const char *status;
	int code;
	bool silent;
	const char *said, *attempt;
	/* what it left: latencies (0: 5 us), run.json beside its verdict, its guest's loads.jsonl */
	uint64_t latency_ns;
	const char *verdict, *doc, *loads;
	const char *want, *reason; /* of the phase */
	bool smoke;
	int last_code; /* of "b" */
	bool refused; /* "a", for its CPU */
	bool nothing; /* "a" left no directory, and "b" has measured it all */
} rows[] = {
	{ "a load of a stopped attempt", GUEST, RUN_CYCLICTEST, "stopped", 3,
	  .doc = "\"doubts\":[\"the load was dead\"]", .want = "inconclusive",
	  .reason = "the load was dead" },
	{ "one without doubts", GUEST, RUN_CYCLICTEST, "stopped", 3,
	  .doc = "\"reasons\":[\"interrupted\"]", .want = "pass" },
	{ "it broke off at a spike, and the rest was measured by another", GUEST, RUN_CYCLICTEST,
	  "whole", 3, .verdict = "incomplete",
	  .doc = "\"stopped_at_spike\":true,\"reasons\":[\"the cause is x\"]", .want = "pass",
	  .reason = "the cause is x" },
	{ "a load of the host that failed before its campaign was cut off", GUEST, RUN_SAMPLE,
	  "lost", .attempt = "\"load_failures\":[\"load l died\"]", .want = "inconclusive",
	  .reason = "load l died" },
	{ "a guest's load that worked until its harness was killed", LOADED_GUEST, RUN_SAMPLE,
	  "lost", .loads = PROOF("12") PROOF("9"), .want = "pass", .reason = "cut off 1 time" },
	{ "one that did nothing before", LOADED_GUEST, RUN_SAMPLE, "lost",
	  .loads = PROOF("12") PROOF("0"), .want = "inconclusive",
	  .reason = "in a the guest's load fork: 1 slices below its floor" },
	{ "one that was silent", LOADED_GUEST, RUN_SAMPLE, "lost", .loads = "",
	  .want = "inconclusive", .reason = "proved its work for 0 s of 20 s" },
	{ "its host went down", GUEST, RUN_SAMPLE, "lost",
	  .attempt = "\"number\":1,\"rebooted\":true", .want = "inconclusive",
	  .reason = "attempt 1 ended with its host" },
	{ "asked to stop it did not answer", GUEST, RUN_SAMPLE, "stopped", 3, .silent = true,
	  .want = "inconclusive", .reason = "nobody saw how late" },
	{ "its VMM was killed", GUEST, RUN_SAMPLE, "broken", 2, .said = "killed",
	  .doc = "\"vmm\":{\"signal\":9}", .want = "pass",
	  .reason = "attempt in a, guest g: broken: killed" },
	{ "it was killed when the guest had been silent", GUEST, RUN_SAMPLE, "broken", 2,
	  .silent = true, .doc = "\"vmm\":{\"signal\":9}", .want = "inconclusive",
	  .reason = "nobody saw how late" },
	{ "it crashed", GUEST, RUN_SAMPLE, "broken", 2, .doc = "\"vmm\":{\"signal\":11}",
	  .want = "inconclusive", .reason = "nobody saw how late" },
	{ "its guest panicked", GUEST, RUN_SAMPLE, "broken", 2, .said = "the guest panicked",
	  .doc = "\"vmm\":{\"outcome\":\"panic\"}", .want = "inconclusive",
	  .reason = "the guest panicked" },
	{ "another had its CPU", HOST, RUN_SAMPLE, "broken", 2, .said = "CPU 1 wanted alone",
	  .refused = true, .nothing = true, .want = "pass",
	  .reason = "attempt in a: broken: CPU 1 wanted alone" },
	{ "its instrument could not begin", HOST, RUN_SAMPLE, "broken", 2, .nothing = true,
	  .want = "inconclusive", .reason = "nobody saw how late" },
	{ "its guest was not started", GUEST, RUN_SAMPLE, "broken", 2, .said = "CPU 1 wanted alone",
	  .nothing = true, .want = "pass",
	  .reason = "attempt in a, guest g: broken: CPU 1 wanted alone" },
	{ "it was, and left nothing that counts", GUEST, RUN_SAMPLE, "broken", 2,
	  .want = "inconclusive", .reason = "nobody saw how late" },
	{ "somebody interrupted its harness", GUEST, RUN_SAMPLE, "broken", 3,
	  .doc = "\"interrupted\":true", .want = "pass", .reason = "attempt in a" },
	{ "its guest says that somebody did", GUEST, RUN_SAMPLE, "broken", 3,
	  .want = "inconclusive", .reason = "nobody saw how late" },
	{ "a limit broken where the kernel throttles", HOST, RUN_OSLAT, "whole", 4,
	  .latency_ns = 60000, .verdict = "inconclusive",
	  .doc = "\"throttled\":true,\"reasons\":[\"sched_rt\"]", .want = "inconclusive",
	  .reason = "sched_rt" },
	{ "one broken where it does not", HOST, RUN_OSLAT, "whole", 1, .latency_ns = 60000,
	  .verdict = "fail", .want = "fail", .reason = "largest: 60.000 us on CPU 1" },
	{ "a gap that hwlat found before it was stopped", HOST, RUN_HWLAT, "stopped", 3,
	  .latency_ns = 60000, .want = "fail", .reason = "largest: 60.000 us on CPU 1" },
	{ "it found none", HOST, RUN_HWLAT, "stopped", 3, .want = "pass" },
	{ "hwlat's threads stopped by themselves", HOST, RUN_HWLAT, "broken", 3,
	  .doc = "\"reasons\":[\"ended early: CPU 1 stopped watching\"]", .want = "inconclusive",
	  .reason = "nobody saw how late" },
	{ "somebody interrupted it", HOST, RUN_HWLAT, "broken", 3, .doc = "\"interrupted\":true",
	  .want = "pass", .reason = "attempt in a" },
	{ "they did after a gap above its limit", HOST, RUN_HWLAT, "broken", 1, .verdict = "fail",
	  .doc = "\"shortfalls\":[\"ended early: CPU 1 stopped watching\"]", .want = "fail",
	  .reason = "nobody saw how late" },
	{ "which a smoke campaign does not judge", HOST, RUN_HWLAT, "broken", 1, .verdict = "fail",
	  .doc = "\"shortfalls\":[\"ended early: CPU 1 stopped watching\"]", .want = "inconclusive",
	  .reason = "nobody saw how late", .smoke = true },
	{ "and somebody interrupted it", HOST, RUN_HWLAT, "broken", 1, .verdict = "fail",
	  .doc = "\"interrupted\":true", .want = "pass", .reason = "attempt in a", .smoke = true },
	{ "it measured nothing below its threshold", HOST, RUN_HWLAT, "whole", .latency_ns = NONE,
	  .verdict = "inconclusive", .want = "inconclusive", .reason = "too few samples" },
	{ "a smoke campaign does not judge its machine", HOST, RUN_HWLAT, "whole", 1,
	  .latency_ns = 60000, .verdict = "fail", .want = "pass", .smoke = true },
	{ "but whether hwlat worked", HOST, RUN_HWLAT, "broken", 3, .want = "inconclusive",
	  .reason = "nobody saw how late", .smoke = true },
	{ "and its clock", HOST, RUN_HWLAT, "whole", 4, .verdict = "inconclusive",
	  .doc = "\"doubts\":[\"the counter ran off\"]", .want = "inconclusive", .smoke = true },
	{ "and its loads", HOST, RUN_HWLAT, "whole",
	  .attempt = "\"load_failures\":[\"load l died\"]", .verdict = "fail",
	  .want = "inconclusive", .reason = "load l died", .smoke = true },
	{ "a load beside doctor, in a smoke campaign", HOST, RUN_DOCTOR, "whole",
	  .attempt = "\"load_failures\":[\"load l died\"]", .want = "inconclusive",
	  .reason = "load l died", .smoke = true },
	{ "doctor found something, in a smoke campaign", HOST, RUN_DOCTOR, .last_code = 1,
	  .want = "pass", .reason = "does not judge the machine", .smoke = true },
	{ "and in another", HOST, RUN_DOCTOR, .last_code = 1, .want = "fail",
	  .reason = "doctor found something" },
	{ "asked to stop it had to be killed", HOST, RUN_SAMPLE, "stopped", 137,
	  .want = "inconclusive", .reason = "nobody saw how late" },
	{ "half of the time", HOST, RUN_SAMPLE, .want = "incomplete",
	  .reason = "measured for 20.0 s of 40.0 s" },
};

static struct campaign *make_campaign(size_t i)
{
	struct err e = { 0 };
	struct campaign *c = campaign_new(&e);
	struct phase_entry *p = c->phases;

	strcpy(c->name, "test");
	strcpy(p->entry.name, "p");
	c->slice_ns = SEC;
	c->n_phases = 1;
	p->run = rows[i].run;
	p->duration_ns = 40 * SEC;
	p->interval_ns = SEC / 1000;
	p->guest_load = rows[i].where == LOADED_GUEST ? &load : NULL;
	if (rows[i].where != HOST)
		p->guests[p->n_guests++] = &guest;
	else
		cpulist_add(&p->cpus, 1);
	c->smoke = rows[i].smoke;
	if (!c->smoke && p->run != RUN_DOCTOR)
		p->limits[p->n_limits++] = (struct sample_limit){ .what = "max_ns", .ns = 50000 };
	return c;
}

static void put_in(const char *dir, const char *file, const char *text)
{
	char name[64];

	snprintf(name, sizeof(name), "campaign/%s/%s", dir, file);
	if (text)
		put_file(name, text);
}

/* The members of JSON text, "" or NULL: none, into an object. */
static void add_members(json_object *to, const char *members)
{
	_cleanup_json_ json_object *from = NULL;
	char text[256];

	snprintf(text, sizeof(text), "{%s}", members ? members : "");
	from = json_tokener_parse(text);
	assert_non_null(from);
	json_object_object_foreach(from, key, value) {
		json_object_object_add(to, key, json_object_get(value));
	}
}

static void put_run(const char *dir, const char *verdict, const char *members)
{
	_cleanup_json_ json_object *doc =
		json_tokener_parse("{\"schema\":1,\"name\":\"p\",\"conditions\":\"hardware\","
				   "\"reasons\":[],\"limits\":[],\"cpus\":[],\"host\":{}}");

	json_set_str(doc, "verdict", verdict);
	add_members(doc, members);
	put_in(dir, "run.json", json_object_to_json_string(doc));
}

/* An attempt in campaign.json, returned; its job has no outcome where nobody saw its end. */
static json_object *add_attempt(json_object *phase, size_t i, const char *dir, const char *status)
{
	json_object *o = json_object_new_object(), *job = json_object_new_object();
	json_object *jobs = json_object_new_array();
	bool lost = !strcmp(status, "lost");

	json_set_str(o, "status", status);
	json_object_object_add(o, "jobs", jobs);
	json_object_array_add(jobs, job);
	json_object_array_add(json_at(phase, "attempts"), o);
	json_set_str(job, "dir", dir);
	json_set_str(job, "guest", rows[i].where != HOST ? "g" : NULL);
	json_set_str(job, "outcome", lost ? NULL : strcmp(status, "whole") ? status : "ended");
	json_set_int(job, "code", 0);
	return o;
}

static void add_first(json_object *phase, size_t i)
{
	json_object *o = add_attempt(phase, i, "a", rows[i].status);
	json_object *job = json_object_array_get_idx(json_at(o, "jobs"), 0);

	add_members(o, rows[i].attempt);
	json_set_int(job, "code", rows[i].code);
	json_set_bool(job, "silent", rows[i].silent);
	json_set_str(job, "said", rows[i].said);
	if (rows[i].refused)
		json_set_bool(job, "refused", true);
}

static void lay_down(size_t i, struct state *s, const struct campaign *c)
{
	struct err e = { 0 };
	json_object *phase, *last;

	if ((!rows[i].nothing && file_mkdirs(in_dir("campaign/a"), &e) < 0) ||
	    file_mkdirs(in_dir("campaign/b"), &e) < 0)
		fail_msg("%s", e.text);
	if (state_create(s, in_dir("campaign"), c, "", &e) < 0)
		fail_msg("%s", e.text);
	if (!rows[i].nothing) {
		fake_log_of("campaign/a/latency.log", 1, 1, 20,
			    rows[i].latency_ns ? rows[i].latency_ns : 5000);
		put_run("a", rows[i].verdict ? rows[i].verdict : "incomplete", rows[i].doc);
		put_in("a", "loads.jsonl", rows[i].loads);
	}
	fake_log_of("campaign/b/latency.log", 1, 1, rows[i].nothing ? 40 : 20,
		    rows[i].latency_ns == NONE ? NONE : 5000);
	put_run("b", "pass", NULL);
	phase = state_phase(s, 0);
	json_set_str(phase, "status", "done");
	if (rows[i].status)
		add_first(phase, i);
	last = add_attempt(phase, i, "b", "whole");
	json_set_int(json_object_array_get_idx(json_at(last, "jobs"), 0), "code",
		     rows[i].last_code);
}

/* The report's tables are made of them. */
static size_t n_limits(json_object *phase)
{
	json_object *limits = json_at(phase, "limits");

	return limits ? json_object_array_length(limits) : 0;
}

static void verdicts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ struct campaign *c = make_campaign(i);
		struct err e = { 0 };
		struct state s;
		struct engine en = { .c = c, .state = &s };
		json_object *p;

		fake_make();
		lay_down(i, &s, c);
		p = state_phase(&s, 0);
		if (engine_judge(&en, 0, &e) < 0 || n_limits(p) != c->phases[0].n_limits ||
		    strcmp(json_str(p, "verdict", ""), rows[i].want) != 0 ||
		    !strstr(json_object_to_json_string(json_at(p, "reasons")),
			    rows[i].reason ? rows[i].reason : "[ ]"))
			fail_msg("%s: %s", rows[i].name,
				 json_object_to_json_string_ext(p, JSON_C_TO_STRING_PRETTY));
		state_close(&s);
		fake_free();
	}
}

/* Counts of a guest's, which may be anything: they end at the largest, and none is negative. */
static void causes_do_not_overflow(void **state)
{
	static const struct {
		int64_t have, more, want;
	} sums[] = {
		{ 2, 3, 5 },
		{ 1, INT64_MAX, INT64_MAX },
		{ INT64_MAX, INT64_MAX, INT64_MAX },
		{ 1, -1, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sums); i++) {
		_cleanup_json_ json_object *into = json_object_new_object();
		_cleanup_json_ json_object *from = json_object_new_object();

		json_set_int(into, "host", sums[i].have);
		json_set_int(from, "host", sums[i].more);
		attempts_add_causes(into, from);
		assert_int_equal(json_int(into, "host", 0), sums[i].want);
	}
}

/* What rtkvm compare says (its exit code) of the campaign and of its rerun, which ends with rerun. */
static const struct {
	const char *name, *first, *second;
	enum verdict before;
	const char *rerun;
	int verdict; /* -1: an error */
	int compared;
	enum verdict later; /* held against limits that it keeps */
} baselines[] = {
	{ "not worse", "0", "", VERDICT_PASS, "", VERDICT_PASS, 1, VERDICT_PASS },
	{ "worse once", "1", "0", VERDICT_PASS, "0", VERDICT_PASS, 2, VERDICT_PASS },
	{ "worse twice", "1", "1", VERDICT_PASS, "0", VERDICT_FAIL, 2, VERDICT_INCONCLUSIVE },
	{ "worse, of the rerun it cannot be told", "1", "4", VERDICT_PASS, "0",
	  VERDICT_INCONCLUSIVE, 2, VERDICT_INCONCLUSIVE },
	{ "worse, the rerun not complete", "1", "", VERDICT_PASS, "3", VERDICT_INCOMPLETE, 1,
	  VERDICT_INCOMPLETE },
	{ "worse, the rerun breaks a limit", "1", "0", VERDICT_PASS, "over", VERDICT_FAIL, 1,
	  VERDICT_INCONCLUSIVE },
	{ "worse, the rerun crashes on its way", "1", "0", VERDICT_PASS, "crash",
	  VERDICT_INCONCLUSIVE, 2, VERDICT_INCONCLUSIVE },
	{ "an inconclusive one, worse once", "1", "0", VERDICT_INCONCLUSIVE, "0",
	  VERDICT_INCONCLUSIVE, 2, VERDICT_PASS },
	{ "failed already: worse as well", "1", "", VERDICT_FAIL, "", VERDICT_FAIL, 1,
	  VERDICT_INCONCLUSIVE },
	{ "failed already: cannot be compared", "2", "", VERDICT_FAIL, "", VERDICT_FAIL, 1,
	  VERDICT_PASS },
	{ "inconclusive: cannot be compared", "2", "", VERDICT_INCONCLUSIVE, "",
	  VERDICT_INCONCLUSIVE, 1, VERDICT_PASS },
	{ "passed, but cannot be compared", "2", "", VERDICT_PASS, "", -1, 1, VERDICT_PASS },
	{ "incomplete", "0", "", VERDICT_INCOMPLETE, "", VERDICT_INCOMPLETE, 0, VERDICT_PASS },
};

/* Of a campaign whose phases, of which it has none here, do not stand against that. */
static enum verdict judged_later(const struct state *s)
{
	struct err e = { 0 };
	enum verdict v;
	struct run run;

	assert_int_equal(run_open(&run, s->dir, &e), 0);
	v = run_judge(&run, true);
	run_close(&run);
	return v;
}

static void put_exit(const char *name, const char *code)
{
	char text[64];

	snprintf(text, sizeof(text), "exit %s\n", code);
	put_file(name, text);
}

/* The rerun's attempts: 20 s, then the rest; one that is not complete measures nothing. */
static void lay_down_rerun(const char *how)
{
	bool none = !strcmp(how, "3"), crash = !strcmp(how, "crash");

	for (int n = 1; n <= 4; n++) {
		char name[16];

		snprintf(name, sizeof(name), "log.%d", n);
		if (!none)
			fake_log_of(name, 1, 1, n == 1 && crash ? 20 : 40,
				    !strcmp(how, "over") ? 60000 : 5000);
		snprintf(name, sizeof(name), "do.%d", n);
		put_exit(name, none ? "3" : n == 1 && crash ? "2" : "0");
	}
}

static int counted(const char *name)
{
	_cleanup_free_ char *text = NULL;
	struct err e = { 0 };
	ssize_t n = file_load(in_dir(name), 1 << 16, &text, &e);

	return n < 0 ? 0 : n / 2; /* lines of one letter */
}

static void baseline(void **state)
{
	char self[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(baselines); i++) {
		_cleanup_free_ struct campaign *c = make_campaign(ARRAY_SIZE(rows) - 1);
		struct err e = { 0 };
		struct state s;
		struct engine en = {
			.c = c, .state = &s, .self = self, .sysfs = "/sys", .quiet = true
		};
		struct run run;
		int ret;

		fake_make();
		strcpy(self, in_dir("self"));
		c->smoke = true;
		put_exit("compare.1", baselines[i].first);
		put_exit("compare.2", baselines[i].second);
		lay_down_rerun(baselines[i].rerun);
		if (run_create(&run, in_dir("campaign"), "test", &e) < 0 ||
		    state_create(&s, run.dir, c, "", &e) < 0)
			fail_msg("%s", e.text);
		run_close(&run);
		json_set_str(s.doc, "baseline", "/some");
		ret = baseline_judge(&en, baselines[i].before, "", &e);
		if ((ret < 0 ? -1 : ret) != baselines[i].verdict ||
		    counted("compared") != baselines[i].compared ||
		    judged_later(&s) != baselines[i].later)
			fail_msg("%s: %d %s, compared %d times", baselines[i].name, ret, e.text,
				 counted("compared"));
		state_close(&s);
		fake_free();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts),
		cmocka_unit_test(causes_do_not_overflow),
		cmocka_unit_test(baseline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
