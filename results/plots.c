// SPDX-License-Identifier: GPL-2.0-only
/* plots - pictures of distributions; each is data, axes and one plot command */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "results/format.h"
#include "results/plot.h"

/* "max 18.7 us, n = 864000000, interval 200 us, Linux 6.1.0-rt" */
char *plot_fine_print(const struct result *r, const struct figure *f, char *buf, size_t size)
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

void plot_limits(struct plot *p, const struct result *r)
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
char *plot_lines(const struct group *g, const char *how)
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
	uint64_t range = 0, p999, unknown;

	for (unsigned int i = hist_next(h, 0); i < HIST_BINS; i = hist_next(h, i + 1))
		range = hist_value(h, i);
	if (hist_quantile(h, 0.999, &p999) && p999 && range / 40 > p999)
		range = 40 * p999;
	*beyond = hist_above(h, range, &unknown) + unknown;
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

	if (!g || !g->hist.count)
		return 0;
	if (plot_open(&p, r->run.dir, "histogram", e))
		return e->code;
	plot_title(&p, r, "Latency histogram", plot_fine_print(r, &g->all, text, sizeof(text)));
	range = histogram_range(&g->hist, &beyond);
	if (r->n_limits && r->limits_ns[0] > range && r->limits_ns[0] < 4 * range)
		range = r->limits_ns[0]; /* the distance to the limit is part of the picture */
	bin = round_bin(fmax(range / 1000.0, g->hist.resolution_ns));
	if (bin < 1000 && range >= 40000)
		bin = 1000; /* what everybody is used to */
	plot_limits(&p, r);
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
	command = plot_lines(g, "with steps");
	return plot_draw(&p, command ? command : "", e);
}

int plot_exceedance(const struct result *r, struct err *e)
{
	const struct group *g = result_main(r);
	_cleanup_free_ char *lines = NULL, *command = NULL;
	double low, high; /* us */
	struct plot p;
	char text[256];

	if (!g || hist_total(&g->hist) < 2 || !g->hist.count)
		return 0;
	low = fmax(g->hist.min_ns / 1e3, 0.05) * 0.9;
	high = fmax(g->hist.max_ns, r->n_limits ? r->limits_ns[r->n_limits - 1] : 0) / 1e3 * 1.3;
	if (plot_open(&p, r->run.dir, "exceedance", e))
		return e->code;
	plot_title(&p, r, "Share of samples above a latency",
		   plot_fine_print(r, &g->all, text, sizeof(text)));
	plot_limits(&p, r);
	key(&p, g->n_cpus);
	plot_log_x(&p, low * 1e3, high * 1e3);
	fprintf(p.out,
		"set logscale y\nset format y '10^{%%L}'\nset xlabel 'latency (us)'\n"
		"set ylabel 'share of samples above'\nset yrange [%.3g:1.3]\n"
		"set xrange [%.3f:%.3f]\n",
		0.5 / hist_total(&g->hist), low, high);
	for (size_t i = 0; i < g->n_cpus; i++) {
		fprintf(p.out, "$d%zu << EOD\n", i);
		plot_ccdf(&p, g->cpus[i].hist);
		fputs("EOD\n", p.out);
	}
	lines = plot_lines(g, "with steps");
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
	double low = INFINITY, high = 0;
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

			if (host && host->hist->count && guest->hist->count) {
				pair(&p, command, n++, guest, host);
				low = fmin(low, fmin(host->hist->min_ns, guest->hist->min_ns));
				high = fmax(high, fmax(host->hist->max_ns, guest->hist->max_ns));
			}
		}
	if (command)
		fclose(command);
	if (!n) {
		plot_drop(&p);
		return 0;
	}
	plot_title(&p, r, "Host against guest", json_str(r->run.doc, "name", ""));
	plot_limits(&p, r);
	key(&p, 2 * n);
	plot_log_x(&p, low, high);
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
	plot_limits(&p, r);
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
