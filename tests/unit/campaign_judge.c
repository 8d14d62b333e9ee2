// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cyclic/campaign_baseline.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "tests/unit/fakejob.h"

#define RUN_JSON(more) "{" more "}"
#define JOB(dir, more) "{\"jobs\":[{\"dir\":\"" dir "\"," more "}],"
#define GUEST	       "\"guest\":\"g\","
#define WHOLE	       JOB("b", GUEST "\"outcome\":\"ended\",\"code\":0") "\"status\":\"whole\"}]"
#define PROOF(n)       "{\"count\":" n ",\"per_second\":" n ",\"seconds\":10}\n"

static struct guest_entry guest = { .entry.name = "g", .image = "/none", .cpus.n = 2 };
static const struct guest_load load = { .name = "fork" };

/*
 * A phase of 40 s, limit 50 us, of which attempt "a" measured 20 s and attempt "b" the rest. Rows
 * that come in pairs differ in what makes the difference.
 */
static const struct {
	const char *name;
	enum instrument run;
	bool in_guest, loaded;
	uint64_t first_ns; /* the latencies of "a"; 0: 5 us */
	const char *attempts, *run_json, *loads;
	const char *verdict, *reason;
} rows[] = {
	{ "a load of a stopped attempt", RUN_CYCLICTEST, true, false, 0,
	  "[" JOB("a", GUEST "\"outcome\":\"stopped\",\"code\":3") "\"status\":\"stopped\"}," WHOLE,
	  RUN_JSON("\"verdict\":\"incomplete\",\"doubts\":[\"the load was dead\"]"), NULL,
	  "inconclusive", "the load was dead" },
	{ "one without doubts", RUN_CYCLICTEST, true, false, 0,
	  "[" JOB("a", GUEST "\"outcome\":\"stopped\",\"code\":3") "\"status\":\"stopped\"}," WHOLE,
	  RUN_JSON("\"verdict\":\"incomplete\",\"reasons\":[\"interrupted\"]"), NULL, "pass",
	  NULL },
	{ "a load of the host that failed before its campaign was cut off", RUN_SAMPLE, true, false,
	  0,
	  "[" JOB("a", GUEST "\"asked_ns\":1") "\"status\":\"lost\",\"load_failures\":[\"load l "
					       "died\"]}," WHOLE,
	  NULL, NULL, "inconclusive", "load l died" },
	{ "a guest's load that worked until its harness was killed", RUN_SAMPLE, true, true, 0,
	  "[" JOB("a", GUEST "\"asked_ns\":1") "\"status\":\"lost\"}," WHOLE,
	  RUN_JSON("\"verdict\":\"incomplete\""), PROOF("12") PROOF("9"), "pass",
	  "cut off 1 time" },
	{ "one that did nothing before", RUN_SAMPLE, true, true, 0,
	  "[" JOB("a", GUEST "\"asked_ns\":1") "\"status\":\"lost\"}," WHOLE,
	  RUN_JSON("\"verdict\":\"incomplete\""), PROOF("12") PROOF("0"), "inconclusive",
	  "in a the guest's load fork: 1 slices below its floor" },
	{ "one that was silent", RUN_SAMPLE, true, true, 0,
	  "[" JOB("a", GUEST "\"asked_ns\":1") "\"status\":\"lost\"}," WHOLE,
	  RUN_JSON("\"verdict\":\"incomplete\""), "", "inconclusive",
	  "proved its work for 0 s of 20 s" },
	{ "its host went down", RUN_SAMPLE, true, false, 0,
	  "[" JOB("a", GUEST "\"asked_ns\":1") "\"number\":1,\"status\":\"lost\","
					       "\"rebooted\":true}," WHOLE,
	  NULL, NULL, "inconclusive", "attempt 1 ended with its host" },
	{ "asked to stop it did not answer", RUN_SAMPLE, true, false, 0,
	  "[" JOB("a", GUEST
		  "\"outcome\":\"stopped\",\"silent\":true,\"code\":3") "\"status\":\"stopped\"}," WHOLE,
	  NULL, NULL, "inconclusive", "nobody saw how late" },
	{ "its VMM was killed", RUN_SAMPLE, true, false, 0,
	  "[" JOB("a", GUEST
		  "\"outcome\":\"broken\",\"code\":2,\"said\":\"killed\"") "\"status\":\"broken\"}," WHOLE,
	  RUN_JSON("\"verdict\":\"incomplete\",\"vmm\":{\"signal\":9}"), NULL, "pass",
	  "attempt in a, guest g: broken: killed" },
	{ "it was killed when the guest had been silent", RUN_SAMPLE, true, false, 0,
	  "[" JOB("a", GUEST
		  "\"outcome\":\"broken\",\"silent\":true,\"code\":2") "\"status\":\"broken\"}," WHOLE,
	  RUN_JSON("\"verdict\":\"incomplete\",\"vmm\":{\"signal\":9}"), NULL, "inconclusive",
	  "nobody saw how late" },
	{ "it crashed", RUN_SAMPLE, true, false, 0,
	  "[" JOB("a", GUEST "\"outcome\":\"broken\",\"code\":2") "\"status\":\"broken\"}," WHOLE,
	  RUN_JSON("\"verdict\":\"incomplete\",\"vmm\":{\"signal\":11}"), NULL, "inconclusive",
	  "nobody saw how late" },
	{ "its guest panicked", RUN_SAMPLE, true, false, 0,
	  "[" JOB("a", GUEST
		  "\"outcome\":\"broken\",\"code\":2,\"said\":\"the guest panicked\"") "\"status\":\"broken\"}," WHOLE,
	  RUN_JSON("\"verdict\":\"incomplete\",\"vmm\":{\"outcome\":\"panic\"}"), NULL,
	  "inconclusive", "the guest panicked" },
	{ "somebody interrupted its harness", RUN_SAMPLE, true, false, 0,
	  "[" JOB("a", GUEST "\"outcome\":\"broken\",\"code\":3") "\"status\":\"broken\"}," WHOLE,
	  RUN_JSON("\"verdict\":\"incomplete\",\"interrupted\":true"), NULL, "pass",
	  "attempt in a" },
	{ "its guest says that somebody did", RUN_SAMPLE, true, false, 0,
	  "[" JOB("a", GUEST "\"outcome\":\"broken\",\"code\":3") "\"status\":\"broken\"}," WHOLE,
	  RUN_JSON("\"verdict\":\"incomplete\""), NULL, "inconclusive", "nobody saw how late" },
	{ "a limit broken where the kernel throttles", RUN_OSLAT, false, false, 60000,
	  "[" JOB("a", "\"outcome\":\"ended\",\"code\":4") "\"status\":\"whole\"}," WHOLE,
	  RUN_JSON("\"verdict\":\"inconclusive\",\"throttled\":true,\"reasons\":[\"sched_rt\"]"),
	  NULL, "inconclusive", "sched_rt" },
	{ "one broken where it does not", RUN_OSLAT, false, false, 60000,
	  "[" JOB("a", "\"outcome\":\"ended\",\"code\":1") "\"status\":\"whole\"}," WHOLE,
	  RUN_JSON("\"verdict\":\"fail\""), NULL, "fail", "largest: 60.000 us on CPU 1" },
	{ "a gap that hwlat found before it was stopped", RUN_HWLAT, false, false, 60000,
	  "[" JOB("a", "\"outcome\":\"stopped\",\"code\":3") "\"status\":\"stopped\"}," WHOLE,
	  RUN_JSON("\"verdict\":\"incomplete\""), NULL, "fail", "largest: 60.000 us on CPU 1" },
	{ "it found none", RUN_HWLAT, false, false, 0,
	  "[" JOB("a", "\"outcome\":\"stopped\",\"code\":3") "\"status\":\"stopped\"}," WHOLE,
	  RUN_JSON("\"verdict\":\"incomplete\""), NULL, "pass", NULL },
	{ "half of the time", RUN_SAMPLE, false, false, 0, "[" WHOLE, NULL, NULL, "incomplete",
	  "measured for 20.0 s of 40.0 s" },
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
	p->guest_load = rows[i].loaded ? &load : NULL;
	if (rows[i].in_guest)
		p->guests[p->n_guests++] = &guest;
	else
		cpulist_add(&p->cpus, 1);
	if (p->run == RUN_HWLAT)
		p->threshold_ns = 50000;
	else
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

/* A whole run.json with what the row says of it. */
static void put_run(const char *dir, const char *more)
{
	_cleanup_json_ json_object *doc = json_tokener_parse(
		"{\"schema\":1,\"name\":\"p\",\"verdict\":\"incomplete\",\"conditions\":\"hardware\","
		"\"reasons\":[],\"limits\":[],\"cpus\":[],\"host\":{}}");
	_cleanup_json_ json_object *with = json_tokener_parse(more ? more : "{}");

	assert_non_null(with);
	json_object_object_foreach(with, key, value) {
		json_object_object_add(doc, key, json_object_get(value));
	}
	put_in(dir, "run.json", json_object_to_json_string(doc));
}

static void lay_down(size_t i, struct state *s, const struct campaign *c)
{
	struct err e = { 0 };

	if (file_mkdirs(in_dir("campaign/a"), &e) < 0 || file_mkdirs(in_dir("campaign/b"), &e) < 0)
		fail_msg("%s", e.text);
	if (state_create(s, in_dir("campaign"), c, "", &e) < 0)
		fail_msg("%s", e.text);
	fake_log_of("campaign/a/latency.log", 1, 1, 20, rows[i].first_ns ? rows[i].first_ns : 5000);
	fake_log("campaign/b/latency.log", 1, 1, 20);
	put_run("a", rows[i].run_json);
	put_in("a", "loads.jsonl", rows[i].loads);
	put_run("b", RUN_JSON("\"verdict\":\"pass\""));
	json_set_str(state_phase(s, 0), "status", "done");
	json_object_object_add(state_phase(s, 0), "attempts", json_tokener_parse(rows[i].attempts));
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
		if (engine_judge(&en, 0, &e) < 0 ||
		    strcmp(json_str(p, "verdict", ""), rows[i].verdict) != 0 ||
		    !strstr(json_object_to_json_string(json_at(p, "reasons")),
			    rows[i].reason ? rows[i].reason : "[ ]"))
			fail_msg("%s: %s", rows[i].name,
				 json_object_to_json_string_ext(p, JSON_C_TO_STRING_PRETTY));
		state_close(&s);
		fake_free();
	}
}

/* What rtkvm compare says (its exit code) of the campaign and of its rerun, which ends with rerun. */
static const struct {
	const char *name, *first, *second;
	enum verdict before;
	const char *rerun;
	int verdict; /* -1: an error */
	int compared;
} baselines[] = {
	{ "not worse", "0", "", VERDICT_PASS, "", VERDICT_PASS, 1 },
	{ "worse once", "1", "0", VERDICT_PASS, "0", VERDICT_PASS, 2 },
	{ "worse twice", "1", "1", VERDICT_PASS, "0", VERDICT_FAIL, 2 },
	{ "worse, of the rerun it cannot be told", "1", "4", VERDICT_PASS, "0",
	  VERDICT_INCONCLUSIVE, 2 },
	{ "worse, the rerun not complete", "1", "", VERDICT_PASS, "3", VERDICT_INCOMPLETE, 1 },
	{ "worse, the rerun breaks a limit", "1", "0", VERDICT_PASS, "over", VERDICT_FAIL, 1 },
	{ "worse, the rerun crashes on its way", "1", "0", VERDICT_PASS, "crash",
	  VERDICT_INCONCLUSIVE, 2 },
	{ "an inconclusive one, worse once", "1", "0", VERDICT_INCONCLUSIVE, "0",
	  VERDICT_INCONCLUSIVE, 2 },
	{ "failed already: worse as well", "1", "", VERDICT_FAIL, "", VERDICT_FAIL, 1 },
	{ "failed already: cannot be compared", "2", "", VERDICT_FAIL, "", VERDICT_FAIL, 1 },
	{ "inconclusive: cannot be compared", "2", "", VERDICT_INCONCLUSIVE, "",
	  VERDICT_INCONCLUSIVE, 1 },
	{ "passed, but cannot be compared", "2", "", VERDICT_PASS, "", -1, 1 },
	{ "incomplete", "0", "", VERDICT_INCOMPLETE, "", VERDICT_INCOMPLETE, 0 },
};

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
		struct engine en = { .c = c, .state = &s, .self = self, .quiet = true };
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
		    counted("compared") != baselines[i].compared)
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
		cmocka_unit_test(baseline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
