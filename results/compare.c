// SPDX-License-Identifier: GPL-2.0-only
#include "results/compare.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"

static const double significant = 0.01;
static const double matters_ns = 1000, matters_share = 0.1;
static const double rate_matters = 1.5; /* a rate that grew by half, or shrank to two thirds */

const char *compare_name(enum compare_outcome o)
{
	static const char *const names[] = {
		[COMPARED_SAME] = "same",
		[COMPARED_BETTER] = "better",
		[COMPARED_WORSE] = "worse",
		[COMPARED_UNKNOWN] = "cannot tell",
	};

	return names[o];
}

/* --- are they comparable? --- */

struct fact {
	const char *name, *path;
	bool forbids;
};

/* What forbids says what was measured and where; the rest is what one may want to compare. */
static const struct fact facts[] = {
	{ "conditions", "conditions", true },
	{ "CPU model", "host.cpu_model", true },
	{ "microcode", "host.microcode", false },
	{ "host kernel", "host.kernel", false },
	{ "host command line", "host.cmdline", false },
	{ "isolated CPUs", "host.isolated", false },
	{ "nohz_full CPUs", "host.nohz_full", false },
	{ "SMT", "host.smt", false },
	{ "clocksource", "host.clocksource", false },
	{ "frequency governor", "host.cpufreq_governor", false },
	{ "tuned profile", "host.tuned_profile", false },
	{ "BIOS", "host.bios", false },
	{ "guest kernel", "guest.kernel", false },
	{ "guest command line", "guest.cmdline", false },
	{ "VMM", "vmm.kind", false },
	{ "VMM version", "vmm.version", false },
	{ "load", "asked.load", false },
};

static void add_difference(struct difference *d, int *n, int *forbidding, const char *name,
			   bool forbids, const char *a, const char *b)
{
	if (!strcmp(a, b))
		return;
	*forbidding += forbids;
	if (*n == DIFFERENCES_MAX)
		return;
	d[*n] = (struct difference){ .name = name, .forbids = forbids };
	snprintf(d[*n].a, sizeof(d[*n].a), "%s", a);
	snprintf(d[*n].b, sizeof(d[*n].b), "%s", b);
	++*n;
}

static void instruments(const struct result *r, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < r->n_groups && len < size; i++)
		len += snprintf(buf + len, size - len, "%s%s", i ? ", " : "",
				r->groups[i].instrument);
}

int compare_conditions(const struct result *a, const struct result *b, struct difference *d,
		       int *forbidding)
{
	char x[160], y[160];
	int n = 0;

	*forbidding = 0;
	instruments(a, x, sizeof(x));
	instruments(b, y, sizeof(y));
	add_difference(d, &n, forbidding, "instruments", true, x, y);
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++)
		add_difference(d, &n, forbidding, facts[i].name, facts[i].forbids,
			       json_str(a->run.doc, facts[i].path, "unknown"),
			       json_str(b->run.doc, facts[i].path, "unknown"));
	for (size_t i = 0; i < a->n_groups; i++) {
		const struct group *g = &a->groups[i], *other = compare_find(b, g->instrument);

		if (!other)
			continue;
		snprintf(x, sizeof(x), "%ju ns", (uintmax_t)g->all.period_ns);
		snprintf(y, sizeof(y), "%ju ns", (uintmax_t)other->all.period_ns);
		add_difference(d, &n, forbidding, "interval", true, x, y);
		snprintf(x, sizeof(x), "%ju ns", (uintmax_t)g->hist.resolution_ns);
		snprintf(y, sizeof(y), "%ju ns", (uintmax_t)other->hist.resolution_ns);
		add_difference(d, &n, forbidding, "resolution", true, x, y);
		snprintf(x, sizeof(x), "%zu", g->n_cpus);
		snprintf(y, sizeof(y), "%zu", other->n_cpus);
		add_difference(d, &n, forbidding, "number of CPUs", false, x, y);
	}
	return n;
}

const struct group *compare_find(const struct result *r, const char *instrument)
{
	for (size_t i = 0; i < r->n_groups; i++)
		if (!strcmp(r->groups[i].instrument, instrument))
			return &r->groups[i];
	return NULL;
}

/* --- slices --- */

enum which { SLICE_MAX, SLICE_P999, SLICE_MEDIAN };

static const char *const metric_names[COMPARE_METRICS] = { "slice maximum", "slice p99.9",
							   "slice median" };

/* One figure of each slice and CPU of a group; the count in *n; the caller frees. NULL: no memory. */
static double *slice_values(const struct result *r, const struct group *g, enum which which,
			    size_t *n)
{
	double *v = malloc((r->data.n_slices + 1) * sizeof(*v));

	*n = 0;
	for (size_t i = 0; v && i < r->data.n_slices; i++) {
		const struct slice_stat *s = &r->data.slices[i];
		uint64_t ns = which == SLICE_MAX    ? s->max_ns
			      : which == SLICE_P999 ? s->p999_ns
						    : s->p50_ns;

		if (s->count && ns && !strcmp(r->data.series[s->series].instrument, g->instrument))
			v[(*n)++] = ns;
	}
	return v;
}

/*
 * Different: significant, and the whole interval beyond nothing, and large enough to matter. Same:
 * the whole interval is too small to matter.
 */
static enum compare_outcome judge_shift(const struct metric_result *m)
{
	const struct shift *s = &m->shift;

	if (m->na < COMPARE_SLICES || m->nb < COMPARE_SLICES)
		return COMPARED_UNKNOWN;
	if (s->p < significant && s->low > 0 && s->shift > m->matters_ns)
		return COMPARED_WORSE;
	if (s->p < significant && s->high < 0 && s->shift < -m->matters_ns)
		return COMPARED_BETTER;
	if (s->low >= -m->matters_ns && s->high <= m->matters_ns)
		return COMPARED_SAME;
	return COMPARED_UNKNOWN;
}

static int compare_metric(struct metric_result *m, enum which which, const struct result *a,
			  const struct group *ga, const struct result *b, const struct group *gb,
			  struct err *e)
{
	_cleanup_free_ double *va = slice_values(a, ga, which, &m->na);
	_cleanup_free_ double *vb = slice_values(b, gb, which, &m->nb);

	m->name = metric_names[which];
	m->outcome = COMPARED_UNKNOWN;
	if (!va || !vb)
		return err_set(e, -ENOMEM, "comparing failed: no memory");
	if (!m->na || !m->nb)
		return 0;
	m->shift = stats_shift(va, m->na, vb, m->nb);
	m->a_ns = stats_median(va, m->na);
	m->b_ns = stats_median(vb, m->nb);
	m->matters_ns = fmax(matters_ns, matters_share * m->a_ns);
	m->outcome = judge_shift(m);
	return 0;
}

/* --- single samples --- */

static uint64_t choose_limit(struct rate_result *r, const struct result *a, const struct group *ga,
			     const struct group *gb)
{
	_cleanup_free_ struct hist *pooled = NULL;
	uint64_t ns = 0;

	if (a->n_limits)
		return a->limits_ns[0];
	pooled = malloc(sizeof(*pooled));
	r->from_data = true;
	if (!pooled)
		return 0;
	*pooled = ga->hist;
	hist_merge(pooled, &gb->hist);
	if (!hist_quantile(pooled, 0.9999, &ns) && !hist_quantile(pooled, 0.999, &ns))
		return 0;
	return ns;
}

static enum compare_outcome judge_rate(const struct rate_result *r)
{
	const struct rate_ratio *q = &r->ratio;

	if (!r->na && !r->nb)
		return COMPARED_UNKNOWN; /* nobody exceeded it: it tells nothing apart */
	if (q->p < significant && q->ratio > rate_matters)
		return COMPARED_WORSE;
	if (q->p < significant && q->ratio < 1 / rate_matters)
		return COMPARED_BETTER;
	if (2 * r->na > r->of_a || 2 * r->nb > r->of_b)
		return COMPARED_UNKNOWN; /* nearly all do, as of gaps above their threshold: no tail */
	if (q->low >= 1 / rate_matters && q->high <= rate_matters)
		return COMPARED_SAME;
	return COMPARED_UNKNOWN;
}

static void compare_rate(struct rate_result *r, const struct result *a, const struct group *ga,
			 const struct group *gb, uint64_t limit_ns)
{
	uint64_t unknown_a, unknown_b;

	r->limit_ns = limit_ns ? limit_ns : choose_limit(r, a, ga, gb);
	r->of_a = hist_total(&ga->hist);
	r->of_b = hist_total(&gb->hist);
	r->outcome = COMPARED_UNKNOWN;
	if (!r->limit_ns || !r->of_a || !r->of_b)
		return;
	r->na = hist_above(&ga->hist, r->limit_ns, &unknown_a);
	r->nb = hist_above(&gb->hist, r->limit_ns, &unknown_b);
	r->unknown = unknown_a + unknown_b;
	if (r->unknown)
		return;
	r->ratio = stats_rate_ratio(r->na, r->of_a, r->nb, r->of_b);
	r->outcome = judge_rate(r);
}

/*
 * Worse in anything is worse: a better median does not pay for a longer tail. The slices decide
 * between same and cannot tell where there are enough of them, else the rate.
 */
static enum compare_outcome overall(const struct comparison *c)
{
	bool better = c->rate.outcome == COMPARED_BETTER;

	if (c->rate.outcome == COMPARED_WORSE)
		return COMPARED_WORSE;
	for (int i = 0; i < COMPARE_METRICS; i++) {
		if (c->metrics[i].outcome == COMPARED_WORSE)
			return COMPARED_WORSE;
		better |= c->metrics[i].outcome == COMPARED_BETTER;
	}
	if (better)
		return COMPARED_BETTER;
	if (c->metrics[SLICE_MAX].outcome != COMPARED_UNKNOWN)
		return c->metrics[SLICE_MAX].outcome;
	return c->rate.outcome;
}

int compare_group(struct comparison *c, const struct result *a, const struct group *ga,
		  const struct result *b, const struct group *gb, uint64_t limit_ns, struct err *e)
{
	memset(c, 0, sizeof(*c));
	c->instrument = ga->instrument;
	for (enum which w = SLICE_MAX; w <= SLICE_MEDIAN; w++)
		if (compare_metric(&c->metrics[w], w, a, ga, b, gb, e))
			return e->code;
	compare_rate(&c->rate, a, ga, gb, limit_ns);
	c->outcome = overall(c);
	return 0;
}
