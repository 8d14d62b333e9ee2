// SPDX-License-Identifier: GPL-2.0-only
/* plots - the pictures of one run; each is data, axes and one plot command */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "results/format.h"
#include "results/plot.h"

/* "max 18.7 us, n = 864000000, interval 200 us, Linux 6.1.0-rt" */
static char *fine_print(const struct result *r, const struct figure *f, char *buf, size_t size)
{
	char max[32], period[64] = "", n[FORMAT_BYTES];
	const char *kernel = json_str(r->run.doc, "guest.kernel", NULL);

	if (f->period_ns)
		snprintf(period, sizeof(period), ", interval %.6g us", f->period_ns / 1e3);
	if (!kernel)
		kernel = json_str(r->run.doc, "host.kernel", "unknown kernel");
	snprintf(buf, size, "%s: max %s us, n = %s%s, Linux %.60s",
		 json_str(r->run.doc, "name", ""), plot_us(f->hist->max_ns, max, sizeof(max)),
		 format_count(hist_total(f->hist), n), period, kernel);
	return buf;
}

static void limit_lines(struct plot *p, const struct result *r)
{
	char us[32];

	for (size_t i = 0; i < r->n_limits; i++) {
		plot_us(r->limits_ns[i], us, sizeof(us));
		fprintf(p->out,
			"set arrow %zu from first %.3f,graph 0 to first %.3f,graph 1 nohead lc rgb "
			"'#b03000' lw 1.5 dt 2 back\n"
			"set label %zu 'limit %s us' at first %.3f,graph 0.5 center rotate by 90 offset -0.8,0 "
			"font ',11' textcolor rgb '#b03000'\n",
			i + 1, r->limits_ns[i] / 1e3, r->limits_ns[i] / 1e3, i + 1, us,
			r->limits_ns[i] / 1e3);
	}
}

/* 1, 2 or 5 times a power of ten, at least min. */
static uint64_t round_bin(double at_least)
{
	static const int steps[] = { 1, 2, 5 };

	for (uint64_t decade = 1;; decade *= 10)
		for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
			if (steps[i] * (double)decade >= at_least || decade > UINT64_MAX / 100)
				return steps[i] * decade;
}

/* "plot $d0 using ... title 'CPU 2', $d1 ...": one line a CPU; returned text is the caller's. */
static char *lines_command(const struct group *g, const char *how)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	for (size_t i = 0; i < g->n_cpus; i++) {
		char max[32];

		plot_us(g->cpus[i].hist->max_ns, max, sizeof(max));
		fprintf(f,
			"%s$d%zu using 1:2 %s lc rgb '%s' dt %d lw 1.4 title 'CPU %d, max %s us'",
			i ? ", " : "plot ", i, how, plot_colour(i), plot_dash(i), g->cpus[i].cpu,
			max);
	}
	fclose(f);
	return text;
}

/* Beside the picture: curves and limits may be anywhere in it. */
static void key(struct plot *p, size_t lines)
{
	fprintf(p->out, "set key outside right top Left reverse font ',%d'\n", lines > 16 ? 8 : 10);
}

/*
 * The largest latency on the x axis. One stall a thousand times as long as all else would press
 * the picture into its left edge, so the axis ends at 40 times p99.9; *beyond says what it leaves
 * out (with the samples whose value the source did not keep), and the picture says so too.
 */
static uint64_t histogram_range(const struct hist *h, uint64_t *beyond)
{
	uint64_t range = 0, p999;

	for (unsigned int i = hist_next(h, 0); i < HIST_BINS; i = hist_next(h, i + 1))
		range = hist_value(h, i);
	if (hist_quantile(h, 0.999, &p999) && p999 && range / 40 > p999)
		range = 40 * p999;
	*beyond = hist_above(h, range, NULL) + h->over;
	return range;
}

/* The axes' texts: what lies beyond the right edge, and how wide a bin is. */
static void histogram_labels(struct plot *p, const struct hist *h, uint64_t range, uint64_t bin,
			     uint64_t beyond)
{
	uint64_t widest = hist_high(hist_index(range)) - hist_low(hist_index(range)) + 1;
	char n[FORMAT_BYTES], max[32], us[32], wide[32];

	fputs("set xlabel 'latency (us)", p->out);
	if (beyond)
		fprintf(p->out, "; beyond the right edge: %s samples, up to %s us",
			format_count(beyond, n), plot_us(h->max_ns, max, sizeof(max)));
	fprintf(p->out, "'\nset ylabel 'samples in a bin of %s", plot_us(bin, us, sizeof(us)));
	if (widest > bin) /* the log's bins are 1.6 % wide */
		fprintf(p->out, " to %s", plot_us(widest, wide, sizeof(wide)));
	fputs(" us'\n", p->out);
}

int plot_histogram(const struct result *r, struct err *e)
{
	const struct group *g = result_main(r);
	_cleanup_free_ char *command = NULL;
	struct plot p;
	uint64_t range, bin, beyond;
	char text[256];

	if (!g || !hist_total(&g->hist))
		return 0;
	if (plot_open(&p, r->run.dir, "histogram", e))
		return e->code;
	plot_title(&p, r, "Latency histogram", fine_print(r, &g->all, text, sizeof(text)));
	range = histogram_range(&g->hist, &beyond);
	if (r->n_limits && r->limits_ns[0] > range && r->limits_ns[0] < 4 * range)
		range = r->limits_ns[0]; /* the distance to the limit is part of the picture */
	bin = round_bin(fmax(range / 1000.0, g->hist.resolution_ns));
	if (bin < 1000 && range >= 40000)
		bin = 1000; /* what everybody is used to */
	limit_lines(&p, r);
	key(&p, g->n_cpus);
	histogram_labels(&p, &g->hist, range, bin, beyond);
	fprintf(p.out,
		"set logscale y\nset format y '10^{%%L}'\n"
		"set xrange [0:%.3f]\nset yrange [0.8:*]\n",
		(range + fmax(bin, range / 50.0)) / 1e3);
	for (size_t i = 0; i < g->n_cpus; i++) {
		fprintf(p.out, "$d%zu << EOD\n", i);
		plot_steps(&p, g->cpus[i].hist, bin);
		fputs("EOD\n", p.out);
	}
	command = lines_command(g, "with steps");
	return plot_draw(&p, command ? command : "", e);
}

/* A tick at 1, 2 and 5 of each decade of microseconds. */
static void log_x(struct plot *p)
{
	fputs("set logscale x\nset format x '%.6g'\nset xtics add ("
	      "0.2,0.5,2,5,20,50,200,500,2000,5000,20000,50000,200000,500000)\n",
	      p->out);
}

int plot_exceedance(const struct result *r, struct err *e)
{
	const struct group *g = result_main(r);
	_cleanup_free_ char *lines = NULL, *command = NULL;
	struct plot p;
	char text[256];

	if (!g || hist_total(&g->hist) < 2 || !g->hist.count)
		return 0;
	if (plot_open(&p, r->run.dir, "exceedance", e))
		return e->code;
	plot_title(&p, r, "Share of samples above a latency",
		   fine_print(r, &g->all, text, sizeof(text)));
	limit_lines(&p, r);
	key(&p, g->n_cpus);
	log_x(&p);
	fprintf(p.out,
		"set logscale y\nset format y '10^{%%L}'\nset xlabel 'latency (us)'\n"
		"set ylabel 'share of samples above'\nset yrange [%.3g:1.3]\n"
		"set xrange [%.3f:%.3f]\n",
		0.5 / hist_total(&g->hist), fmax(g->hist.min_ns / 1e3, 0.05) * 0.9,
		fmax(g->hist.max_ns, r->n_limits ? r->limits_ns[r->n_limits - 1] : 0) / 1e3 * 1.3);
	for (size_t i = 0; i < g->n_cpus; i++) {
		fprintf(p.out, "$d%zu << EOD\n", i);
		plot_ccdf(&p, g->cpus[i].hist);
		fputs("EOD\n", p.out);
	}
	lines = lines_command(g, "with steps");
	if (g->n_cpus > 1) {
		fputs("$all << EOD\n", p.out);
		plot_ccdf(&p, &g->hist);
		fputs("EOD\n", p.out);
	}
	if (!lines ||
	    asprintf(&command, "%s%s", lines,
		     g->n_cpus > 1 ? ", $all using 1:2 with steps lc rgb '#000000' lw 2.5 "
				     "title 'all CPUs'"
				   : "") < 0)
		command = NULL;
	return plot_draw(&p, command ? command : "", e);
}

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
static uint64_t longest_slice(const struct result *r)
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
		   fine_print(d->r, &g->all, text, sizeof(text)));
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
	longest = longest_slice(r);
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
	step = fmax(longest_slice(r), span / (g->n_cpus > 8 ? COLUMNS / 3.0 : COLUMNS) + 1);
	if (plot_open(&p, r->run.dir, "maxima", e))
		return e->code;
	plot_title(&p, r, "Largest latency of each slice",
		   fine_print(r, &g->all, text, sizeof(text)));
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
	command = lines_command(g, "with linespoints pt 7 ps 0.3");
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

/* --- host and guest --- */

/* The CPU of another instrument that is the physical CPU under f. */
static const struct figure *host_side(const struct result *r, const struct group *guest,
				      const struct figure *f)
{
	for (size_t i = 0; i < r->n_groups; i++)
		for (size_t k = 0; k < r->groups[i].n_cpus; k++)
			if (&r->groups[i] != guest && f->host_cpu >= 0 &&
			    r->groups[i].cpus[k].cpu == f->host_cpu &&
			    r->groups[i].cpus[k].host_cpu < 0)
				return &r->groups[i].cpus[k];
	return NULL;
}

static void pair(struct plot *p, FILE *command, size_t n, const struct figure *guest,
		 const struct figure *host)
{
	fprintf(p->out, "$g%zu << EOD\n", n);
	plot_ccdf(p, guest->hist);
	fprintf(p->out, "EOD\n$h%zu << EOD\n", n);
	plot_ccdf(p, host->hist);
	fputs("EOD\n", p->out);
	fprintf(command,
		"%s$g%zu using 1:2 with steps lc rgb '%s' lw 2 title 'vCPU %d', $h%zu using 1:2 with "
		"steps lc rgb '%s' lw 1.4 dt 2 title 'its host CPU %d'",
		n ? ", " : "plot ", n, plot_colour(n), guest->cpu, n, plot_colour(n), host->cpu);
}

int plot_host_guest(const struct result *r, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	size_t len, n = 0;
	FILE *command;
	struct plot p;

	if (plot_open(&p, r->run.dir, "host-guest", e))
		return e->code;
	command = open_memstream(&text, &len);
	for (size_t i = 0; command && i < r->n_groups; i++)
		for (size_t k = 0; k < r->groups[i].n_cpus; k++) {
			const struct figure *guest = &r->groups[i].cpus[k];
			const struct figure *host = host_side(r, &r->groups[i], guest);

			if (host && hist_total(host->hist) && hist_total(guest->hist))
				pair(&p, command, n++, guest, host);
		}
	if (command)
		fclose(command);
	if (!n) {
		plot_drop(&p);
		return 0;
	}
	plot_title(&p, r, "Host against guest", json_str(r->run.doc, "name", ""));
	limit_lines(&p, r);
	key(&p, 2 * n);
	log_x(&p);
	fputs("set logscale y\nset format y '10^{%L}'\nset xlabel 'latency (us)'\n"
	      "set ylabel 'share of samples above'\nset yrange [*:1.3]\n",
	      p.out);
	return plot_draw(&p, text, e);
}

/* --- tail model --- */

int plot_tail(const struct result *r, struct err *e)
{
	const struct group *g = result_main(r);
	const struct tail *t;
	struct plot p;
	char text[200];
	double last, low, total;

	if (!g || !g->tail.fitted)
		return 0;
	t = &g->tail;
	total = hist_total(&g->hist);
	if (plot_open(&p, r->run.dir, "tail", e))
		return e->code;
	snprintf(text, sizeof(text),
		 "estimate: shape %.3f (%.3f to %.3f), %.0f samples above %.2f us, fit p = %.2f",
		 t->shape, t->shape_low, t->shape_high, t->samples, t->threshold_ns / 1e3,
		 t->gof_p);
	plot_title(&p, r, "Tail model (estimate)", text);
	last = g->hist.max_ns;
	low = 0.5 / total;
	if (t->levels[0].rate > 0) {
		last = fmax(last, t->levels[0].ns);
		low = fmin(low, t->levels[0].rate / 2);
	}
	fputs("$seen << EOD\n", p.out);
	plot_ccdf(&p, &g->hist);
	fputs("EOD\n$model << EOD\n", p.out);
	for (int i = 0; i <= 200; i++) {
		double x = t->threshold_ns + (last * 1.05 - t->threshold_ns) * i / 200;

		fprintf(p.out, "%.3f %.6g\n", x / 1e3, tail_survival(t, x));
	}
	fputs("EOD\n", p.out);
	limit_lines(&p, r);
	fprintf(p.out,
		"set logscale y\nset format y '10^{%%L}'\nset xlabel 'latency (us)'\n"
		"set ylabel 'share of samples above'\nset yrange [%.3g:%.3g]\n"
		"set xrange [%.3f:%.3f]\nset key right top\n",
		low, 3 * t->samples / t->of, t->threshold_ns / 1e3 * 0.9, last * 1.08 / 1e3);
	return plot_draw(&p,
			 "plot $seen using 1:2 with steps lc rgb '#0072b2' lw 2 title 'measured', "
			 "$model using 1:2 with lines lc rgb '#d55e00' lw 2 dt 2 title 'model'",
			 e);
}
