// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <string.h>
#include <cmocka.h>

#include "cyclic/campaign_job.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "tests/unit/fakejob.h"

static struct campaign campaign = { .slice_ns = SEC / 10 }; /* silent after 2.3 s */
static struct guest_entry guest = { .image = "/none", .cpus_text = "0-2", .cpus.n = 3 };

static void start_run(struct job *j, enum instrument run, const struct guest_entry *g, uint64_t ns)
{
	struct phase_entry p = { .run = run,
				 .duration_ns = ns,
				 .interval_ns = SEC / 1000,
				 .guests = { g },
				 .n_guests = g ? 1 : 0 };
	const struct claim none = { 0 };
	struct err e = { 0 };

	cpulist_add(&p.cpus, 1);
	cpulist_add(&p.cpus, 2);
	*j = (struct job){ .guest = g, .err = -1 };
	snprintf(j->dir, sizeof(j->dir), "%s/out", fake_dir);
	if (job_start(j, in_dir("self"), &campaign, &p, &none, ns, &e) < 0)
		fail_msg("%s", e.text);
}

static void start(struct job *j, const struct guest_entry *g, uint64_t ns)
{
	start_run(j, RUN_SAMPLE, g, ns);
}

static void watch(struct job *j)
{
	while (j->outcome == JOB_RUNNING) {
		job_watch(j);
		poll(NULL, 0, 20);
	}
}

/* To its end, which is this one. */
static void ends(struct job *j, const char *name, enum job_outcome outcome, const char *said)
{
	watch(j);
	if (j->outcome != outcome || !strstr(j->said, said))
		fail_msg("%s: %s, said \"%s\"", name, job_outcome_name(j->outcome), j->said);
	job_close(j);
	fake_free();
}

#define LATER "sleep 4; exit 0\n" /* longer than a job may be silent */
/* slices of CPU 1 go on, none come of CPU 2 */
#define ONE_HANGS \
	"for i in $(seq 600); do cat \"$here/one\" >>latency.log; sleep 0.1; done; exit 0\n"
#define JOB_END \
	"echo '{\"event\":\"mark\",\"id\":3,\"name\":\"job_end\",\"ns\":1}' >>events.jsonl\n"

#define RUN_JSON(more)                                                                                                            \
	"echo '{\"schema\":1,\"name\":\"p\",\"verdict\":\"incomplete\",\"conditions\":\"hardware\",\"reasons\":[],\"limits\":[]," \
	"\"cpus\":[],\"host\":{}" more "}' >run.json; "
#define SPIKE ",\"stopped_at_spike\":true"

static const struct {
	const char *name;
	bool in_guest;
	int slices; /* that come at once of each CPU, of 10 asked */
	const char *then;
	enum job_outcome outcome;
	const char *said;
} rows[] = {
	{ "silent in mid-measurement", false, 5, LATER, JOB_STALLED, "no slice" },
	{ "all measured: it saves its result", false, 10, LATER, JOB_ENDED, "" },
	{ "a guest as well: its trace is explained", true, 10, LATER, JOB_ENDED, "" },
	{ "a guest whose job ended early", true, 5, JOB_END LATER, JOB_ENDED, "" },
	{ "a guest that boots", true, 0, LATER, JOB_ENDED, "" },
	{ "one CPU of two hangs", false, 1, ONE_HANGS, JOB_STALLED, "from CPU 2" },
	{ "one vCPU of two hangs", true, 1, ONE_HANGS, JOB_STALLED, "from vCPU 2" },
	{ "one CPU of two sends nothing", false, 0, ONE_HANGS, JOB_STALLED, "from CPU 2" },
	{ "an error", false, 5, "exit 2\n", JOB_BROKEN, "" },
	{ "broke off at a spike", false, 5, RUN_JSON(SPIKE) "exit 3\n", JOB_ENDED, "" },
	{ "interrupted by another", false, 5, RUN_JSON(SPIKE ",\"interrupted\":true") "exit 3\n",
	  JOB_BROKEN, "" },
	{ "a limit broken", false, 10, RUN_JSON("") "exit 1\n", JOB_ENDED, "" },
	{ "a limit broken before it ended early", false, 5,
	  RUN_JSON(",\"shortfalls\":[\"ended early\"]") "exit 1\n", JOB_BROKEN, "" },
	{ "a limit broken before somebody interrupted it", false, 5,
	  RUN_JSON(",\"interrupted\":true") "exit 1\n", JOB_BROKEN, "" },
	{ "incomplete", false, 5, "exit 3\n", JOB_BROKEN, "" },
};

static void outcomes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t asked = !strncmp(rows[i].then, "for", 3) ? 1000 * SEC : 10 * SEC;
		struct job j;

		fake_make();
		fake_log("log.1", 1, 2, rows[i].slices);
		fake_log("one", 1, 1, 1);
		put_file("do.1", rows[i].then);
		start(&j, rows[i].in_guest ? &guest : NULL, asked);
		ends(&j, rows[i].name, rows[i].outcome, rows[i].said);
	}
}

/* Instruments that give their histogram when they end: their guest's signs of life are watched. */
static const struct {
	const char *name, *then;
	enum job_outcome outcome;
	const char *said;
} quiet[] = {
#define BEATS(n, s)                                                                               \
	"for i in $(seq " n "); do echo '{\"event\":\"beat\",\"ns\":1}' >>events.jsonl; sleep " s \
	"; done\n"
	{ "a guest that boots", LATER, JOB_ENDED, "" },
	{ "one that lives", BEATS("40", "0.1") "exit 0\n", JOB_ENDED, "" },
	{ "one that hangs", BEATS("3", "0.1") LATER, JOB_STALLED,
	  "no sign of life came for 3 slices from vCPU 0" },
	{ "one whose job has ended", BEATS("3", "0.1") JOB_END LATER, JOB_ENDED, "" },
};

static void signs_of_life(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(quiet); i++) {
		struct job j;

		fake_make();
		put_file("do.1", quiet[i].then);
		start_run(&j, RUN_CYCLICTEST, &guest, 10 * SEC);
		ends(&j, quiet[i].name, quiet[i].outcome, quiet[i].said);
	}
}

/* The end that follows from the time asked for does not cut off what comes after measuring. */
static void late_end(void **state)
{
	struct job j;

	(void)state;
	fake_make();
	fake_log("log.1", 1, 2, 10);
	put_file("do.1", "sleep 600\n");
	start(&j, &guest, 10 * SEC);
	while (!slices_done(&j.slices)) {
		job_watch(&j);
		poll(NULL, 0, 20);
	}
	j.end_ns = 1;
	job_watch(&j);
	assert_int_equal(j.outcome, JOB_RUNNING);
	assert_true(j.measured);
	assert_true(j.end_ns > clock_now_ns() + 100 * SEC && j.end_ns < clock_now_ns() + 200 * SEC);
	j.measured = false;
	j.on_spike = SPIKE_TRACE; /* which may have to be saved and explained */
	j.end_ns = 1;
	job_watch(&j);
	assert_true(j.end_ns > clock_now_ns() + 1200 * SEC);
	j.end_ns = 1; /* but has an end of its own */
	j.guest = NULL; /* nothing to shut down */
	job_watch(&j);
	assert_int_equal(j.outcome, JOB_STALLED);
	assert_string_equal(j.said, "it did not end in time");
	job_close(&j);
	fake_free();
}

#define DIES "kill -KILL $$\n"

/* How it looked to us when it was killed. */
static void silence(void **state)
{
	static const struct {
		bool in_guest;
		const char *then;
		bool silent;
	} deaths[] = {
		{ false, DIES, false },
		{ false, "sleep 5; " DIES, true },
		{ true, "sleep 5; " DIES, true },
		{ true, JOB_END "sleep 3; " DIES, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(deaths); i++) {
		struct job j;

		fake_make();
		fake_log("log.1", 1, 2, 5);
		put_file("do.1", deaths[i].then);
		start(&j, deaths[i].in_guest ? &guest : NULL, 10 * SEC);
		j.silence_ns = 600 * SEC; /* we would have waited longer */
		watch(&j);
		if (j.outcome != JOB_BROKEN || j.code != 137 || j.silent != deaths[i].silent)
			fail_msg("%zu: %s, code %d, silent %d", i, job_outcome_name(j.outcome),
				 j.code, j.silent);
		job_close(&j);
		fake_free();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outcomes),
		cmocka_unit_test(signs_of_life),
		cmocka_unit_test(late_end),
		cmocka_unit_test(silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
