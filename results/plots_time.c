// SPDX-License-Identifier: GPL-2.0-only
/* plots_time - pictures over time: density map, slice maxima with loads, spikes */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "results/format.h"
#include "results/plot.h"

/* --- latency over time --- */

enum { COLUMNS = 480, ROWS_PER_OCTAVE = 8, ROWS = 64 * ROWS_PER_OCTAVE };

struct density {
	const struct result *r;
	uint64_t begin_ns, step_ns;
	double (*count)[ROWS];
	double *max;
	int columns, first_row, last_row;
};

static int row_of(uint64_t ns)
{
	return ns ? fmin(ROWS - 1, log2(ns) * ROWS_PER_OCTAVE) : 0;
}

static int density_visit(void *ctx, uint32_t series, const struct log_slice *s,
			 const struct hist *h)
{
	struct density *d = ctx;
	const struct group *g = result_main(d->r);
	uint64_t column;

	if (strcmp(d->r->data.series[series].instrument, g->instrument) || !log_time(s))
		return 0;
	/* a slice belongs where its middle lies */
	column = (log_time(s) + s->duration_ns / 2 - d->begin_ns) / d->step_ns;
	if (column >= (uint64_t)d->columns)
		column = d->columns - 1;
	for (unsigned int i = hist_next(h, 0); i < HIST_BINS; i = hist_next(h, i + 1)) {
		int row = row_of(hist_value(h, i));

		d->count[column][row] += h->bins[i];
		d->first_row = row < d->first_row ? row : d->first_row;
		d->last_row = row > d->last_row ? row : d->last_row;
	}
	if (hist_total(h))
		d->max[column] = fmax(d->max[column], h->max_ns);
	return 0;
}

/* The slices of the main group are at least this long: a finer grid would show stripes. */
uint64_t plot_longest_slice(const struct result *r)
{
	uint64_t longest = 1;

	for (size_t i = 0; i < r->data.n_slices; i++)
		if (r->data.slices[i].duration_ns > longest)
			longest = r->data.slices[i].duration_ns;
	return longest;
}

static void density_data(struct plot *p, const struct density *d)
{
	fputs("$map << EOD\n", p->out);
	for (int row = d->first_row; row <= d->last_row; row++) {
		for (int c = 0; c < d->columns; c++)
			if (d->count[c][row] > 0)
				fprintf(p->out, "%.3f ", log10(d->count[c][row]));
			else
				fputs("- ", p->out);
		fputc('\n', p->out);
	}
	fputs("EOD\n$max << EOD\n", p->out);
	for (int c = 0; c < d->columns; c++)
		if (d->max[c] > 0)
			fprintf(p->out, "%.3f %.4f\n", (d->begin_ns + (c + 0.5) * d->step_ns) / 1e9,
				log2(d->max[c]) * ROWS_PER_OCTAVE);
		else
			fputs("\n", p->out);
	fputs("EOD\n", p->out);
}

/* y counts rows; label 1, 2, 5 of each decade that is in the picture */
static void density_axis(struct plot *p, const struct density *d)
{
	const char *comma = "";

	fputs("set ytics (", p->out);
	for (double decade = 10; decade < 1e13; decade *= 10)
		for (int k = 1; k <= 5; k += k == 1 ? 1 : 3) {
			double y = log2(k * decade) * ROWS_PER_OCTAVE;
			char us[32];

			if (y < d->first_row - 4 || y > d->last_row + 5)
				continue;
			fprintf(p->out, "%s'%s' %.3f", comma, plot_us(k * decade, us, sizeof(us)),
				y);
			comma = ",";
		}
	fputs(")\n", p->out);
}

static int density_draw(const struct density *d, struct err *e)
{
	const struct group *g = result_main(d->r);
	char text[256], command[512];
	struct plot p;

	if (plot_open(&p, d->r->run.dir, "density", e))
		return e->code;
	plot_title(&p, d->r, "Latency over time, all CPUs",
		   plot_fine_print(d->r, &g->all, text, sizeof(text)));
	density_data(&p, d);
	plot_x_time(&p, d->begin_ns, d->begin_ns + d->columns * d->step_ns);
	density_axis(&p, d);
	fprintf(p.out,
		"set ylabel 'latency (us)'\nset yrange [%d:%d]\nset cblabel 'samples'\n"
		"set cbtics format '10^{%%.0f}' 1\nset cbrange [0:*]\nset key top right\nset grid front\n"
		"unset grid\nset palette defined (0 '#dcebf5', 1 '#9ecae1', 2 '#4a98c9', 3 '#1764ab', "
		"4 '#08306b')\n",
		d->first_row - 3, d->last_row + 4);
	snprintf(command, sizeof(command),
		 "plot $map matrix using (%.6f + %.6f * $1):(%d.5 + $2):3 with image %s notitle, "
		 "$max using 1:2 with lines lc rgb '#d55e00' lw 1.4 title 'largest of each %.3g s'",
		 (d->begin_ns + d->step_ns / 2.0) / 1e9, d->step_ns / 1e9, d->first_row,
		 /* few cells stay sharp as rectangles, many would make a huge file */
		 d->columns * (d->last_row - d->first_row) < 8000 ? "pixels" : "",
		 d->step_ns / 1e9);
	return plot_draw(&p, command, e);
}

int plot_density(const struct result *r, struct err *e)
{
	const struct group *g = result_main(r);
	struct density d = { .r = r, .begin_ns = r->data.begin_ns, .first_row = ROWS };
	uint64_t span = r->data.end_ns - r->data.begin_ns, longest;
	int ret;

	if (!g || !hist_total(&g->hist) || !span)
		return 0;
	longest = plot_longest_slice(r);
	d.step_ns = fmax(longest, span / (double)COLUMNS + 1);
	d.columns = (span + d.step_ns - 1) / d.step_ns;
	if (d.columns < 3) /* nothing develops in two columns */
		return 0;
	d.count = calloc(d.columns, sizeof(*d.count));
	d.max = calloc(d.columns, sizeof(*d.max));
	ret = d.count && d.max ? dataset_scan(&r->data, r->logs, r->n_logs, density_visit, &d, e)
			       : err_set(e, -ENOMEM, "drawing density failed: no memory");
	if (!ret && d.first_row < ROWS)
		ret = density_draw(&d, e);
	free(d.count);
	free(d.max);
	return ret;
}

/* --- slice maxima, with loads --- */

/* "load NAME start" ... "load NAME end": a band in the picture. Returns 1, -1 or 0; name in buf. */
static int load_mark(const struct mark *m, char *name, size_t size)
{
	const char *text = m->text, *last = strrchr(text, ' ');

	if ((strncmp(text, "load ", 5) && strncmp(text, "phase ", 6)) || !last)
		return 0;
	text += strcspn(text, " ") + 1;
	if (last <= text)
		return 0;
	snprintf(name, size, "%.*s", (int)(last - text), text);
	return !strcmp(last, " start") ? 1 : !strcmp(last, " end") ? -1 : 0;
}

static uint64_t load_end(const struct dataset *d, size_t start, const char *name)
{
	char other[LOG_MARK_BYTES];

	for (size_t i = start + 1; i < d->n_marks; i++)
		if (load_mark(&d->marks[i], other, sizeof(other)) == -1 && !strcmp(other, name))
			return d->marks[i].wall_ns;
	return d->end_ns;
}

static void load_bands(struct plot *p, const struct dataset *d)
{
	char name[LOG_MARK_BYTES], quoted[300];
	int n = 0;

	for (size_t i = 0; i < d->n_marks && n < 40; i++) {
		double from = d->marks[i].wall_ns / 1e9;

		if (load_mark(&d->marks[i], name, sizeof(name)) != 1)
			continue;
		n++;
		fprintf(p->out,
			"set object %d rectangle from %.3f,graph 0 to %.3f,graph 1 fc rgb '%s' "
			"fs solid 0.10 noborder behind\n"
			"set label %d %s at %.3f,graph %.3f left offset 0.4,0 noenhanced font ',10' textcolor rgb "
			"'#555555'\n",
			n, from, load_end(d, i, name) / 1e9, plot_colour(n), 100 + n,
			plot_quote(name, quoted, sizeof(quoted)), from, 0.97 - 0.05 * (n % 3));
	}
}

/* One CPU's slice maxima, at most COLUMNS points: the largest of each column. */
static void maxima_data(struct plot *p, const struct dataset *d, uint32_t series, uint64_t step)
{
	uint64_t column = UINT64_MAX, max = 0;

	for (size_t i = 0; i < d->n_slices; i++) {
		const struct slice_stat *s = &d->slices[i];
		uint64_t at = (s->start_ns - d->begin_ns) / step;

		if (s->series != series || !s->count || !s->start_ns)
			continue;
		if (at != column && column != UINT64_MAX)
			fprintf(p->out, "%.3f %.3f\n", (d->begin_ns + column * step) / 1e9,
				max / 1e3);
		if (at != column)
			max = 0;
		column = at;
		max = s->max_ns > max ? s->max_ns : max;
	}
	if (column != UINT64_MAX)
		fprintf(p->out, "%.3f %.3f\n", (d->begin_ns + column * step) / 1e9, max / 1e3);
}

int plot_maxima(const struct result *r, struct err *e)
{
	const struct group *g = result_main(r);
	const struct dataset *d = &r->data;
	_cleanup_free_ char *command = NULL;
	uint64_t span = d->end_ns - d->begin_ns, step;
	struct plot p;
	char text[256], us[32];

	if (!g || !hist_total(&g->hist) || !span || d->n_slices < 3 * d->n_series)
		return 0;
	/* many lines need room to be told apart */
	step = fmax(plot_longest_slice(r), span / (g->n_cpus > 8 ? COLUMNS / 3.0 : COLUMNS) + 1);
	if (plot_open(&p, r->run.dir, "maxima", e))
		return e->code;
	plot_title(&p, r, "Largest latency of each slice",
		   plot_fine_print(r, &g->all, text, sizeof(text)));
	fprintf(p.out, "set key below font ',%d'\nset xlabel offset 0,0.4\n",
		g->n_cpus > 8 ? 9 : 11); /* peaks may be anywhere */
	plot_x_time(&p, d->begin_ns, d->end_ns);
	load_bands(&p, d);
	fputs("set ylabel 'latency (us)'\nset logscale y\nset format y '%.6g'\n"
	      "set ytics add (2,5,20,50,200,500,2000,5000,20000,50000)\n",
	      p.out);
	for (size_t i = 0; i < r->n_limits; i++)
		fprintf(p.out,
			"set arrow %zu from graph 0,first %.3f to graph 1,first %.3f nohead lc rgb "
			"'#b03000' lw 1.5 dt 2\nset label %zu 'limit %s us' at graph 0.995,first %.3f right "
			"offset 0,0.5 font ',11' textcolor rgb '#b03000'\n",
			i + 1, r->limits_ns[i] / 1e3, r->limits_ns[i] / 1e3, i + 1,
			plot_us(r->limits_ns[i], us, sizeof(us)), r->limits_ns[i] / 1e3);
	for (size_t i = 0; i < g->n_cpus; i++) {
		fprintf(p.out, "$d%zu << EOD\n", i);
		for (uint32_t k = 0; k < d->n_series; k++)
			if (&d->series[k].hist == g->cpus[i].hist)
				maxima_data(&p, d, k, step);
		fputs("EOD\n", p.out);
	}
	command = plot_lines(g, "with linespoints pt 7 ps 0.3");
	return plot_draw(&p, command ? command : "", e);
}

/* --- spikes --- */

enum { LANES = 256, DOTS_MAX = 10000 };

/* The lane of a spike's CPU, counted from 0 in rising order; lanes are the CPUs that have spikes. */
static int lanes_of(const struct spikes *s, int *lanes, int most)
{
	int n = 0;

	for (size_t i = 0; i < s->n; i++) {
		int at = 0;

		while (at < n && lanes[at] < s->v[i].cpu)
			at++;
		if ((at < n && lanes[at] == s->v[i].cpu) || n == most)
			continue;
		memmove(&lanes[at + 1], &lanes[at], (n - at) * sizeof(*lanes));
		lanes[at] = s->v[i].cpu;
		n++;
	}
	return n;
}

static int lane_of(const int *lanes, int n, int cpu)
{
	for (int i = 0; i < n; i++)
		if (lanes[i] == cpu)
			return i;
	return -1;
}

static int by_latency_falling(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x > y ? -1 : x < y;
}

/* The latency from which spikes are drawn: 0 all, else that of the DOTS_MAX-th largest. */
static uint64_t smallest_dot(const struct spikes *s)
{
	_cleanup_free_ uint64_t *v = s->n > DOTS_MAX ? malloc(s->n * sizeof(*v)) : NULL;

	if (!v)
		return 0;
	for (size_t i = 0; i < s->n; i++)
		v[i] = s->v[i].latency_ns;
	qsort(v, s->n, sizeof(*v), by_latency_falling);
	return v[DOTS_MAX - 1];
}

/* A data block for each cause that occurs; returns the plot command's list of them. */
static char *cause_blocks(struct plot *p, const struct spikes *s, const int *lanes, int n)
{
	char *text = NULL;
	size_t len, blocks = 0;
	uint64_t smallest = smallest_dot(s);
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	for (size_t i = 0; i < s->n; i++) {
		const struct cause *c = s->v[i].cause;
		size_t before = 0, count = 0;

		while (s->v[before].cause != c)
			before++;
		if (before < i) /* not the first of its cause */
			continue;
		fprintf(p->out, "$c%zu << EOD\n", blocks);
		for (size_t k = i; k < s->n; k++) {
			int lane = lane_of(lanes, n, s->v[k].cpu);

			if (s->v[k].cause != c || lane < 0 || !s->v[k].wall_ns ||
			    s->v[k].latency_ns < smallest)
				continue;
			count++;
			fprintf(p->out, "%.9f %d %.2f\n", s->v[k].wall_ns / 1e9, lane,
				fmin(3, 0.5 + 0.35 * log2(1 + s->v[k].latency_ns / 1e4)));
		}
		fputs("EOD\n", p->out);
		fprintf(f,
			"%s$c%zu using 1:2:3 with points pt %d ps variable lc rgb '%s' title '%s "
			"(%zu)'",
			blocks ? ", " : "plot ", blocks, c->point, c->colour, c->label, count);
		blocks++;
	}
	fclose(f);
	return text;
}

int plot_timeline(const struct result *r, struct err *e)
{
	const struct spikes *s = &r->spikes;
	_cleanup_free_ char *command = NULL;
	int lanes[LANES + 1], n = lanes_of(s, lanes, LANES);
	uint64_t begin = r->data.begin_ns, end = r->data.end_ns;
	char text[256];
	struct plot p;

	if (!s->n || !s->v[s->n - 1].wall_ns)
		return 0;
	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i].wall_ns && (!begin || s->v[i].wall_ns < begin))
			begin = s->v[i].wall_ns;
		if (s->v[i].wall_ns > end)
			end = s->v[i].wall_ns;
	}
	if (plot_open(&p, r->run.dir, "spikes", e))
		return e->code;
	snprintf(text, sizeof(text), "%zu spikes, %zu events, %zu of them on several CPUs", s->n,
		 s->n_events, s->platform);
	plot_title(&p, r, "Spikes and their causes", text);
	plot_x_time(&p, begin, end);
	fputs("set key below font ',11'\nset xlabel offset 0,0.4\nset ytics (", p.out);
	for (int i = 0; i < n; i++)
		fprintf(p.out, "%s'CPU %d' %d", i ? "," : "", lanes[i], i);
	fprintf(p.out, ")\nset yrange [-0.7:%.1f]\n", n - 0.3);
	for (size_t i = 0, k = 0; i < s->n_events && k < 500; i++) {
		if (s->events[i].cpus < 2)
			continue;
		k++;
		fprintf(p.out,
			"set arrow %zu from %.9f,graph 0 to %.9f,graph 1 nohead lc rgb '#bbbbbb' lw 3 "
			"back\n",
			100 + k, s->events[i].wall_ns / 1e9, s->events[i].wall_ns / 1e9);
	}
	command = cause_blocks(&p, s, lanes, n);
	return plot_draw(&p, command ? command : "", e);
}
