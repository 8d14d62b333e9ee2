// SPDX-License-Identifier: GPL-2.0-only
/*
 * import_rtla - tables of rtla timerlat and osnoise, hist and top, and of rtla hwnoise
 *
 * Facts from rtla (6.1 to mainline): src/timerlat_hist.c, timerlat_top.c, osnoise_hist.c,
 * osnoise_top.c. The bucket size is not printed: the common step of the rows is it, or a multiple.
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "results/import.h"

enum { COLUMNS = 4096 };

/* --- rtla hist --- */

bool rtla_hist_is(const char *head, size_t len)
{
	(void)len;
	return strstr(head, "# RTLA timerlat histogram") ||
	       strstr(head, "# RTLA osnoise histogram");
}

struct rtla {
	struct import *im;
	struct lines l;
	uint64_t unit_ns, columns;
	bool has_head, has_count, ended;
	struct import_cpu *c[COLUMNS];
	uint64_t step, last; /* greatest common divisor of the indices; the last one */
	uint64_t over[COLUMNS], count[COLUMNS];
};

/* "IRQ-002" is context and CPU; "CPU-002" in osnoise hist */
static int rtla_column(struct rtla *r, const char *name, size_t len, struct err *e)
{
	static const struct {
		const char *prefix, *instrument;
	} contexts[] = { { "IRQ-", "timerlat-irq" },
			 { "Thr-", "timerlat-thread" },
			 { "Usr-", "timerlat-user" },
			 { "CPU-", "osnoise" } };
	uint64_t cpu;

	for (size_t i = 0; i < ARRAY_SIZE(contexts); i++) {
		const char *p = name + 4;

		if (len < 5 || strncmp(name, contexts[i].prefix, 4) || !scan_u64(&p, &cpu) ||
		    p != name + len || cpu > 65535)
			continue;
		if (r->columns == COLUMNS)
			return lines_error(&r->l, e, "more than %d columns", COLUMNS);
		r->c[r->columns] = import_cpu(r->im, contexts[i].instrument, cpu, e);
		if (!r->c[r->columns])
			return e->code;
		for (size_t k = 0; k < r->columns; k++)
			if (r->c[k] == r->c[r->columns])
				return lines_error(&r->l, e, "column %.*s occurs twice", (int)len,
						   name);
		r->columns++;
		return 0;
	}
	return lines_error(&r->l, e, "\"%.*s\" is no column of rtla", (int)len, name);
}

static int rtla_head(struct rtla *r, const char *p, struct err *e)
{
	if (r->columns)
		return lines_error(&r->l, e, "a second table in one file");
	while (*p) {
		size_t n;

		p += strspn(p, " \t");
		n = strcspn(p, " \t");
		if (n && rtla_column(r, p, n, e))
			return e->code;
		p += n;
	}
	if (!r->columns)
		return lines_error(&r->l, e, "no CPU had samples");
	return 0;
}

/* As many numbers as there are columns; "-" stands for none. */
static int rtla_numbers(struct rtla *r, const char *p, uint64_t *v, struct err *e)
{
	for (size_t i = 0; i < r->columns; i++) {
		p += strspn(p, " \t");
		v[i] = UINT64_MAX;
		if (*p == '-' && (p[1] == ' ' || !p[1]))
			p++;
		else if (!scan_u64(&p, &v[i]) || v[i] >> 56)
			return lines_error(&r->l, e, "number %zu is missing or no number", i + 1);
	}
	if (!scan_end(p))
		return lines_error(&r->l, e, "more numbers than columns");
	return 0;
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t t = a % b;

		a = b;
		b = t;
	}
	return a;
}

static int rtla_row(struct rtla *r, uint64_t index, const char *p, struct err *e)
{
	uint64_t v[COLUMNS], ns;

	if (rtla_numbers(r, p, v, e))
		return e->code;
	if (r->last && index <= r->last)
		return lines_error(&r->l, e, "row %ju comes after row %ju", (uintmax_t)index,
				   (uintmax_t)r->last);
	if (!import_ns(index, r->unit_ns, &ns))
		return lines_error(&r->l, e, "an absurd latency");
	for (size_t i = 0; i < r->columns; i++)
		if (v[i] != UINT64_MAX)
			hist_add_n(&r->c[i]->hist, ns, v[i]);
	r->step = gcd(r->step, index);
	r->last = index;
	return 0;
}

/* Below the rows: over:, count:, min:, avg:, max:, one number a column. */
static int rtla_foot(struct rtla *r, const char *name, const char *p, struct err *e)
{
	uint64_t v[COLUMNS], ns;

	if (rtla_numbers(r, p, v, e))
		return e->code;
	for (size_t i = 0; i < r->columns; i++) {
		if (!strcmp(name, "over") && v[i] != UINT64_MAX)
			r->over[i] = v[i];
		if (!strcmp(name, "count") && v[i] != UINT64_MAX)
			r->count[i] = v[i];
		if (strcmp(name, "max") || v[i] == UINT64_MAX)
			continue;
		import_ns(r->last + (r->step ? r->step : 1), r->unit_ns, &ns);
		hist_add_over(&r->c[i]->hist, ns, r->over[i]);
		if (hist_total(&r->c[i]->hist) && import_ns(v[i], r->unit_ns, &ns))
			import_max(&r->c[i]->hist, ns);
	}
	r->has_count |= !strcmp(name, "count");
	r->ended |= !strcmp(name, "max");
	return 0;
}

static int rtla_comment(struct rtla *r, const char *p, struct err *e)
{
	uint64_t days, h, m, s;

	if (strstr(p, "# RTLA ") && r->has_head)
		return lines_error(&r->l, e, "a second output of rtla in one file");
	r->has_head |= strstr(p, "# RTLA ") != NULL;
	if (scan_text(&p, "# Time unit is "))
		r->unit_ns = strstr(p, "nanosecond") ? 1 : strstr(p, "microsecond") ? 1000 : 0;
	if (scan_text(&p, "# Duration:") && scan_u64(&p, &days) && scan_u64(&p, &h) &&
	    scan_text(&p, ":") && scan_u64(&p, &m) && scan_text(&p, ":") && scan_u64(&p, &s) &&
	    days < 10000 && h < 24 && m < 60 && s < 60)
		r->im->duration_ns = (((days * 24 + h) * 60 + m) * 60 + s) * 1000000000;
	return 0;
}

static int rtla_line(struct rtla *r, const char *line, struct err *e)
{
	static const char *const feet[] = { "over", "count", "min", "avg", "max" };
	const char *p = line, *other = import_other_tool(line);
	uint64_t index;

	if (other && strcmp(other, "rtla"))
		return lines_error(&r->l, e, "output of %s begins in a file of rtla", other);
	if (*p == '#')
		return rtla_comment(r, p, e);
	if (scan_text(&p, "Index")) {
		if (!r->unit_ns)
			return lines_error(&r->l, e, "no \"# Time unit is\" before the table");
		return rtla_head(r, p, e);
	}
	if (r->ended) /* the ALL block repeats the sums; analysis of a stop may follow */
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(feet) && r->columns; i++) {
		size_t n = strlen(feet[i]);

		if (!strncmp(p, feet[i], n) && p[n] == ':')
			return rtla_foot(r, feet[i], p + n + 1, e);
	}
	if (r->columns && scan_u64(&p, &index))
		return rtla_row(r, index, p, e);
	return scan_end(line) ? 0 : lines_error(&r->l, e, "\"%.40s\" is no line of rtla", line);
}

static int rtla_finish(struct rtla *r, struct err *e)
{
	if (!r->columns)
		return err_set(e, -EINVAL, "reading %s failed: no table (\"Index ...\") in it",
			       r->l.path);
	if (!r->ended)
		return err_set(
			e, -EINVAL,
			"reading %s failed: the table is cut off after line %ju: no \"max:\"",
			r->l.path, (uintmax_t)r->l.number);
	for (size_t i = 0; i < r->columns; i++) {
		struct hist *h = &r->c[i]->hist;

		/* bins as wide as the rows' common step: it is the bucket size, or a multiple */
		h->resolution_ns = (r->step ? r->step : 1) * r->unit_ns;
		if (h->resolution_ns > 1000000000)
			h->resolution_ns = 1000000000;
		if (r->has_count && r->count[i] != hist_total(h))
			import_note(
				r->im,
				"CPU %d: rtla counts %ju samples, its rows and \"over:\" hold %ju",
				r->c[i]->slice.cpu, (uintmax_t)r->count[i],
				(uintmax_t)hist_total(h));
	}
	import_note(r->im, "missed periods are not in the source");
	return 0;
}

int rtla_hist_read(struct import *im, struct err *e)
{
	_cleanup_free_ struct rtla *r = calloc(1, sizeof(*r));
	char *line;

	if (!r)
		return err_set(e, -ENOMEM, "reading %s failed: no memory", im->path);
	r->im = im;
	if (lines_open(&r->l, im->path, e))
		return e->code;
	import_source(im, "rtla", NULL);
	while ((line = lines_next(&r->l, e)))
		if (rtla_line(r, line, e))
			break;
	if (!e->code)
		rtla_finish(r, e);
	lines_close(&r->l);
	return e->code;
}

/* --- rtla top --- */

bool rtla_top_is(const char *head, size_t len)
{
	(void)len;
	return strstr(head, "Timer Latency") || strstr(head, "Operating System Noise") ||
	       strstr(head, "Hardware-related Noise");
}

enum top_kind { TOP_NONE, TOP_TIMERLAT, TOP_NOISE };

struct top {
	struct import *im;
	struct lines l;
	enum top_kind kind;
	const char *instrument; /* of a noise table */
	uint64_t unit_ns;
};

/* One context: "cur min avg max", from its bar. The counted samples are the row's. */
static int top_context(struct top *t, const char *instrument, int cpu, uint64_t n, const char *p,
		       struct err *e)
{
	uint64_t v[4], min, max;
	struct import_cpu *c;

	for (int i = 0; i < 4; i++) {
		p += strspn(p, " \t");
		if (*p == '-') /* no sample yet */
			return 0;
		if (!scan_u64(&p, &v[i]))
			return lines_error(&t->l, e,
					   "no current, minimum, average, maximum after the bar");
	}
	if (!import_ns(v[1], t->unit_ns, &min) || !import_ns(v[3], t->unit_ns, &max) || max < min)
		return lines_error(&t->l, e, "minimum and maximum make no sense");
	c = import_cpu(t->im, instrument, cpu, e);
	if (!c)
		return e->code;
	hist_init(&c->hist); /* the last print of the table counts */
	c->hist.resolution_ns = t->unit_ns;
	import_summary(&c->hist, n, min, max);
	return 0;
}

/* "  2 #60004     |  cur  min  avg  max |  cur  min  avg  max" */
static int timerlat_row(struct top *t, const char *p, struct err *e)
{
	static const char *const contexts[] = { "timerlat-irq", "timerlat-thread",
						"timerlat-user" };
	uint64_t cpu, n;

	if (!scan_u64(&p, &cpu) || cpu > 65535 || !(p = strchr(p, '#')) || !scan_text(&p, "#") ||
	    !scan_u64(&p, &n) || n >> 56)
		return lines_error(&t->l, e, "no CPU and #count");
	for (size_t i = 0; i < ARRAY_SIZE(contexts) && (p = strchr(p, '|')); i++) {
		p++;
		if (top_context(t, contexts[i], cpu, n, p, e))
			return e->code;
	}
	return 0;
}

/* "CPU Period Runtime Noise %CPU-Aval MaxNoise MaxSingle ...": the largest single noise */
static int noise_row(struct top *t, const char *p, struct err *e)
{
	uint64_t cpu, periods, v, ns;
	struct import_cpu *c;
	double number;

	if (!scan_u64(&p, &cpu) || cpu > 65535 || !(p = strchr(p, '#')) || !scan_text(&p, "#") ||
	    !scan_u64(&p, &periods))
		return lines_error(&t->l, e, "no CPU and #periods");
	/* runtime, noise, share, largest noise of a period, largest single noise */
	for (int i = 0; i < 4; i++)
		if (!scan_double(&p, &number))
			return lines_error(&t->l, e, "column %d is no number", i + 3);
	if (!scan_u64(&p, &v) || !import_ns(v, t->unit_ns, &ns))
		return lines_error(&t->l, e, "no largest single noise");
	c = import_cpu(t->im, t->instrument, cpu, e);
	if (!c)
		return e->code;
	hist_init(&c->hist);
	c->hist.resolution_ns = t->unit_ns;
	if (v)
		hist_add(&c->hist, ns);
	return 0;
}

/* Colours and cursor movements: ESC, "[", digits and semicolons, a letter. */
static void drop_escapes(char *line)
{
	char *to = line;

	for (const char *p = line; *p; p++) {
		if (*p == '\033' && p[1] == '[') {
			p += 2 + strspn(p + 2, "0123456789;?");
			if (!*p)
				break;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
}

static int top_line(struct top *t, char *line, struct err *e)
{
	const char *p;

	drop_escapes(line);
	p = line + strspn(line, " \t");
	if (strstr(p, "Timer Latency")) {
		t->kind = TOP_TIMERLAT;
	} else if (strstr(p, "Operating System Noise")) {
		t->kind = TOP_NOISE;
		t->instrument = "osnoise max single";
	} else if (strstr(p, "Hardware-related Noise")) {
		t->kind = TOP_NOISE;
		t->instrument = "hwnoise max single";
	}
	if (strstr(p, "time is in ns") || strstr(p, "(ns)")) {
		t->unit_ns = 1;
	} else if (strstr(p, "time is in us") || strstr(p, "(us)")) {
		t->unit_ns = 1000;
	} else if (isdigit((unsigned char)*p) && strchr(p, '#')) {
		if (t->kind == TOP_NONE)
			return lines_error(&t->l, e, "a row before the head of the table");
		if (!t->unit_ns)
			return lines_error(&t->l, e, "no \"time is in us\" before the rows");
		return t->kind == TOP_TIMERLAT ? timerlat_row(t, p, e) : noise_row(t, p, e);
	}
	return 0;
}

int rtla_top_read(struct import *im, struct err *e)
{
	struct top t = { .im = im };
	char *line;

	if (lines_open(&t.l, im->path, e))
		return e->code;
	import_source(im, "rtla", NULL);
	while ((line = lines_next(&t.l, e)))
		if (top_line(&t, line, e))
			break;
	lines_close(&t.l);
	if (e->code)
		return e->code;
	if (!im->n_cpus)
		return err_set(e, -EINVAL, "reading %s failed: the table has no rows", im->path);
	import_note(
		im,
		t.kind == TOP_TIMERLAT
			? "no histogram in the source: only count, minimum and maximum are known"
			: "only the largest single noise of each CPU is in the source");
	return 0;
}
