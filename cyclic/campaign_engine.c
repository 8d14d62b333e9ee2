// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/campaign_engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cyclic/campaign_attempt.h"
#include "cyclic/campaign_plan.h"
#include "cyclic/ctopts.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"

enum { FRUITLESS_ATTEMPTS = 3 }; /* in a row that measured nothing */

void engine_group(char buf[static LOG_INSTRUMENT_BYTES], const struct phase_entry *p,
		  const struct guest_entry *g)
{
	bool several = g && p->n_guests > 1;

	snprintf(buf, LOG_INSTRUMENT_BYTES, "%.*s%s%.*s", CAMPAIGN_NAME_BYTES - 1, p->entry.name,
		 several ? "/" : "", CAMPAIGN_GUEST_NAME, several ? g->entry.name : "");
}

static const struct guest_entry *guest_named(const struct phase_entry *p, const char *name)
{
	for (size_t i = 0; i < p->n_guests; i++)
		if (!strcmp(p->guests[i]->entry.name, name))
			return p->guests[i];
	return NULL;
}

void engine_job_group(char buf[static LOG_INSTRUMENT_BYTES], const struct phase_entry *p,
		      json_object *job)
{
	engine_group(buf, p, guest_named(p, json_str(job, "guest", "")));
}

int engine_add_up(const struct state *s, const struct campaign *c, size_t i, struct phaselog *g,
		  struct err *e)
{
	char path[PATH_MAX], group[LOG_INSTRUMENT_BYTES];
	const struct phase_entry *p = &c->phases[i];
	struct job_walk walk = { 0 };
	json_object *job;

	while ((job = state_next_job(state_phase(s, i), &walk))) {
		engine_job_group(group, p, job);
		if (!state_job_file(s, job, "latency.log", path))
			return err_sys(e, "reading the log of phase %s failed", p->entry.name);
		if (phaselog_add(g, path, group, e) < 0)
			return e->code;
	}
	return 0;
}

uint64_t engine_measured(const struct phaselog *g, const struct phase_entry *p,
			 const struct guest_entry *guest)
{
	size_t cpus = guest ? (size_t)guest->cpus.n - 1 : (size_t)cpulist_count(&p->cpus);
	char group[LOG_INSTRUMENT_BYTES];

	engine_group(group, p, guest);
	return phaselog_measured(g, group, cpus);
}

/* How much of a job's time is still to be measured. */
static int remaining(const struct phase_run *r, const struct guest_entry *guest, uint64_t *ns,
		     struct err *e)
{
	uint64_t slack = JOB_SLACK_PERIODS * r->p->interval_ns, done;
	struct phaselog g = { 0 };
	int ret = engine_add_up(r->en->state, r->en->c, r->i, &g, e);

	done = engine_measured(&g, r->p, guest);
	phaselog_free(&g);
	*ns = done + slack >= r->p->duration_ns ? 0 : r->p->duration_ns - done;
	return ret;
}

/* What an attempt is asked for: a piece of the rest, but not less than its instrument takes. */
static uint64_t piece_ns(const struct phase_entry *p, uint64_t rest_ns)
{
	bool seconds = p->run == RUN_CYCLICTEST || p->run == RUN_OSLAT || phase_watches_guests(p);
	uint64_t least_ns = seconds ? CTOPTS_LEAST_S * NSEC_PER_SEC : 0;
	uint64_t ns = p->segment_ns && rest_ns > p->segment_ns ? p->segment_ns : rest_ns;

	return ns > least_ns ? ns : least_ns;
}

bool engine_resumable(const struct phase_entry *p)
{
	return p->run == RUN_SAMPLE || p->run == RUN_CYCLICTEST || p->run == RUN_OSLAT ||
	       p->run == RUN_HWLAT;
}

/* --- one phase --- */

/* How many jobs of the phase so far, in whichever guest, have left a file with something in it. */
static uint64_t jobs_with(const struct phase_run *r, const char *file)
{
	struct job_walk walk = { 0 };
	char path[PATH_MAX];
	json_object *job;
	struct stat st;
	uint64_t n = 0;

	while ((job = state_next_job(r->doc, &walk)))
		n += state_job_file(r->en->state, job, file, path) && !stat(path, &st) &&
		     st.st_size;
	return n;
}

/*
 * How many have used up one of the traces asked for. Of a guest the host's side alone explains nothing,
 * and another piece will come; but each spike at which cyclictest breaks off cuts a piece short, whether
 * a trace could be kept or not: they are bounded.
 */
static uint64_t traces_used(const struct phase_run *r)
{
	const struct phase_entry *p = r->p;

	if (p->on_spike != SPIKE_TRACE)
		return 0;
	if (phase_breaks_off(p))
		return jobs_with(r, "spikes.jsonl");
	return jobs_with(r, p->n_guests ? "trace/guest.dat" : "trace/host.dat");
}

/* With on-spike = stop the rest of a phase's time is not wanted once a spike has come. */
static bool stopped_by_spike(const struct phase_run *r)
{
	return r->p->on_spike == SPIKE_STOP && jobs_with(r, "spikes.jsonl");
}

/*
 * The jobs of the next attempt: those whose time is not over. ns[] takes what each is to measure in
 * it, *left what all of them have before them.
 */
static int next_jobs(struct phase_run *r, bool first, uint64_t *ns, uint64_t *left, struct err *e)
{
	const struct phase_entry *p = r->p;
	uint64_t traces = traces_used(r);

	r->n_jobs = 0;
	*left = 0;
	if (stopped_by_spike(r))
		return 0;
	for (size_t k = 0; k < plan_jobs(p); k++) {
		const struct guest_entry *guest = p->n_guests ? p->guests[k] : NULL;
		uint64_t rest = p->duration_ns;

		if (engine_resumable(p) && remaining(r, guest, &rest, e) < 0)
			return e->code;
		if (!first && (!rest || !engine_resumable(p)))
			continue;
		*left += rest;
		ns[r->n_jobs] = piece_ns(p, rest);
		r->jobs[r->n_jobs++] = (struct job){
			.guest = guest,
			.err = -1,
			.on_spike = p->on_spike == SPIKE_TRACE && traces++ >= p->traces
					    ? SPIKE_RECORD
					    : p->on_spike,
		};
	}
	return 0;
}

/* An attempt that its crash left open; what it measured counts. Did its host go down with it? */
static unsigned int close_lost(json_object *phase)
{
	json_object *attempts = json_at(phase, "attempts");
	size_t n = json_object_array_length(attempts);
	char now[64] = "";

	file_read_line("/proc/sys/kernel/random/boot_id", now, sizeof(now));
	for (size_t i = 0; i < n; i++) {
		json_object *o = json_object_array_get_idx(attempts, i);

		if (strcmp(json_str(o, "status", ""), "running") != 0)
			continue;
		json_set_str(o, "status", "lost");
		if (strcmp(json_str(o, "boot_id", ""), now) != 0)
			json_set_bool(o, "rebooted", true);
	}
	return n;
}

static bool has_whole(json_object *phase)
{
	json_object *attempts = json_at(phase, "attempts");

	for (size_t i = 0; i < json_object_array_length(attempts); i++)
		if (!strcmp(json_str(json_object_array_get_idx(attempts, i), "status", ""),
			    "whole"))
			return true;
	return false;
}

/* An attempt that ended well has measured all of it. */
static bool one_piece(const struct phase_entry *p)
{
	return !engine_resumable(p) || (!p->segment_ns && !phase_breaks_off(p));
}

static int measure_phase(struct phase_run *r, struct err *e)
{
	unsigned int number = close_lost(r->doc), fruitless = 0;
	bool first = !number || (!engine_resumable(r->p) && !has_whole(r->doc));
	uint64_t left, before, ns[CAMPAIGN_GUESTS] = { 0 };

	if (next_jobs(r, first, ns, &left, e) < 0)
		return e->code;
	while (r->n_jobs) {
		int how = attempt_run(r, ++number, ns, e);

		if (how < 0 || how == ATTEMPT_STOPPED)
			return how;
		if (how == ATTEMPT_REFUSED) /* whoever has the CPU may keep it for hours */
			return ATTEMPT_BROKEN;
		if (how == ATTEMPT_WHOLE && one_piece(r->p))
			return ATTEMPT_WHOLE;
		before = left;
		first = how == ATTEMPT_BROKEN && !engine_resumable(r->p);
		if (next_jobs(r, first, ns, &left, e) < 0)
			return e->code;
		fruitless = left < before ? 0 : fruitless + 1;
		if (fruitless == FRUITLESS_ATTEMPTS)
			return ATTEMPT_BROKEN;
	}
	return ATTEMPT_WHOLE;
}

static int run_phase(struct engine *en, size_t i, struct err *e)
{
	_cleanup_free_ struct phase_run *r = calloc(1, sizeof(*r));
	char iso[CLOCK_ISO_BYTES];
	int how;

	if (!r)
		return err_set(e, -ENOMEM, "phase %s: no memory", en->c->phases[i].entry.name);
	r->en = en;
	r->i = i;
	r->p = &en->c->phases[i];
	r->doc = state_phase(en->state, i);
	if (!en->quiet)
		fprintf(stderr, "phase %s\n", r->p->entry.name);
	json_set_str(r->doc, "status", "running");
	if (!json_at(r->doc, "started"))
		json_set_str(r->doc, "started", clock_iso8601(clock_wall_ns(), iso));
	how = measure_phase(r, e);
	if (how < 0)
		return how;
	json_set_str(r->doc, "status",
		     how == ATTEMPT_WHOLE    ? "done"
		     : how == ATTEMPT_BROKEN ? "broken"
					     : "interrupted");
	json_set_str(r->doc, "ended", clock_iso8601(clock_wall_ns(), iso));
	if (engine_judge(en, i, e) < 0 || state_save(en->state, e) < 0)
		return e->code;
	if (!en->quiet)
		fprintf(stderr, "phase %s: %s\n", r->p->entry.name,
			json_str(r->doc, "verdict", ""));
	return how;
}

/* --- all of them --- */

static void skip_rest(struct engine *en, size_t from, const char *why)
{
	for (size_t i = from; i < en->c->n_phases; i++) {
		json_object *phase = state_phase(en->state, i), *reasons = json_object_new_array();

		json_set_str(phase, "status", "skipped");
		json_object_array_add(reasons, json_object_new_string(why));
		json_object_object_add(phase, "reasons", reasons);
	}
}

/* Why the campaign ends with this phase; NULL: it goes on. */
static const char *ends_campaign(const struct engine *en, size_t i, int how, char *buf, size_t size)
{
	const struct phase_entry *p = &en->c->phases[i];
	const char *verdict = json_str(state_phase(en->state, i), "verdict", "");

	if (how == ATTEMPT_BROKEN && en->c->end_on_stall)
		snprintf(buf, size, "phase %s broke, and on-stall = end", p->entry.name);
	else if (p->gate && strcmp(verdict, "pass") != 0)
		snprintf(buf, size, "gate: phase %s ended %s", p->entry.name, verdict);
	else
		return NULL;
	return buf;
}

int engine_run(struct engine *en, struct err *e)
{
	char why[128];

	json_set_str(en->state->doc, "status", "running");
	for (size_t i = 0; i < en->c->n_phases; i++) {
		const char *status = json_str(state_phase(en->state, i), "status", "");
		int how = ATTEMPT_WHOLE;
		const char *end;

		if (strcmp(status, "done") != 0)
			how = run_phase(en, i, e);
		if (how < 0)
			return how;
		if (how == ATTEMPT_STOPPED)
			return engine_finish(en, false, e);
		end = ends_campaign(en, i, how, why, sizeof(why));
		if (end) {
			skip_rest(en, i + 1, end);
			break;
		}
	}
	return engine_finish(en, true, e);
}
