// SPDX-License-Identifier: GPL-2.0-only
/* store - the computed figures as run.json's statistics{} (docs/run.schema.json) */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "results/result.h"

/* Six significant digits: what a reader can use, and the same text everywhere. */
static json_object *number(double v)
{
	char text[32];

	if (!isfinite(v))
		return NULL;
	snprintf(text, sizeof(text), "%.6g", v);
	return json_object_new_double_s(v, text);
}

static void set_number(json_object *o, const char *key, double v)
{
	json_object_object_add(o, key, number(v));
}

static json_object *quantiles(const struct figure *f)
{
	json_object *all = json_object_new_object();

	for (int i = 0; i < HIST_LEVELS; i++) {
		const struct estimate *q = &f->quantiles[i];
		json_object *o;

		if (!q->known)
			continue;
		o = json_object_new_object();
		json_set_int(o, "ns", q->ns);
		json_set_int(o, "low_ns", q->low_ns);
		json_object_object_add(o, "high_ns",
				       q->high_open ? NULL : json_object_new_int64(q->high_ns));
		json_object_object_add(all, hist_levels[i].key, o);
	}
	return all;
}

static json_object *exceedances(const struct result *r, const struct figure *f)
{
	json_object *all = json_object_new_array();

	for (size_t i = 0; i < r->n_limits; i++) {
		const struct exceedance *x = &f->over[i];
		json_object *o = json_object_new_object();

		json_set_int(o, "limit_ns", x->limit_ns);
		json_set_int(o, "samples", x->n);
		if (x->unknown)
			json_set_int(o, "unknown", x->unknown);
		json_set_int(o, "of", x->of);
		set_number(o, "rate_bound_95", x->rate_bound);
		set_number(o, "less_than_once_per_s", x->every_s > 0 ? x->every_s : NAN);
		json_object_array_add(all, o);
	}
	return all;
}

static json_object *figure(const struct result *r, const struct figure *f)
{
	json_object *o = json_object_new_object();

	json_object_object_add(o, "cpu", f->cpu < 0 ? NULL : json_object_new_int(f->cpu));
	json_set_int(o, "samples", hist_total(f->hist));
	if (hist_total(f->hist))
		json_set_int(o, "max_ns", f->hist->max_ns);
	if (f->max_wall_ns)
		json_set_int(o, "max_wall_ns", f->max_wall_ns);
	set_number(o, "seconds", f->duration_ns / 1e9);
	for (enum log_counter c = LOG_SMI; c < LOG_COUNTERS; c++)
		if (f->known >> c & 1)
			json_set_int(o, log_counter_name(c), f->counters[c]);
	json_object_object_add(o, "quantiles", quantiles(f));
	json_object_object_add(o, "exceedances", exceedances(r, f));
	return o;
}

static json_object *stationarity(const struct stationarity *s)
{
	static const char *const words[] = { "unknown", "yes", "no" };
	json_object *o = json_object_new_object();

	json_set_str(o, "stationary", words[s->verdict]);
	json_set_int(o, "slices", s->slices);
	if (s->verdict == STATIONARY_UNKNOWN)
		return o;
	set_number(o, "halves_p", s->ks_p);
	set_number(o, "trend", s->trend);
	set_number(o, "trend_p", s->trend_p);
	set_number(o, "median_max_first_ns", s->first_ns);
	set_number(o, "median_max_second_ns", s->second_ns);
	return o;
}

static json_object *tail(const struct tail *t)
{
	json_object *o = json_object_new_object(), *levels;

	json_set_bool(o, "estimate", true);
	json_set_bool(o, "fitted", t->fitted);
	if (!t->fitted) {
		json_set_str(o, "reason", t->reason);
		return o;
	}
	set_number(o, "threshold_ns", t->threshold_ns);
	set_number(o, "samples", t->samples);
	set_number(o, "shape", t->shape);
	set_number(o, "shape_low", t->shape_low);
	set_number(o, "shape_high", t->shape_high);
	set_number(o, "scale_ns", t->scale_ns);
	set_number(o, "fit_p", t->gof_p);
	if (t->holdout_expected > 0) {
		set_number(o, "holdout_expected", t->holdout_expected);
		set_number(o, "holdout_seen", t->holdout_seen);
		set_number(o, "holdout_p", t->holdout_p);
	}
	levels = json_object_new_array();
	for (int i = 0; i < TAIL_LEVELS; i++) {
		json_object *l;

		if (t->levels[i].rate <= 0)
			continue;
		l = json_object_new_object();
		json_set_str(l, "what", t->levels[i].label);
		set_number(l, "ns", t->levels[i].ns);
		set_number(l, "low_ns", t->levels[i].low_ns);
		set_number(l, "high_ns", t->levels[i].high_ns);
		json_object_array_add(levels, l);
	}
	json_object_object_add(o, "levels", levels);
	return o;
}

static json_object *group(const struct result *r, const struct group *g)
{
	json_object *o = json_object_new_object(), *cpus = json_object_new_array();

	json_set_str(o, "instrument", g->instrument);
	json_object_object_add(o, "all", figure(r, &g->all));
	for (size_t i = 0; i < g->n_cpus; i++)
		json_object_array_add(cpus, figure(r, &g->cpus[i]));
	json_object_object_add(o, "cpus", cpus);
	json_object_object_add(o, "stationarity", stationarity(&g->stationarity));
	json_object_object_add(o, "tail", tail(&g->tail));
	return o;
}

static json_object *damages(const struct dataset *d)
{
	json_object *all = json_object_new_array();

	for (size_t i = 0; i < d->n_damages; i++) {
		json_object *o = json_object_new_object();

		json_set_str(o, "file", strrchr(d->damages[i].path, '/') + 1);
		json_set_int(o, "offset", d->damages[i].offset);
		json_set_int(o, "bytes", d->damages[i].bytes);
		json_set_bool(o, "at_end", d->damages[i].tail);
		json_object_array_add(all, o);
	}
	return all;
}

static void store_cpus(struct result *r)
{
	for (size_t i = 0; i < r->n_groups; i++)
		for (size_t k = 0; k < r->groups[i].n_cpus; k++) {
			const struct figure *f = &r->groups[i].cpus[k];
			struct run_cpu c = {
				.cpu = f->cpu,
				.host_cpu = f->host_cpu,
				.instrument = r->groups[i].instrument,
				.expected = f->expected,
				.missed = f->missed,
			};

			run_add_cpu(&r->run, &c, f->hist);
		}
}

static void store_causes(struct result *r)
{
	json_object *causes = run_section(&r->run, "causes");

	bool explained = r->spikes.n && !strcmp(r->spikes.v[0].instrument, "trace"); /* all, then */

	/* the instrument's own number may be of more than it listed */
	if (explained || !json_int(r->run.doc, "spikes", 0))
		json_set_int(r->run.doc, "spikes", r->spikes.n + r->spikes.dropped);
	json_object_object_foreach(causes, key, value) {
		(void)key;
		(void)value;
		return; /* the recorder has counted them itself */
	}
	for (size_t i = 0; i < r->spikes.n; i++) {
		const char *name = r->spikes.v[i].cause->name;

		json_set_int(causes, name, json_int(causes, name, 0) + 1);
	}
}

int result_store(struct result *r, struct err *e)
{
	json_object *s = json_object_new_object(), *groups = json_object_new_array();

	if (!s || !groups)
		return err_set(e, -ENOMEM, "computing statistics failed: no memory");
	for (size_t i = 0; i < r->n_groups; i++)
		json_object_array_add(groups, group(r, &r->groups[i]));
	json_object_object_add(s, "groups", groups);
	json_set_int(s, "slices", r->data.n_slices);
	json_object_object_add(s, "damage", damages(&r->data));
	json_set_int(s, "events", r->spikes.n_events);
	json_set_int(s, "platform_events", r->spikes.platform);
	json_set_int(s, "spike_lines_left_out", r->spikes.bad_lines);
	json_object_object_add(r->run.doc, "statistics", s);
	if (!json_object_array_length(json_at(r->run.doc, "cpus")))
		store_cpus(r);
	if (r->spikes.n)
		store_causes(r);
	return 0;
}
