// SPDX-License-Identifier: GPL-2.0-only
#include "results/result.h"

#include <errno.h>
#include <glob.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"

/* latency.log, and what a resumed or second instrument left beside it */
static int find_logs(struct result *r, struct err *e)
{
	char pattern[PATH_MAX];
	glob_t g;
	int ret = glob(run_path(&r->run, "latency*.log", pattern), GLOB_NOMAGIC, NULL, &g);

	if (ret == GLOB_NOMATCH)
		return 0;
	if (ret)
		return err_set(e, -EIO, "looking for latency*.log in %s failed", r->run.dir);
	if (g.gl_pathc > ARRAY_SIZE(r->logs))
		err_set(e, -E2BIG, "%s holds %zu logs, at most %zu are added up; move some away",
			r->run.dir, g.gl_pathc, ARRAY_SIZE(r->logs));
	for (size_t i = 0; i < g.gl_pathc && !e->code; i++) {
		snprintf(r->logs_path[i], sizeof(r->logs_path[i]), "%s", g.gl_pathv[i]);
		r->logs[r->n_logs++] = r->logs_path[i];
	}
	globfree(&g);
	return e->code;
}

static int by_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool have_limit(const struct result *r, uint64_t ns)
{
	for (size_t i = 0; i < r->n_limits; i++)
		if (r->limits_ns[i] == ns)
			return true;
	return false;
}

/* The phases of a campaign often share one. */
static void find_limits(struct result *r)
{
	json_object *limits = json_at(r->run.doc, "limits");

	for (size_t i = 0; i < json_object_array_length(limits); i++) {
		json_object *l = json_object_array_get_idx(limits, i);
		int64_t ns = json_int(l, "limit_ns", -1);

		if (r->n_limits < LIMITS_MAX && ns >= 0 && !have_limit(r, ns) &&
		    !strcmp(json_str(l, "what", ""), "max_ns"))
			r->limits_ns[r->n_limits++] = ns;
	}
	qsort(r->limits_ns, r->n_limits, sizeof(r->limits_ns[0]), by_u64);
}

static int64_t counter(const struct series *s, enum log_counter c)
{
	return s->known >> c & 1 ? s->counters[c] : -1;
}

/* What follows from the histogram alone. */
static void compute(struct figure *f, const struct result *r)
{
	for (int i = 0; i < HIST_LEVELS; i++)
		f->quantiles[i] = stats_quantile(f->hist, hist_levels[i].q);
	for (size_t i = 0; i < r->n_limits; i++)
		f->over[i] = stats_exceedance(f->hist, r->limits_ns[i], f->duration_ns);
}

static void one_cpu(struct figure *f, const struct series *s, const struct result *r)
{
	*f = (struct figure){
		.hist = &s->hist,
		.cpu = s->cpu,
		.host_cpu = s->host_cpu,
		.expected = counter(s, LOG_EXPECTED),
		.missed = counter(s, LOG_MISSED),
		.duration_ns = s->duration_ns,
		.period_ns = s->period_ns,
		.max_wall_ns = s->max_wall_ns,
		.known = s->known,
	};
	memcpy(f->counters, s->counters, sizeof(f->counters));
	compute(f, r);
}

static int64_t add_known(int64_t a, int64_t b)
{
	return a < 0 || b < 0 ? -1 : a + b;
}

static void all_cpus(struct group *g, const struct result *r)
{
	struct figure *all = &g->all;

	hist_init(&g->hist);
	*all = (struct figure){ .hist = &g->hist, .cpu = -1, .host_cpu = -1, .known = ~0u };
	for (size_t i = 0; i < g->n_cpus; i++) {
		const struct figure *f = &g->cpus[i];

		if (hist_total(f->hist) && (f->hist->max_ns > g->hist.max_ns || !i))
			all->max_wall_ns = f->max_wall_ns;
		hist_merge(&g->hist, f->hist);
		all->expected = add_known(all->expected, f->expected);
		all->missed = add_known(all->missed, f->missed);
		all->duration_ns += f->duration_ns;
		all->known &= f->known;
		for (int c = 0; c < LOG_COUNTERS; c++)
			all->counters[c] = log_is_level(c) ? (f->counters[c] > all->counters[c]
								      ? f->counters[c]
								      : all->counters[c])
							   : all->counters[c] + f->counters[c];
		all->period_ns = !i || all->period_ns == f->period_ns ? f->period_ns : 0;
	}
	compute(all, r);
}

/* Series are sorted by instrument: a group is a stretch of them. */
static int make_groups(struct result *r, struct err *e)
{
	struct dataset *d = &r->data;

	r->groups = calloc(d->n_series, sizeof(*r->groups));
	if (!r->groups)
		return err_set(e, -ENOMEM, "reading %s failed: no memory", r->run.dir);
	for (size_t i = 0; i < d->n_series;) {
		struct group *g = &r->groups[r->n_groups++];

		g->instrument = d->series[i].instrument;
		g->cpus = calloc(d->n_series - i, sizeof(*g->cpus));
		if (!g->cpus)
			return err_set(e, -ENOMEM, "reading %s failed: no memory", r->run.dir);
		for (; i < d->n_series && !strcmp(d->series[i].instrument, g->instrument); i++)
			one_cpu(&g->cpus[g->n_cpus++], &d->series[i], r);
		all_cpus(g, r);
	}
	return 0;
}

static struct group *group_of(struct result *r, uint32_t series)
{
	const char *instrument = r->data.series[series].instrument;
	size_t i = 0;

	while (strcmp(r->groups[i].instrument, instrument))
		i++;
	return &r->groups[i];
}

/* --- what needs the slices a second time --- */

/* Slice maxima over all CPUs of a group, in order of time: slices that begin together are one. */
static int stationarity(struct result *r, struct group *g, struct err *e)
{
	struct dataset *d = &r->data;
	double *max = calloc(d->n_slices, sizeof(*max));
	uint64_t start = 0, length = 0;
	size_t n = 0;

	if (!max)
		return err_set(e, -ENOMEM, "reading %s failed: no memory", r->run.dir);
	for (size_t i = 0; i < d->n_slices; i++) {
		const struct slice_stat *s = &d->slices[i];

		if (group_of(r, s->series) != g || !s->count || !s->start_ns)
			continue;
		if (!n || s->start_ns >= start + length) {
			n++;
			start = s->start_ns;
			length = s->duration_ns / 2 + 1; /* CPUs' slices do not start to the ns */
		}
		max[n - 1] = fmax(max[n - 1], s->max_ns);
	}
	g->stationarity = stats_stationary(max, n);
	free(max);
	return 0;
}

struct second_pass {
	struct result *r;
	uint64_t middle_ns;
	uint64_t *level; /* a group: where its largest 0.1 % begin */
	double *n, *sum, *squares; /* a group: slices, tail samples in them */
};

static int second_visit(void *ctx, uint32_t series, const struct log_slice *s, const struct hist *h)
{
	struct second_pass *p = ctx;
	struct group *g = group_of(p->r, series);
	size_t i = g - p->r->groups;
	double above = hist_above(h, p->level[i], NULL);

	if (!log_time(s) || !hist_total(h))
		return 0;
	hist_merge(&g->halves[log_time(s) >= p->middle_ns], h);
	p->n[i]++;
	p->sum[i] += above;
	p->squares[i] += above * above;
	return 0;
}

/* Variance over mean of the number of tail samples a slice: 1 when they come independently. */
static double dispersion(const struct second_pass *p, size_t i)
{
	double n = p->n[i], mean;

	if (n < STATIONARY_SLICES || p->sum[i] <= 0)
		return 0;
	mean = p->sum[i] / n;
	return (p->squares[i] - n * mean * mean) / (n - 1) / mean;
}

static double samples_per_day(const struct figure *f)
{
	return f->duration_ns ? hist_total(f->hist) / (f->duration_ns / 1e9) * 86400 : 0;
}

static void fit_tails(struct result *r, const struct second_pass *p)
{
	for (size_t i = 0; i < r->n_groups; i++) {
		struct group *g = &r->groups[i];
		struct tail_input in = {
			.hist = &g->hist,
			.halves = hist_total(&g->halves[1]) ? g->halves : NULL,
			.stationarity = &g->stationarity,
			.samples_per_day = samples_per_day(&g->all) * g->n_cpus,
		};

		g->dispersion = in.dispersion = dispersion(p, i);
		tail_fit(&g->tail, &in);
	}
}

static int look_again(struct result *r, struct err *e)
{
	size_t n = r->n_groups;
	uint64_t level[64];
	double sums[3 * 64] = { 0 };
	struct second_pass p = {
		.r = r, .level = level, .n = sums, .sum = sums + 64, .squares = sums + 128
	};
	int ret = 0;

	if (n > 64)
		return err_set(e, -E2BIG, "%s holds %zu instruments, at most 64 are reported",
			       r->run.dir, n);
	p.middle_ns = r->data.begin_ns + (r->data.end_ns - r->data.begin_ns) / 2;
	for (size_t i = 0; i < n && !ret; i++) {
		hist_init(&r->groups[i].halves[0]);
		hist_init(&r->groups[i].halves[1]);
		if (!hist_rank(&r->groups[i].hist, hist_total(&r->groups[i].hist) * 0.999,
			       &level[i]))
			level[i] = r->groups[i].hist.max_ns;
		ret = stationarity(r, &r->groups[i], e);
	}
	if (!ret)
		ret = dataset_scan(&r->data, r->logs, r->n_logs, second_visit, &p, e);
	if (!ret)
		fit_tails(r, &p);
	return ret;
}

int result_open(struct result *r, const char *dir, bool tails, struct err *e)
{
	char path[PATH_MAX];
	int ret;

	memset(r, 0, sizeof(*r));
	ret = run_open(&r->run, dir, e);
	if (ret < 0)
		return ret;
	find_limits(r);
	ret = find_logs(r, e);
	if (!ret && r->n_logs) {
		ret = dataset_load(&r->data, r->logs, r->n_logs, e);
		r->has_data = !ret;
		/* A run that was cut off before its first slice still has a report. */
		if (ret == -ENODATA && !strcmp(json_str(r->run.doc, "verdict", ""), "incomplete")) {
			err_clear(e);
			ret = 0;
		}
	}
	if (!ret && r->has_data)
		ret = make_groups(r, e);
	if (!ret && r->has_data && tails)
		ret = look_again(r, e);
	if (!ret)
		ret = spikes_load(&r->spikes, run_path(&r->run, "spikes.jsonl", path), e);
	if (ret)
		result_close(r);
	return ret;
}

void result_close(struct result *r)
{
	for (size_t i = 0; i < r->n_groups; i++)
		free(r->groups[i].cpus);
	free(r->groups);
	dataset_free(&r->data);
	spikes_free(&r->spikes);
	run_close(&r->run);
	memset(r, 0, sizeof(*r));
}

const struct group *result_main(const struct result *r)
{
	return r->n_groups ? &r->groups[0] : NULL;
}

const char *result_caution(const struct result *r)
{
	const char *c = json_str(r->run.doc, "conditions", "");

	if (run_is_hardware(&r->run))
		return NULL;
	if (!strcmp(c, "emulated"))
		return "EMULATED MACHINE: these latencies are the emulation's. They prove that "
		       "everything works and say nothing about any hardware.";
	if (!strcmp(c, "nested"))
		return "NESTED VIRTUALIZATION: these latencies include the outer hypervisor's. They "
		       "say nothing about the hardware below it.";
	return "CONDITIONS UNKNOWN: it is not known whether these latencies are of hardware.";
}
