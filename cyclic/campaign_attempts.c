// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/campaign_attempts.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cyclic/campaign_engine.h"
#include "cyclic/campaign_reasons.h"
#include "cyclic/phaselog.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "results/record.h"

enum {
	TOLD = 10, /* broken attempts, one by one; a guest may panic a hundred times */
	SILENT_SLICES = 3,
	SILENT_SLACK_S = 10, /* the job's beginning and end, on an emulated host */
};

/* A phase's attempts being read. */
struct reading {
	const struct state *s;
	const struct campaign *c;
	const struct phase_entry *p;
	struct attempts *a;
	json_object *reasons;
	size_t broken; /* attempts that broke by themselves, or hung */
};

static bool is_outcome(json_object *job, const char *outcome)
{
	return !strcmp(json_str(job, "outcome", ""), outcome);
}

static void doubt(struct reading *r)
{
	r->a->verdict = verdict_worse(r->a->verdict, VERDICT_INCONCLUSIVE);
}

void attempts_add_causes(json_object *into, json_object *from)
{
	if (!json_object_is_type(from, json_type_object))
		return;
	json_object_object_foreach(from, cause, n) {
		int64_t more = json_object_get_int64(n), sum;

		if (more < 0) /* no count */
			continue;
		if (__builtin_add_overflow(json_int(into, cause, 0), more, &sum))
			sum = INT64_MAX;
		json_set_int(into, cause, sum);
	}
}

/* --- what ended it --- */

static bool is_kill(int64_t signal)
{
	return signal == SIGKILL || signal == SIGTERM;
}

/*
 * By somebody who ended a process at work: the operator, the kernel short of memory. One that had
 * been silent before may have been ended because it hung.
 */
static bool ended_from_outside(json_object *job, json_object *doc)
{
	int64_t code = json_int(job, "code", -1);
	if (!is_outcome(job, "broken") || json_object_get_boolean(json_at(job, "silent")))
		return false;
	if (is_kill(code - 128))
		return true;
	/* or a guest, or hwlat, that ended early by itself, also after a limit was broken */
	if (code == VERDICT_INCOMPLETE || code == VERDICT_FAIL)
		return json_object_get_boolean(json_at(doc, "interrupted"));
	return is_kill(json_int(doc, "vmm.signal", 0));
}

/* It broke, hung, or did not answer when it was asked to stop: then it was killed in the end. */
static bool ended_badly(json_object *job)
{
	return is_outcome(job, "broken") || is_outcome(job, "stalled") ||
	       (is_outcome(job, "stopped") && (json_object_get_boolean(json_at(job, "silent")) ||
					       json_int(job, "code", -1) == 128 + SIGKILL));
}

static void tell_broken(struct reading *r, json_object *job)
{
	const char *guest = json_str(job, "guest", NULL), *at = json_str(job, "ended", NULL);

	if (++r->broken > TOLD)
		return;
	reasons_addf(r->reasons, "attempt in %s%s%s%s%s: %s%s%s", json_str(job, "dir", "?"),
		     guest ? ", guest " : "", guest ? guest : "", at ? ", " : "", at ? at : "",
		     json_str(job, "outcome", ""), json_str(job, "said", NULL) ? ": " : "",
		     json_str(job, "said", ""));
}

/* Another had its CPU; or its guest was never started, of which a harness leaves nothing at all. */
static bool never_began(const struct reading *r, json_object *job)
{
	char path[PATH_MAX];

	if (json_object_get_boolean(json_at(job, "refused")))
		return true;
	return is_outcome(job, "broken") && json_int(job, "code", -1) == VERDICT_ERROR &&
	       json_str(job, "guest", NULL) && state_job_file(r->s, job, "", path) &&
	       access(path, F_OK) && errno == ENOENT;
}

/* doctor measures nothing that could have been missed. */
static void judge_end(struct reading *r, json_object *job, json_object *doc)
{
	if (!ended_badly(job))
		return;
	tell_broken(r, job);
	if (r->p->run == RUN_DOCTOR || ended_from_outside(job, doc) || never_began(r, job))
		return;
	reasons_add(r->reasons, "when an attempt hung or broke, nobody saw how late its CPUs were");
	doubt(r);
}

/* --- one that was cut off, from what it left on disk --- */

static void judge_missed(struct reading *r, const char *dir, const struct phaselog *g)
{
	for (size_t i = 0; i < g->n && !r->c->smoke; i++) {
		const struct phaselog_cpu *c = g->cpus[i];

		if (c->missed <= c->expected / 10)
			continue;
		reasons_addf(r->reasons,
			     "in %s vCPU %d has %" PRId64 " of %" PRId64
			     " expected samples: wake-ups were missed, so the tail is not known",
			     dir, c->cpu, c->expected - c->missed, c->expected);
		doubt(r);
	}
}

/* The proofs of work of a guest's load, as guestload_judge holds them to their floor. */
static void judge_load(struct reading *r, const char *dir, uint64_t measured_ns)
{
	_cleanup_fclose_ FILE *in = NULL;
	_cleanup_free_ char *line = NULL;
	double seconds = 0, measured = (double)measured_ns / NSEC_PER_SEC;
	double slack = SILENT_SLICES * (double)r->c->slice_ns / NSEC_PER_SEC + SILENT_SLACK_S;
	uint64_t low = 0, floor = r->p->guest_load_floor;
	struct err ignored = { 0 }; /* then it has proved nothing */
	char path[PATH_MAX];
	size_t room = 0;

	if (file_path(path, sizeof(path), "%s/%s/loads.jsonl", r->s->dir, dir))
		file_stream(path, &in, &ignored);
	while (in && getline(&line, &room, in) > 0) {
		_cleanup_json_ json_object *o = json_tokener_parse(line);
		double rate = json_double(o, "per_second", 0);

		if (!o)
			continue; /* the line in which it was cut off */
		low += json_int(o, "count", 0) <= 0 || rate < floor;
		seconds += json_double(o, "seconds", 0);
	}
	if (low)
		reasons_addf(r->reasons,
			     "in %s the guest's load %s: %" PRIu64
			     " slices below its floor of %" PRIu64 "%s rounds a second",
			     dir, r->p->guest_load->name, low, floor,
			     floor ? "" : " (more than nothing)");
	if (seconds + slack < measured)
		reasons_addf(r->reasons,
			     "in %s the guest's load %s proved its work for %.0f s of %.0f s", dir,
			     r->p->guest_load->name, seconds, measured);
	if (low || seconds + slack < measured)
		doubt(r);
}

/* Nobody judged it when it was cut off; only our sampler leaves anything that counts. */
static void judge_cut(struct reading *r, json_object *job)
{
	const char *dir = json_str(job, "dir", "");
	struct err ignored = { 0 };
	struct phaselog g = { 0 };
	uint64_t measured_ns = 0;
	char path[PATH_MAX];

	if (r->p->run != RUN_SAMPLE || !json_str(job, "guest", NULL) ||
	    !state_job_file(r->s, job, "latency.log", path))
		return;
	phaselog_add(&g, path, "", &ignored);
	for (size_t i = 0; i < g.n; i++)
		if (g.cpus[i]->duration_ns > measured_ns)
			measured_ns = g.cpus[i]->duration_ns;
	judge_missed(r, dir, &g);
	if (r->p->guest_load)
		judge_load(r, dir, measured_ns);
	phaselog_free(&g);
}

/* --- one job, one attempt, all --- */

/* hwlat on the host judges the machine, which a smoke campaign does not; its doubts are of itself. */
static enum verdict own_verdict(const struct reading *r, json_object *doc)
{
	enum verdict v = verdict_of(json_str(doc, "verdict", ""));

	if (!r->c->smoke || r->p->run != RUN_HWLAT || r->p->n_guests ||
	    (v != VERDICT_FAIL && v != VERDICT_INCONCLUSIVE))
		return v;
	if (v == VERDICT_FAIL && run_cut_short(doc)) /* the rest of its time is still to come */
		return VERDICT_INCOMPLETE;
	return json_at(doc, "doubts") ? VERDICT_INCONCLUSIVE : VERDICT_PASS;
}

static void read_doc(struct reading *r, json_object *job, json_object *doc)
{
	struct attempts *a = r->a;
	enum verdict v = own_verdict(r, doc);

	if (v != VERDICT_INCOMPLETE)
		a->verdict = verdict_worse(a->verdict, v);
	else if (json_at(doc, "doubts")) /* whatever more is measured */
		doubt(r);
	/* one cut off by us has nothing else to tell; one that broke, or broke off, by itself has */
	if (v != VERDICT_INCOMPLETE || is_outcome(job, "broken") ||
	    json_object_get_boolean(json_at(doc, "stopped_at_spike")))
		reasons_add_all(r->reasons, json_at(doc, "reasons"));
	else
		reasons_add_all(r->reasons, json_at(doc, "doubts"));
	if (v == VERDICT_INCOMPLETE && !json_at(doc, "doubts"))
		judge_cut(r, job);
	a->throttled |= json_object_get_boolean(json_at(doc, "throttled"));
	attempts_add_causes(a->causes, json_at(doc, "causes"));
	if (!a->conditions[0] || strcmp(json_str(doc, "conditions", ""), "hardware") != 0)
		snprintf(a->conditions, sizeof(a->conditions), "%s",
			 json_str(doc, "conditions", "emulated"));
}

/* The instrument's own view of one job: its run.json, where it made one. */
static void read_job(struct reading *r, json_object *job)
{
	char path[PATH_MAX];
	struct err ignored = { 0 };
	struct run run = { 0 };

	if (file_path(path, sizeof(path), "%s/%s", r->s->dir, json_str(job, "dir", "")) &&
	    run_open(&run, path, &ignored) == 0)
		read_doc(r, job, run.doc);
	judge_end(r, job, run.doc);
	run_close(&run);
}

static void read_attempt(struct reading *r, json_object *o)
{
	json_object *jobs = json_at(o, "jobs"), *failures = json_at(o, "load_failures");

	for (size_t k = 0; k < json_object_array_length(jobs); k++)
		read_job(r, json_object_array_get_idx(jobs, k));
	if (failures && json_object_array_length(failures))
		doubt(r);
	reasons_add_all(r->reasons, failures);
	if (!json_object_get_boolean(json_at(o, "rebooted")) || r->p->run == RUN_DOCTOR)
		return;
	reasons_addf(r->reasons,
		     "attempt %" PRId64
		     " ended with its host: a power failure or a crash, which cannot be told apart",
		     json_int(o, "number", 0));
	doubt(r);
}

struct attempts attempts_read(const struct state *s, const struct campaign *c, size_t i,
			      json_object *reasons)
{
	json_object *phase = state_phase(s, i), *list = json_at(phase, "attempts");
	struct attempts a = { .n = json_object_array_length(list),
			      .causes = json_object_new_object(),
			      .verdict = VERDICT_PASS,
			      .conditions = "" };
	struct reading r = { .s = s, .c = c, .p = &c->phases[i], .a = &a, .reasons = reasons };
	size_t lost = 0;

	json_object_object_add(phase, "causes", a.causes);
	for (size_t k = 0; k < a.n; k++) {
		json_object *o = json_object_array_get_idx(list, k);

		lost += !strcmp(json_str(o, "status", ""), "lost");
		read_attempt(&r, o);
	}
	if (r.broken > TOLD)
		reasons_addf(reasons, "and %zu more of its attempts broke or stalled",
			     r.broken - TOLD);
	if (lost)
		reasons_addf(reasons, "cut off %zu time%s and resumed; what was measured counts",
			     lost, lost == 1 ? "" : "s");
	return a;
}

/* --- spikes --- */

static uint64_t largest_in(const char *path, uint64_t most, int *cpu, uint64_t *wall_ns)
{
	_cleanup_fclose_ FILE *in = NULL;
	_cleanup_free_ char *line = NULL;
	struct err ignored = { 0 };
	size_t room = 0;

	file_stream(path, &in, &ignored);
	while (in && getline(&line, &room, in) > 0) {
		_cleanup_json_ json_object *o = json_tokener_parse(line);
		int64_t ns = json_int(o, "latency_ns", 0);

		if (explained_is(o) || ns <= 0 || (uint64_t)ns <= most)
			continue;
		most = ns;
		*cpu = json_int(o, "cpu", -1);
		*wall_ns = json_int(o, "wall_ns", 0);
	}
	return most;
}

uint64_t attempts_spike(const struct state *s, size_t i, int *cpu, uint64_t *wall_ns)
{
	struct job_walk walk = { 0 };
	char path[PATH_MAX];
	uint64_t most = 0;
	json_object *job;

	while ((job = state_next_job(state_phase(s, i), &walk)))
		if (state_job_file(s, job, "spikes.jsonl", path))
			most = largest_in(path, most, cpu, wall_ns);
	return most;
}
