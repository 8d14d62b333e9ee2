// SPDX-License-Identifier: GPL-2.0-only
#include "results/dataset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SERIES_MAX = 4096, SLICES_MAX = 64 << 20 };

/* Room for one more in an array that doubles; false: no memory. */
static bool grow(void *array, size_t n, size_t bytes)
{
	void **p = array, *more;

	if (n & (n - 1)) /* only at powers of two, and at 0 */
		return true;
	more = realloc(*p, (n ? 2 * n : 1) * bytes);
	if (!more)
		return false;
	*p = more;
	return true;
}

static int compare_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static bool same_series(const struct series *a, const struct log_slice *s)
{
	return a->cpu == s->cpu && a->host_cpu == s->host_cpu &&
	       !strcmp(a->instrument, s->instrument);
}

static struct series *find_series(struct dataset *d, const struct log_slice *s)
{
	for (size_t i = 0; i < d->n_series; i++)
		if (same_series(&d->series[i], s))
			return &d->series[i];
	return NULL;
}

static struct series *add_series(struct dataset *d, const struct log_slice *s)
{
	struct series *a;

	if (d->n_series == SERIES_MAX || !grow(&d->series, d->n_series, sizeof(*a)))
		return NULL;
	a = &d->series[d->n_series++];
	memset(a, 0, sizeof(*a));
	memcpy(a->instrument, s->instrument, sizeof(a->instrument));
	a->cpu = s->cpu;
	a->host_cpu = s->host_cpu;
	a->period_ns = s->period_ns;
	a->known = ~0u;
	hist_init(&a->hist);
	return a;
}

static void add_counters(struct series *a, const struct log_slice *s)
{
	a->known &= s->known;
	for (int c = 0; c < LOG_COUNTERS; c++) {
		if (!log_is_level(c))
			a->counters[c] += s->counters[c];
		else if (!a->slices || s->counters[c] > a->counters[c])
			a->counters[c] = s->counters[c];
	}
}

static void add_to_series(struct series *a, const struct log_slice *s, const struct hist *h)
{
	uint64_t start = log_time(s), end = start + s->duration_ns;

	/* of equal maxima the earliest counts, so that the order of slices does not */
	if (hist_total(h) && s->max_wall_ns &&
	    (h->max_ns > a->hist.max_ns || !hist_total(&a->hist) ||
	     (h->max_ns == a->hist.max_ns && (!a->max_wall_ns || s->max_wall_ns < a->max_wall_ns))))
		a->max_wall_ns = s->max_wall_ns;
	else if (hist_total(h) && h->max_ns > a->hist.max_ns)
		a->max_wall_ns = 0;
	if (start && (!a->first_ns || start < a->first_ns))
		a->first_ns = start;
	if (start && end > a->last_ns)
		a->last_ns = end;
	a->duration_ns += s->duration_ns;
	if (a->period_ns != s->period_ns)
		a->period_ns = 0;
	add_counters(a, s);
	hist_merge(&a->hist, h);
	a->slices++;
}

static int add_slice(struct dataset *d, const struct log_reader *r, struct err *e)
{
	const struct log_slice *s = &r->slice;
	struct series *a = find_series(d, s);
	struct slice_stat *t;

	if (!a)
		a = add_series(d, s);
	if (!a || d->n_slices == SLICES_MAX || !grow(&d->slices, d->n_slices, sizeof(*t)))
		return err_set(e, -ENOMEM,
			       "adding up the log failed: more than %d series, or no memory",
			       SERIES_MAX);
	t = &d->slices[d->n_slices++];
	*t = (struct slice_stat){
		.start_ns = log_time(s),
		.duration_ns = s->duration_ns,
		.campaign = r->campaign,
		.sequence = r->sequence,
		.count = hist_total(&r->hist),
		.max_ns = r->hist.max_ns,
		.max_wall_ns = s->max_wall_ns,
		.series = a - d->series,
		.known = s->known,
		.missed = s->counters[LOG_MISSED],
		.smi = s->counters[LOG_SMI],
	};
	hist_quantile(&r->hist, 0.5, &t->p50_ns);
	hist_quantile(&r->hist, 0.999, &t->p999_ns);
	add_to_series(a, s, &r->hist);
	return 0;
}

static int add_mark(struct dataset *d, const struct log_reader *r, struct err *e)
{
	struct mark *m;

	if (!grow(&d->marks, d->n_marks, sizeof(*m)))
		return err_set(e, -ENOMEM, "adding up the log failed: no memory");
	m = &d->marks[d->n_marks++];
	m->wall_ns = r->mark_wall_ns;
	m->cpu = r->mark_cpu;
	memcpy(m->text, r->mark, sizeof(m->text));
	return 0;
}

static int add_damage(struct dataset *d, const char *path, const struct log_reader *r,
		      struct err *e)
{
	if (!grow(&d->damages, d->n_damages, sizeof(*d->damages)))
		return err_set(e, -ENOMEM, "adding up the log failed: no memory");
	d->damages[d->n_damages++] = (struct damage){
		.path = path,
		.offset = r->damage_offset,
		.bytes = r->damage_bytes,
		.tail = r->damage_tail,
	};
	return 0;
}

static int load_one(struct dataset *d, const char *path, struct err *e)
{
	struct log_reader r;
	int ret = log_open(&r, path, e);

	if (ret < 0)
		return ret;
	while ((ret = log_next(&r, e)) > 0) {
		int sub = 0;

		if (ret == LOG_SLICE)
			sub = add_slice(d, &r, e);
		else if (ret == LOG_MARK)
			sub = add_mark(d, &r, e);
		else if (ret == LOG_DAMAGE)
			sub = add_damage(d, path, &r, e);
		if (sub < 0) {
			ret = sub;
			break;
		}
	}
	log_reader_close(&r);
	return ret;
}

/* --- an order that does not depend on how the slices came --- */

static int by_series(const void *a, const void *b)
{
	const struct series *x = a, *y = b;
	int order = strcmp(x->instrument, y->instrument);

	if (!order)
		order = (x->cpu > y->cpu) - (x->cpu < y->cpu);
	return order ? order : (x->host_cpu > y->host_cpu) - (x->host_cpu < y->host_cpu);
}

static int by_time(const void *a, const void *b)
{
	const struct slice_stat *x = a, *y = b;
	int order = compare_u64(x->start_ns, y->start_ns);

	if (!order)
		order = compare_u64(x->series, y->series);
	if (!order)
		order = compare_u64(x->campaign, y->campaign);
	return order ? order : compare_u64(x->sequence, y->sequence);
}

static int by_mark_time(const void *a, const void *b)
{
	const struct mark *x = a, *y = b;
	int order = compare_u64(x->wall_ns, y->wall_ns);

	if (!order)
		order = (x->cpu > y->cpu) - (x->cpu < y->cpu);
	return order ? order : strcmp(x->text, y->text);
}

static int sort_series(struct dataset *d, struct err *e)
{
	uint32_t *to = calloc(d->n_series, sizeof(*to));
	struct series *old = malloc(d->n_series * sizeof(*old));

	if (!to || !old) {
		free(to);
		free(old);
		return err_set(e, -ENOMEM, "adding up the log failed: no memory");
	}
	memcpy(old, d->series, d->n_series * sizeof(*old));
	qsort(d->series, d->n_series, sizeof(*d->series), by_series);
	for (size_t i = 0; i < d->n_series; i++)
		for (size_t k = 0; k < d->n_series; k++)
			if (!by_series(&old[i], &d->series[k]))
				to[i] = k;
	for (size_t i = 0; i < d->n_slices; i++)
		d->slices[i].series = to[d->slices[i].series];
	free(to);
	free(old);
	return 0;
}

static int refuse_twice(const struct dataset *d, struct err *e)
{
	for (size_t i = 1; i < d->n_slices; i++)
		if (!by_time(&d->slices[i - 1], &d->slices[i]))
			return err_set(
				e, -EEXIST,
				"adding up the logs failed: slice %ju of campaign %016jx is in "
				"them twice; give each log once",
				(uintmax_t)d->slices[i].sequence, (uintmax_t)d->slices[i].campaign);
	return 0;
}

static void find_range(struct dataset *d)
{
	for (size_t i = 0; i < d->n_series; i++) {
		const struct series *s = &d->series[i];

		if (s->first_ns && (!d->begin_ns || s->first_ns < d->begin_ns))
			d->begin_ns = s->first_ns;
		if (s->last_ns > d->end_ns)
			d->end_ns = s->last_ns;
	}
}

int dataset_load(struct dataset *d, const char *const *paths, size_t n, struct err *e)
{
	int ret = 0;

	memset(d, 0, sizeof(*d));
	for (size_t i = 0; i < n && !ret; i++)
		ret = load_one(d, paths[i], e);
	if (!ret && !d->n_slices)
		ret = err_set(e, -ENODATA,
			      "reading %s failed: no whole slice of a latency log in it",
			      n ? paths[0] : "the log");
	if (!ret)
		ret = sort_series(d, e);
	if (!ret) {
		qsort(d->slices, d->n_slices, sizeof(*d->slices), by_time);
		if (d->n_marks)
			qsort(d->marks, d->n_marks, sizeof(*d->marks), by_mark_time);
		ret = refuse_twice(d, e);
	}
	if (ret)
		dataset_free(d);
	else
		find_range(d);
	return ret;
}

void dataset_free(struct dataset *d)
{
	free(d->series);
	free(d->slices);
	free(d->marks);
	free(d->damages);
	memset(d, 0, sizeof(*d));
}

const struct series *dataset_find(const struct dataset *d, const char *instrument, int cpu)
{
	for (size_t i = 0; i < d->n_series; i++)
		if (d->series[i].cpu == cpu && !strcmp(d->series[i].instrument, instrument))
			return &d->series[i];
	return NULL;
}

int dataset_scan(const struct dataset *d, const char *const *paths, size_t n, dataset_visit *visit,
		 void *ctx, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		struct log_reader r;
		int ret = log_open(&r, paths[i], e);

		if (ret < 0)
			return ret;
		while ((ret = log_next(&r, e)) > 0) {
			uint32_t k = 0;

			if (ret != LOG_SLICE)
				continue;
			while (k < d->n_series && !same_series(&d->series[k], &r.slice))
				k++;
			if (k ==
			    d->n_series) /* came after dataset_load: a log still being written */
				continue;
			ret = visit(ctx, k, &r.slice, &r.hist);
			if (ret < 0)
				break;
		}
		log_reader_close(&r);
		if (ret < 0)
			return ret;
	}
	return 0;
}
