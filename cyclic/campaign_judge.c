// SPDX-License-Identifier: GPL-2.0-only
/* What a phase, and then the whole campaign, came to. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cyclic/campaign_attempts.h"
#include "cyclic/campaign_engine.h"
#include "cyclic/campaign_job.h"
#include "cyclic/campaign_plan.h"
#include "cyclic/campaign_reasons.h"
#include "cyclic/complaint.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/proc.h"

enum {
	SPIKES_MAX = 200000,
	LOG_SLICES = 1440,
};

/* --- one phase --- */

/* A document that run_judge understands, of one phase: never saved. */
static json_object *phase_doc(const char *conditions)
{
	static const char *const arrays[] = { "limits", "cpus", "reasons" };
	json_object *doc = json_object_new_object();

	json_set_str(doc, "conditions", conditions);
	for (size_t i = 0; i < ARRAY_SIZE(arrays); i++)
		json_object_object_add(doc, arrays[i], json_object_new_array());
	return doc;
}

static void add_cpus(struct run *run, const struct phaselog *g)
{
	for (size_t i = 0; i < g->n; i++) {
		const struct phaselog_cpu *c = g->cpus[i];
		struct run_cpu rc = {
			.cpu = c->cpu,
			.host_cpu = c->host_cpu,
			.instrument = c->group,
			.expected = c->expected,
			.missed = c->missed,
		};

		run_add_cpu(run, &rc, &c->hist);
	}
}

/* The largest of all, where it broke a limit: when, where. */
static void tell_worst(json_object *reasons, const struct phaselog *g, uint64_t limit_ns)
{
	const struct phaselog_cpu *worst = NULL;
	char iso[CLOCK_ISO_BYTES];

	for (size_t i = 0; i < g->n; i++)
		if (!worst || g->cpus[i]->hist.max_ns > worst->hist.max_ns)
			worst = g->cpus[i];
	if (worst && worst->hist.max_ns > limit_ns)
		reasons_addf(reasons, "largest: %.3f us on CPU %d (host CPU %d) of %s%s%s",
			     worst->hist.max_ns / 1e3, worst->cpu, worst->host_cpu, worst->group,
			     worst->max_wall_ns ? " at " : "",
			     worst->max_wall_ns ? clock_iso8601(worst->max_wall_ns, iso) : "");
}

/* One phase being judged. */
struct judging {
	const struct engine *en;
	size_t i;
	const struct phase_entry *p;
	json_object *phase, *reasons;
	struct phaselog g;
	struct attempts a;
};

/*
 * doctor judges the machine, and is repeated as a whole: its last word counts. A smoke campaign only
 * wants to know that it works.
 */
static enum verdict of_doctor(const struct judging *j)
{
	json_object *attempts = json_at(j->phase, "attempts");
	size_t n = json_object_array_length(attempts);
	json_object *last = n ? json_object_array_get_idx(attempts, n - 1) : NULL;
	json_object *job = json_object_array_get_idx(json_at(last, "jobs"), 0);
	int64_t code = json_int(job, "code", VERDICT_ERROR);

	if (code == VERDICT_FAIL)
		reasons_addf(j->reasons, "doctor found something; %s has it",
			     json_str(job, "dir", ""));
	if (j->en->c->smoke && (code == VERDICT_FAIL || code == VERDICT_INCONCLUSIVE)) {
		reasons_addf(j->reasons, "a smoke campaign does not judge the machine");
		code = VERDICT_PASS;
	}
	return verdict_worse(j->a.verdict,
			     code >= 0 && code <= VERDICT_INCONCLUSIVE ? code : VERDICT_ERROR);
}

/* A pass needs the time asked for, but for what a crash may cost. */
static enum verdict of_time(const struct judging *j)
{
	const struct phase_entry *p = j->p;
	uint64_t lost = p->duration_ns / 10, slack = JOB_SLACK_PERIODS * p->interval_ns;
	enum verdict v = VERDICT_PASS;

	lost = j->en->c->slice_ns < lost ? j->en->c->slice_ns : lost;
	slack = lost > slack ? lost : slack;
	for (size_t k = 0; k < plan_jobs(p); k++) {
		const struct guest_entry *guest = p->n_guests ? p->guests[k] : NULL;
		uint64_t ns = engine_measured(&j->g, p, guest);

		if (ns + slack >= p->duration_ns)
			continue;
		reasons_addf(j->reasons, "%s%smeasured for %.1f s of %.1f s%s",
			     guest ? guest->entry.name : "", guest ? ": " : "",
			     (double)ns / NSEC_PER_SEC, (double)p->duration_ns / NSEC_PER_SEC,
			     p->on_spike == SPIKE_STOP ? "; on-spike = stop ends it at a spike"
						       : "");
		v = VERDICT_INCOMPLETE;
	}
	return v;
}

/* The slice of a spike may have been lost, with the attempt that it ended; the spike was not. */
static enum verdict of_spikes(const struct judging *j, struct run *run)
{
	json_object *limits = json_at(run->doc, "limits");
	char iso[CLOCK_ISO_BYTES];
	uint64_t wall_ns = 0;
	int cpu = -1;
	uint64_t ns = j->p->run == RUN_SAMPLE ? attempts_spike(j->en->state, j->i, &cpu, &wall_ns)
					      : 0;

	for (size_t i = 0; i < json_object_array_length(limits); i++) {
		json_object *limit = json_object_array_get_idx(limits, i);

		if (strcmp(json_str(limit, "what", ""), "max_ns") != 0 ||
		    (int64_t)ns <= json_int(limit, "limit_ns", 0) ||
		    (int64_t)ns <= json_int(limit, "value_ns", 0))
			continue;
		json_set_int(limit, "value_ns", ns);
		json_set_int(limit, "cpu", cpu);
		json_set_bool(limit, "met", false);
		reasons_addf(j->reasons,
			     "largest: %.3f us on CPU %d at %s, above its limit of %.3f us; its "
			     "slice was lost, spikes.jsonl has it",
			     ns / 1e3, cpu, clock_iso8601(wall_ns, iso),
			     json_int(limit, "limit_ns", 0) / 1e3);
		return j->en->c->smoke || run_is_hardware(run) ? VERDICT_FAIL
							       : VERDICT_INCONCLUSIVE;
	}
	return VERDICT_PASS;
}

static void add_limits(struct run *run, const struct phase_entry *p)
{
	for (size_t i = 0; i < p->n_limits; i++)
		run_add_limit(run, p->limits[i].what, p->limits[i].ns);
}

/* A limit that was broken where the kernel takes CPUs away from what it measures proves nothing. */
static enum verdict of_limits(const struct judging *j, struct run *run)
{
	enum verdict v;

	json_set_bool(run->doc, "throttled", j->a.throttled);
	json_set_bool(j->phase, "throttled", j->a.throttled);
	v = run_judge(run, j->en->c->smoke);
	reasons_add_all(j->reasons, json_at(run->doc, "reasons"));
	return v;
}

/* Limits over all attempts together; a single attempt has been judged by its instrument as well. */
static enum verdict of_figures(const struct judging *j)
{
	struct run run = { .doc = phase_doc(j->a.conditions) };
	const struct phase_entry *p = j->p;
	enum verdict v;

	add_cpus(&run, &j->g);
	add_limits(&run, p);
	v = of_limits(j, &run);
	for (size_t i = 0; i < p->n_limits; i++)
		if (!strcmp(p->limits[i].what, "max_ns"))
			tell_worst(j->reasons, &j->g, p->limits[i].ns);
	v = verdict_worse(v, of_spikes(j, &run));
	json_object_object_add(j->phase, "limits", json_object_get(json_at(run.doc, "limits")));
	json_object_object_add(j->phase, "cpus", json_object_get(json_at(run.doc, "cpus")));
	run_close(&run);
	if (!j->g.n) {
		reasons_addf(j->reasons, "nothing was measured");
		v = verdict_worse(v, VERDICT_INCOMPLETE);
	} else if (engine_resumable(p)) {
		v = verdict_worse(v, of_time(j));
	}
	if (p->simulate && !j->en->c->smoke && v == VERDICT_PASS) {
		reasons_add(j->reasons,
			    "no machine was measured: the latencies were drawn from a seed");
		v = VERDICT_INCONCLUSIVE;
	}
	return verdict_worse(v, j->a.verdict);
}

/* What does not change the verdict. */
static void add_notes(json_object *phase, json_object *reasons)
{
	json_object *list = json_at(phase, "attempts");

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		const char *note = json_str(json_object_array_get_idx(list, i), "note", NULL);

		if (note)
			reasons_add(reasons, note);
	}
}

static void judge(struct judging *j)
{
	enum verdict v;

	j->a = attempts_read(j->en->state, j->en->c, j->i, j->reasons);
	v = j->p->run == RUN_DOCTOR ? of_doctor(j) : of_figures(j);
	add_notes(j->phase, j->reasons);
	if (strcmp(json_str(j->phase, "status", ""), "done") != 0)
		v = verdict_worse(v, VERDICT_INCOMPLETE);
	if (j->g.damaged)
		reasons_addf(j->reasons, "%" PRIu64 " bytes of its logs were cut off by crashes",
			     j->g.damaged);
	json_set_int(j->phase, "measured_ns", j->g.n ? (int64_t)j->g.cpus[0]->duration_ns : 0);
	json_set_str(j->phase, "conditions", j->a.conditions[0] ? j->a.conditions : NULL);
	json_set_str(j->phase, "verdict", verdict_name(v));
}

int engine_judge(struct engine *en, size_t i, struct err *e)
{
	struct judging j = {
		.en = en,
		.i = i,
		.p = &en->c->phases[i],
		.phase = state_phase(en->state, i),
		.reasons = json_object_new_array(),
	};
	int ret = engine_add_up(en->state, en->c, i, &j.g, e);

	json_object_object_add(j.phase, "reasons", j.reasons);
	if (!ret)
		judge(&j);
	phaselog_free(&j.g);
	return ret;
}

/* --- the whole --- */

static enum verdict overall(const struct engine *en, bool complete)
{
	return verdict_worse(complete ? VERDICT_PASS : VERDICT_INCOMPLETE,
			     run_phases_verdict(json_at(en->state->doc, "phases")));
}

/* Copies of from[] go to the end of to[]. */
static void append(json_object *to, json_object *from)
{
	for (size_t i = 0; from && i < json_object_array_length(from); i++)
		json_object_array_add(to, json_object_get(json_object_array_get_idx(from, i)));
}

static void add_phase(struct run *run, json_object *phase, const char *name)
{
	json_object *reasons = json_at(phase, "reasons"), *limits = json_at(phase, "limits");
	const char *verdict = json_str(phase, "verdict", json_str(phase, "status", ""));

	json_object_array_add(json_at(run->doc, "phases"), json_object_get(phase));
	attempts_add_causes(json_at(run->doc, "causes"), json_at(phase, "causes"));
	for (size_t i = 0; reasons && i < json_object_array_length(reasons); i++)
		run_reason(run, "phase %s, %s: %s", name, verdict,
			   json_object_get_string(json_object_array_get_idx(reasons, i)));
	for (size_t i = 0; limits && i < json_object_array_length(limits); i++)
		json_set_str(json_object_array_get_idx(limits, i), "phase", name);
	append(json_at(run->doc, "limits"), limits);
	append(json_at(run->doc, "cpus"), json_at(phase, "cpus"));
	/* its verdict knows; but limits that are given later are for all phases */
	if (json_object_get_boolean(json_at(phase, "throttled")))
		json_set_bool(run->doc, "throttled", true);
	if (strcmp(json_str(phase, "conditions", "hardware"), "hardware") != 0)
		json_set_str(run->doc, "conditions", json_str(phase, "conditions", ""));
}

/* The campaign's own document: every phase under its name, nothing left of an earlier finish. */
static void fill_doc(const struct engine *en, struct run *run, enum verdict v)
{
	static const char *const arrays[] = { "reasons", "judged", "limits", "cpus", "phases" };
	static const char *const others[] = { "throttled", "judged_smoke", "doubts", "shortfalls" };
	json_object *asked = run_section(run, "asked");

	for (size_t i = 0; i < ARRAY_SIZE(arrays); i++)
		json_object_object_add(run->doc, arrays[i], json_object_new_array());
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		json_object_object_del(run->doc, others[i]);
	if (en->c->smoke && v == VERDICT_PASS) /* first: it is the report's headline */
		run_judged(run, "everything worked: a smoke campaign judges that, and neither "
				"latencies nor the machine");
	json_set_str(asked, "campaign", en->c->name);
	json_set_bool(asked, "smoke", en->c->smoke);
	json_object_object_add(run->doc, "causes", json_object_new_object());
	json_object_object_add(run->doc, "drift",
			       json_object_get(json_at(en->state->doc, "drift")));
	for (size_t i = 0; i < en->c->n_phases; i++)
		add_phase(run, state_phase(en->state, i), en->c->phases[i].entry.name);
}

static int copy_spikes(const struct engine *en, size_t i, FILE *out, int64_t *n, struct err *e)
{
	char path[PATH_MAX], group[LOG_INSTRUMENT_BYTES];
	struct job_walk walk = { 0 };
	json_object *job;

	while ((job = state_next_job(state_phase(en->state, i), &walk))) {
		int64_t more;

		if (!state_job_file(en->state, job, "spikes.jsonl", path))
			continue;
		engine_job_group(group, &en->c->phases[i], job);
		more = phaselog_spikes(path, group, out, SPIKES_MAX - *n, e);
		if (more < 0)
			return more;
		*n += more;
	}
	return 0;
}

static int copy_phase(const struct engine *en, size_t i, struct log_writer *log, struct err *e)
{
	uint64_t slice = en->c->phases[i].duration_ns / LOG_SLICES;
	struct phaselog g = { .log = log,
			      .slice_ns = slice > en->c->slice_ns ? slice : en->c->slice_ns };
	int ret = engine_add_up(en->state, en->c, i, &g, e);

	if (!ret)
		ret = phaselog_flush(&g, e);
	phaselog_free(&g);
	return ret;
}

/* latency.log and spikes.jsonl of the whole: derived, so an earlier finish is written anew. */
static int write_logs(const struct engine *en, struct run *run, struct err *e)
{
	char log_path[PATH_MAX], spikes_path[PATH_MAX];
	_cleanup_fclose_ FILE *spikes = NULL;
	struct log_writer log;
	int64_t n = 0;
	int ret, closed;

	unlink(run_path(run, "latency.log", log_path));
	ret = log_create(&log, log_path, 0, e);
	if (ret < 0)
		return ret;
	spikes = fopen(run_path(run, "spikes.jsonl", spikes_path), "we");
	if (!spikes)
		ret = err_sys(e, "making %s failed", spikes_path);
	for (size_t i = 0; i < en->c->n_phases && !ret; i++) {
		ret = copy_phase(en, i, &log, e);
		if (!ret)
			ret = copy_spikes(en, i, spikes, &n, e);
	}
	closed = log_close(&log, e);
	if (!ret && fflush(spikes))
		ret = err_sys(e, "writing %s failed", spikes_path);
	json_set_int(run->doc, "spikes", n);
	run_file(run, "log", "latency.log");
	run_file(run, "spikes", "spikes.jsonl");
	return ret < 0 ? ret : closed;
}

/* The report is drawn by its own verb; one that cannot be drawn does not change the result. */
void engine_report(const struct engine *en)
{
	char *argv[] = { (char *)en->self, "report", en->state->dir, NULL };
	_cleanup_close_ int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	_cleanup_close_ int said = memfd_create("stderr", MFD_CLOEXEC);
	struct proc_opts o = PROC_OPTS_INIT;
	struct err e = { 0 };
	struct proc p;
	char why[200];

	o.argv = argv;
	o.out = null;
	o.err = said;
	if (proc_start(&p, &o, &e) < 0)
		return;
	if (proc_wait(&p, 0) < 0) /* asked to stop: the result is safe, the report can be redone */
		proc_stop(&p, 1000);
	if (proc_code(&p) == VERDICT_ERROR && !en->quiet)
		fprintf(stderr, "no report: %s\n", complaint(said, "rtkvm ", why, sizeof(why)));
}

int engine_finish(struct engine *en, bool complete, struct err *e)
{
	enum verdict v = overall(en, complete);
	struct run run;
	int ret = run_open(&run, en->state->dir, e);

	if (ret < 0)
		return ret;
	fill_doc(en, &run, v);
	ret = write_logs(en, &run, e);
	if (!ret)
		ret = run_finish(&run, v, e);
	run_close(&run);
	if (ret < 0)
		return ret;
	json_set_str(en->state->doc, "status", complete ? "done" : "interrupted");
	json_set_str(en->state->doc, "verdict", verdict_name(v));
	ret = state_save(en->state, e);
	if (!ret)
		engine_report(en);
	return ret < 0 ? ret : (int)v;
}
