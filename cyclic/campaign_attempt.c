// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/campaign_attempt.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "cyclic/campaign_plan.h"
#include "cyclic/hostclaim.h"
#include "cyclic/orphans.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/progress.h"
#include "lib/stop.h"

enum { WATCH_MS = 100, LOAD_WARM_UP_NS = 500000000 };

static json_object *note_attempt(const struct phase_run *r, unsigned int n, const uint64_t *ns)
{
	json_object *o = json_object_new_object(), *jobs = json_object_new_array();
	char iso[CLOCK_ISO_BYTES], boot[64];

	json_set_int(o, "number", n);
	json_set_str(o, "status", "running");
	json_set_str(o, "started", clock_iso8601(clock_wall_ns(), iso));
	json_set_str(o, "boot_id",
		     file_read_line("/proc/sys/kernel/random/boot_id", boot, sizeof(boot)));
	json_object_object_add(o, "jobs", jobs);
	for (size_t k = 0; k < r->n_jobs; k++) {
		const struct job *j = &r->jobs[k];
		json_object *job = json_object_new_object();

		json_set_str(job, "guest", j->guest ? j->guest->entry.name : NULL);
		json_set_str(job, "dir", j->dir + strlen(r->en->state->dir) + 1);
		json_set_int(job, "asked_ns", ns[k]);
		json_object_array_add(jobs, job);
	}
	json_object_array_add(json_at(r->doc, "attempts"), o);
	return o;
}

static bool any_running(const struct phase_run *r)
{
	for (size_t k = 0; k < r->n_jobs; k++)
		if (r->jobs[k].outcome == JOB_RUNNING)
			return true;
	return false;
}

/* How many loads have failed; why, into the attempt. */
static size_t note_failures(const struct phase_run *r, json_object *o)
{
	json_object *failures = json_object_new_array();

	loads_failures(&r->loads, failures);
	json_object_object_add(o, "load_failures", failures);
	return json_object_array_length(failures);
}

/* At once: whatever ends the campaign later, nobody else knows it. Tried again until it is on disk. */
static void save_failures(const struct phase_run *r, json_object *o, size_t *saved)
{
	struct err ignored = { 0 };
	size_t n = note_failures(r, o);

	if (n > *saved && !state_save(r->en->state, &ignored))
		*saved = n;
}

static void watch(struct phase_run *r, json_object *o)
{
	struct progress bar;
	uint64_t start = clock_now_ns();
	size_t saved = 0;

	progress_start(&bar, r->p->entry.name);
	while (any_running(r)) {
		poll(NULL, 0, WATCH_MS);
		loads_watch(&r->loads);
		save_failures(r, o, &saved);
		for (size_t k = 0; k < r->n_jobs; k++)
			if (stop_requested())
				job_stop(&r->jobs[k]);
			else
				job_watch(&r->jobs[k]);
		if (r->p->duration_ns)
			progress_show(&bar, clock_now_ns() - start, r->p->duration_ns);
	}
	progress_end(&bar);
}

static enum attempt close_attempt(struct phase_run *r, json_object *o)
{
	json_object *jobs = json_at(o, "jobs");
	enum attempt how = ATTEMPT_WHOLE;
	char iso[CLOCK_ISO_BYTES];

	for (size_t k = 0; k < r->n_jobs; k++) {
		const struct job *j = &r->jobs[k];
		json_object *job = json_object_array_get_idx(jobs, k);

		json_set_str(job, "outcome", job_outcome_name(j->outcome));
		json_set_int(job, "code", j->code);
		json_set_str(job, "ended", clock_iso8601(j->ended_wall_ns, iso));
		if (j->silent)
			json_set_bool(job, "silent", true);
		if (j->said[0])
			json_set_str(job, "said", j->said);
		if (j->outcome == JOB_STOPPED)
			how = ATTEMPT_STOPPED;
		else if (j->outcome != JOB_ENDED && how == ATTEMPT_WHOLE)
			how = ATTEMPT_BROKEN;
	}
	note_failures(r, o);
	json_set_str(o, "ended", clock_iso8601(clock_wall_ns(), iso));
	json_set_str(o, "status",
		     how == ATTEMPT_WHOLE    ? "whole"
		     : how == ATTEMPT_BROKEN ? "broken"
					     : "stopped");
	return how;
}

/* Loads first: a measurement must not begin before what it is to be disturbed by. */
static int start_all(struct phase_run *r, const struct claim *cpus, const uint64_t *ns,
		     struct err *e)
{
	struct engine *en = r->en;
	char path[PATH_MAX + 16];
	int ret;

	snprintf(path, sizeof(path), "%s/loads.jsonl", en->state->dir);
	ret = loads_start(&r->loads, en->c, r->p, en->self, path, e);
	if (!ret && r->loads.n)
		clock_sleep_until(clock_now_ns() + LOAD_WARM_UP_NS);
	for (size_t k = 0; k < r->n_jobs && !ret; k++)
		ret = job_start(&r->jobs[k], en->self, en->c, r->p, cpus, ns[k], e);
	return ret;
}

/* Another has a CPU of the phase: a guest's VMM would have said so of its own, and ended. */
static int refused(struct phase_run *r, json_object *o, const struct err *why, struct err *e)
{
	for (size_t k = 0; k < r->n_jobs; k++) {
		struct job *j = &r->jobs[k];

		j->outcome = JOB_BROKEN;
		j->code = VERDICT_ERROR;
		j->ended_wall_ns = clock_wall_ns();
		snprintf(j->said, sizeof(j->said), "%.*s", (int)sizeof(j->said) - 1, why->text);
		json_set_bool(json_object_array_get_idx(json_at(o, "jobs"), k), "refused", true);
	}
	close_attempt(r, o);
	return state_save(r->en->state, e) < 0 ? e->code : ATTEMPT_REFUSED;
}

int attempt_run(struct phase_run *r, unsigned int number, const uint64_t *ns, struct err *e)
{
	json_object *o;
	char note[ORPHANS_BYTES];
	struct err why = { 0 };
	struct claim cpus;
	int ret, how = ATTEMPT_STOPPED;
	int taken = hostclaim_take(&cpus, r->en->sysfs, r->p, &why);

	if (taken < 0 && taken != -EBUSY && taken != -EAGAIN)
		return err_set(e, taken, "%s", why.text);
	for (size_t k = 0; k < r->n_jobs; k++)
		plan_dir(r->jobs[k].dir, r->en->state->dir, r->i, r->p, number, r->jobs[k].guest);
	o = note_attempt(r, number, ns);
	if (taken < 0)
		return refused(r, o, &why, e);
	if (orphans_remove(note)) /* an earlier attempt's, perhaps */
		json_set_str(o, "note", note);
	ret = state_save(r->en->state, e);
	if (!ret)
		ret = start_all(r, &cpus, ns, e);
	if (!ret) {
		watch(r, o);
		loads_finish(&r->loads);
		how = close_attempt(r, o);
	}
	for (size_t k = 0; k < r->n_jobs; k++)
		job_close(&r->jobs[k]);
	loads_stop(&r->loads);
	claim_drop(&cpus);
	if (!ret)
		ret = state_save(r->en->state, e);
	return ret < 0 ? ret : how;
}
