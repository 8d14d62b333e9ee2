// SPDX-License-Identifier: GPL-2.0-only
/* What a phase, and then the whole campaign, came to. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cyclic/campaign_engine.h"
#include "cyclic/complaint.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/proc.h"

enum { SPIKES_MAX = 200000, LOG_SLICES = 1440 };

enum verdict verdict_of(const char *name)
{
	for (enum verdict v = VERDICT_PASS; v <= VERDICT_INCONCLUSIVE; v++)
		if (!strcmp(verdict_name(v), name))
			return v;
	return VERDICT_ERROR;
}

enum verdict verdict_worse(enum verdict a, enum verdict b)
{
	static const int gravity[] = {
		[VERDICT_PASS] = 0,  [VERDICT_INCONCLUSIVE] = 1, [VERDICT_INCOMPLETE] = 2,
		[VERDICT_ERROR] = 3, [VERDICT_FAIL] = 4,
	};

	return gravity[a] >= gravity[b] ? a : b;
}

/* --- one phase --- */

static void add_reason(json_object *reasons, const char *text)
{
	for (size_t i = 0; i < json_object_array_length(reasons); i++)
		if (!strcmp(json_object_get_string(json_object_array_get_idx(reasons, i)), text))
			return; /* several attempts, one finding */
	json_object_array_add(reasons, json_object_new_string(text));
}

static void add_reasons(json_object *reasons, json_object *from)
{
	size_t n = json_object_is_type(from, json_type_array) ? json_object_array_length(from) : 0;

	for (size_t i = 0; i < n; i++)
		add_reason(reasons, json_object_get_string(json_object_array_get_idx(from, i)));
}

static void reasonf(json_object *reasons, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void reasonf(json_object *reasons, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	add_reason(reasons, text);
}

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
		struct run_cpu rc = { c->cpu, c->host_cpu, c->group, c->expected, c->missed };

		run_add_cpu(run, &rc, &c->hist);
	}
}

/* The worst CPU of a limit on max that was broken: when, where. */
static void tell_worst(json_object *reasons, const struct phaselog *g, const struct phase_entry *p)
{
	const struct phaselog_cpu *worst = NULL;
	char iso[CLOCK_ISO_BYTES];

	for (size_t i = 0; i < g->n; i++)
		if (!worst || g->cpus[i]->hist.max_ns > worst->hist.max_ns)
			worst = g->cpus[i];
	for (size_t i = 0; i < p->n_limits && worst; i++)
		if (!strcmp(p->limits[i].what, "max_ns") && worst->hist.max_ns > p->limits[i].ns)
			reasonf(reasons, "largest: %.3f us on CPU %d (host CPU %d) of %s%s%s",
				worst->hist.max_ns / 1e3, worst->cpu, worst->host_cpu, worst->group,
				worst->max_wall_ns ? " at " : "",
				worst->max_wall_ns ? clock_iso8601(worst->max_wall_ns, iso) : "");
}

/* Spikes by their cause, as rtkvm trace explain counts them. */
static void add_causes(json_object *into, json_object *from)
{
	if (!json_object_is_type(from, json_type_object))
		return;
	json_object_object_foreach(from, cause, n) {
		json_set_int(into, cause, json_int(into, cause, 0) + json_object_get_int64(n));
	}
}

struct attempts {
	size_t n;
	json_object *causes; /* borrowed */
	enum verdict verdict; /* the gravest that an attempt's own instrument gave */
	char conditions[16]; /* the least good; "" no job told */
};

/* The instrument's own view of one job: its run.json, where it made one. */
static void read_job(const struct state *s, json_object *job, struct attempts *a,
		     json_object *reasons)
{
	char path[PATH_MAX];
	struct err ignored = { 0 };
	struct run run;
	enum verdict v;

	if (!file_path(path, sizeof(path), "%s/%s", s->dir, json_str(job, "dir", "")) ||
	    run_open(&run, path, &ignored) < 0)
		return;
	v = verdict_of(json_str(run.doc, "verdict", ""));
	if (v != VERDICT_INCOMPLETE)
		a->verdict = verdict_worse(a->verdict, v);
	/* one cut off by us has nothing to tell; one that broke by itself has */
	if (v != VERDICT_INCOMPLETE || !strcmp(json_str(job, "outcome", ""), "broken"))
		add_reasons(reasons, json_at(run.doc, "reasons"));
	add_causes(a->causes, json_at(run.doc, "causes"));
	if (!a->conditions[0] || strcmp(json_str(run.doc, "conditions", ""), "hardware") != 0)
		snprintf(a->conditions, sizeof(a->conditions), "%s",
			 json_str(run.doc, "conditions", "emulated"));
	run_close(&run);
}

static void tell_broken(json_object *job, json_object *reasons)
{
	const char *outcome = json_str(job, "outcome", "ended"); /* none: cut off, told below */
	const char *guest = json_str(job, "guest", NULL);

	if (!strcmp(outcome, "ended") || !strcmp(outcome, "stopped"))
		return;
	reasonf(reasons, "attempt in %s%s%s: %s%s%s", json_str(job, "dir", "?"),
		guest ? ", guest " : "", guest ? guest : "", outcome,
		json_str(job, "said", NULL) ? ": " : "", json_str(job, "said", ""));
}

static struct attempts read_attempts(const struct state *s, json_object *phase,
				     json_object *reasons)
{
	json_object *list = json_at(phase, "attempts");
	struct attempts a = { .n = json_object_array_length(list),
			      .causes = json_object_new_object(),
			      .verdict = VERDICT_PASS,
			      .conditions = "" };
	size_t lost = 0;

	json_object_object_add(phase, "causes", a.causes);

	for (size_t i = 0; i < a.n; i++) {
		json_object *o = json_object_array_get_idx(list, i), *jobs = json_at(o, "jobs");
		json_object *failures = json_at(o, "load_failures");

		lost += !strcmp(json_str(o, "status", ""), "lost");
		for (size_t k = 0; k < json_object_array_length(jobs); k++) {
			json_object *job = json_object_array_get_idx(jobs, k);

			read_job(s, job, &a, reasons);
			tell_broken(job, reasons);
		}
		if (failures && json_object_array_length(failures))
			a.verdict = verdict_worse(a.verdict, VERDICT_INCONCLUSIVE);
		add_reasons(reasons, failures);
	}
	if (lost)
		reasonf(reasons, "cut off %zu time%s and resumed; what was measured counts", lost,
			lost == 1 ? "" : "s");
	return a;
}

/* doctor and hwlat judge the machine; a smoke campaign only wants to know that they work. */
static enum verdict of_machine(const struct engine *en, json_object *phase, enum verdict v,
			       json_object *reasons)
{
	json_object *attempts = json_at(phase, "attempts");
	size_t n = json_object_array_length(attempts);
	json_object *last = n ? json_object_array_get_idx(attempts, n - 1) : NULL;
	json_object *jobs = json_at(last, "jobs");
	int64_t code = json_int(json_object_array_get_idx(jobs, 0), "code", VERDICT_ERROR);

	v = verdict_worse(v, code >= 0 && code <= VERDICT_INCONCLUSIVE ? code : VERDICT_ERROR);
	if (code == VERDICT_FAIL)
		reasonf(reasons, "%s found something; %s has it", json_str(phase, "run", ""),
			json_str(json_object_array_get_idx(jobs, 0), "dir", ""));
	if (en->c->smoke && (v == VERDICT_FAIL || v == VERDICT_INCONCLUSIVE)) {
		reasonf(reasons, "a smoke campaign does not judge the machine");
		return VERDICT_PASS;
	}
	return v;
}

/* Limits over all attempts together; a single attempt has been judged by its instrument as well. */
static enum verdict of_figures(const struct engine *en, const struct phase_entry *p,
			       const struct phaselog *g, const struct attempts *a,
			       json_object *phase, json_object *reasons)
{
	struct run run = { .doc = phase_doc(a->conditions) };
	enum verdict v;

	add_cpus(&run, g);
	for (size_t i = 0; i < p->n_limits; i++)
		run_add_limit(&run, p->limits[i].what, p->limits[i].ns);
	v = run_judge(&run, en->c->smoke);
	add_reasons(reasons, json_at(run.doc, "reasons"));
	json_object_object_add(phase, "limits", json_object_get(json_at(run.doc, "limits")));
	json_object_object_add(phase, "cpus", json_object_get(json_at(run.doc, "cpus")));
	tell_worst(reasons, g, p);
	run_close(&run);
	if (!g->n) {
		reasonf(reasons, "nothing was measured");
		v = verdict_worse(v, VERDICT_INCOMPLETE);
	}
	/* too few samples in one attempt may be enough in all: only its other findings count */
	return a->n > 1 && a->verdict == VERDICT_INCONCLUSIVE && v == VERDICT_PASS &&
			       !json_object_array_length(reasons)
		       ? v
		       : verdict_worse(v, a->verdict);
}

/* What does not change the verdict. */
static void add_notes(json_object *phase, json_object *reasons)
{
	json_object *list = json_at(phase, "attempts");

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		const char *note = json_str(json_object_array_get_idx(list, i), "note", NULL);

		if (note)
			add_reason(reasons, note);
	}
}

int engine_judge(struct engine *en, size_t i, struct err *e)
{
	const struct phase_entry *p = &en->c->phases[i];
	json_object *phase = state_phase(en->state, i), *reasons = json_object_new_array();
	const char *status = json_str(phase, "status", "");
	struct phaselog g = { 0 };
	struct attempts a;
	enum verdict v;

	json_object_object_add(phase, "reasons", reasons);
	if (engine_add_up(en->state, en->c, i, &g, e) < 0) {
		phaselog_free(&g);
		return e->code;
	}
	a = read_attempts(en->state, phase, reasons);
	if (p->run == RUN_DOCTOR || (p->run == RUN_HWLAT && !p->n_guests))
		v = of_machine(en, phase, a.verdict, reasons);
	else
		v = of_figures(en, p, &g, &a, phase, reasons);
	add_notes(phase, reasons);
	if (strcmp(status, "done") != 0)
		v = verdict_worse(v, VERDICT_INCOMPLETE);
	if (g.damaged)
		reasonf(reasons, "%" PRIu64 " bytes of its logs were cut off by crashes",
			g.damaged);
	json_set_int(phase, "measured_ns", g.n ? (int64_t)g.cpus[0]->duration_ns : 0);
	json_set_str(phase, "conditions", a.conditions[0] ? a.conditions : NULL);
	json_set_str(phase, "verdict", verdict_name(v));
	phaselog_free(&g);
	return 0;
}

/* --- the whole --- */

static enum verdict overall(const struct engine *en, bool complete)
{
	enum verdict v = complete ? VERDICT_PASS : VERDICT_INCOMPLETE;

	for (size_t i = 0; i < en->c->n_phases; i++) {
		json_object *phase = state_phase(en->state, i);
		const char *name = json_str(phase, "verdict", NULL);

		if (name)
			v = verdict_worse(v, verdict_of(name));
	}
	return v;
}

/* The campaign's own document: every phase under its name, nothing left of an earlier finish. */
static void fill_doc(const struct engine *en, struct run *run, enum verdict v)
{
	static const char *const arrays[] = { "reasons", "limits", "cpus", "phases" };
	json_object *asked = run_section(run, "asked");

	for (size_t i = 0; i < ARRAY_SIZE(arrays); i++)
		json_object_object_add(run->doc, arrays[i], json_object_new_array());
	if (en->c->smoke && v == VERDICT_PASS) /* first: it is the report's headline */
		run_reason(run, "everything worked: a smoke campaign judges that, and neither "
				"latencies nor the machine");
	json_set_str(asked, "campaign", en->c->name);
	json_set_bool(asked, "smoke", en->c->smoke);
	json_object_object_add(run->doc, "causes", json_object_new_object());
	json_object_object_add(run->doc, "drift",
			       json_object_get(json_at(en->state->doc, "drift")));
	for (size_t i = 0; i < en->c->n_phases; i++) {
		json_object *phase = state_phase(en->state, i), *list;
		const char *verdict = json_str(phase, "verdict", json_str(phase, "status", ""));

		json_object_array_add(json_at(run->doc, "phases"), json_object_get(phase));
		add_causes(json_at(run->doc, "causes"), json_at(phase, "causes"));
		list = json_at(phase, "reasons");
		for (size_t k = 0; list && k < json_object_array_length(list); k++)
			run_reason(run, "phase %s, %s: %s", en->c->phases[i].entry.name, verdict,
				   json_object_get_string(json_object_array_get_idx(list, k)));
		list = json_at(phase, "cpus");
		for (size_t k = 0; list && k < json_object_array_length(list); k++)
			json_object_array_add(json_at(run->doc, "cpus"),
					      json_object_get(json_object_array_get_idx(list, k)));
		list = json_at(phase, "limits");
		for (size_t k = 0; list && k < json_object_array_length(list); k++) {
			json_object *limit = json_object_array_get_idx(list, k);

			json_set_str(limit, "phase", en->c->phases[i].entry.name);
			json_object_array_add(json_at(run->doc, "limits"), json_object_get(limit));
		}
		if (strcmp(json_str(phase, "conditions", "hardware"), "hardware") != 0)
			json_set_str(run->doc, "conditions", json_str(phase, "conditions", ""));
	}
}

static int copy_spikes(const struct engine *en, size_t i, FILE *out, int64_t *n, struct err *e)
{
	json_object *attempts = json_at(state_phase(en->state, i), "attempts");
	const struct phase_entry *p = &en->c->phases[i];

	for (size_t a = 0; a < json_object_array_length(attempts); a++) {
		json_object *jobs = json_at(json_object_array_get_idx(attempts, a), "jobs");

		for (size_t k = 0; k < json_object_array_length(jobs); k++) {
			json_object *job = json_object_array_get_idx(jobs, k);
			char path[PATH_MAX], group[LOG_INSTRUMENT_BYTES];
			const struct guest_entry *guest = NULL;
			int64_t more;

			for (size_t x = 0; x < p->n_guests; x++)
				if (!strcmp(p->guests[x]->entry.name, json_str(job, "guest", "")))
					guest = p->guests[x];
			engine_group(group, p, guest);
			if (!file_path(path, sizeof(path), "%s/%s/spikes.jsonl", en->state->dir,
				       json_str(job, "dir", "")))
				continue;
			more = phaselog_spikes(path, group, out, SPIKES_MAX - *n, e);
			if (more < 0)
				return more;
			*n += more;
		}
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
