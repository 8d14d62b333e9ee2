// SPDX-License-Identifier: GPL-2.0-only
#include "results/plot.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/proc.h"

enum { GNUPLOT_SECONDS = 60 };

const struct picture pictures[] = {
	{ "histogram", "Latency histogram",
	  "Number of samples in each bin, one line a CPU; logarithmic count.", plot_histogram },
	{ "exceedance", "How often a latency is exceeded",
	  "Share of samples above each latency (complementary distribution), with the limits.",
	  plot_exceedance },
	{ "density", "Latency over time",
	  "Every sample as a density: the darker, the more samples; the line is the largest of each "
	  "interval.",
	  plot_density },
	{ "maxima", "Largest latency of each slice",
	  "The maximum of each time slice, one line a CPU, with the loads as bands.", plot_maxima },
	{ "spikes", "Spikes and their causes",
	  "One lane a CPU; a larger dot is a longer delay; its colour is its cause; a bar across the "
	  "lanes is one event that hit several CPUs at once.",
	  plot_timeline },
	{ "delays", "Where the time of the longest delays went",
	  "One bar a delay, from its timer's expiry to the thread's running; the colours are what took "
	  "the time, as rtkvm trace explain found it in the traces of host and guest.",
	  plot_delays },
	{ "host-guest", "Host against guest",
	  "Exceedance curves measured on a host CPU and on the vCPU that runs on it.",
	  plot_host_guest },
	{ "tail", "Tail model: an estimate",
	  "Exceedances of the largest samples and the fitted generalized Pareto tail.", plot_tail },
};

const size_t n_pictures = ARRAY_SIZE(pictures);

/* Okabe and Ito, yellow left out (too light on paper); dashes carry it on past seven lines. */
static const char *const colours[] = { "#0072b2", "#d55e00", "#009e73", "#cc79a7",
				       "#e69f00", "#56b4e9", "#333333" };

const char *plot_colour(size_t i)
{
	return colours[i % ARRAY_SIZE(colours)];
}

int plot_dash(size_t i)
{
	return 1 + i / ARRAY_SIZE(colours) % 4;
}

char *plot_quote(const char *text, char *buf, size_t size)
{
	size_t n = 0;

	buf[n++] = '\'';
	for (; *text && n + 4 < size; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			continue;
		if (*text == '\'')
			buf[n++] = '\'';
		buf[n++] = *text;
	}
	buf[n++] = '\'';
	buf[n] = '\0';
	return buf;
}

/* Ticks at 1, 2 and 5 of each decade while their numbers have room, else at 1. */
void plot_log_x(struct plot *p, double low_ns, double high_ns)
{
	fputs("set logscale x\nset format x '%.10g'\n", p->out);
	if (high_ns <= 2000 * fmax(low_ns, 50))
		fputs("set xtics add (0.2,0.5,2,5,20,50,200,500,2000,5000,20000,50000,200000,500000)\n",
		      p->out);
}

char *plot_us(double ns, char *buf, size_t size)
{
	double us = ns / 1e3;

	if (us >= 100 || us == floor(us))
		snprintf(buf, size, "%.0f", us);
	else if (us >= 10)
		snprintf(buf, size, "%.1f", us);
	else
		snprintf(buf, size, "%.2f", us);
	return buf;
}

static void style(struct plot *p)
{
	fputs("set encoding utf8\n"
	      "set border 3 lc rgb '#555555'\n"
	      "set tics nomirror out textcolor rgb '#333333'\n"
	      "set grid lc rgb '#dddddd' lw 0.6 lt 1\n"
	      "set key noenhanced textcolor rgb '#333333' samplen 2 spacing 1.1\n"
	      "set datafile missing '-'\n",
	      p->out);
}

int plot_open(struct plot *p, const char *dir, const char *name, struct err *e)
{
	int ret;

	memset(p, 0, sizeof(*p));
	p->name = name;
	if (!file_path(p->dir, sizeof(p->dir), "%s/plots", dir))
		return err_sys(e, "drawing %s failed", name);
	ret = file_mkdirs(p->dir, e);
	if (ret < 0)
		return ret;
	p->out = open_memstream(&p->text, &p->len);
	if (!p->out)
		return err_set(e, -ENOMEM, "drawing %s failed: no memory", name);
	style(p);
	return 0;
}

void plot_drop(struct plot *p)
{
	if (p->out)
		fclose(p->out);
	free(p->text);
	memset(p, 0, sizeof(*p));
}

void plot_title(struct plot *p, const struct result *r, const char *title, const char *fine_print)
{
	bool caution = r && result_caution(r);
	char quoted[512];

	fprintf(p->out,
		"set tmargin at screen %s\n"
		"set label 1000 %s at screen 0.5,0.955 center noenhanced font ',16' textcolor rgb '#111111'\n",
		caution ? "0.83" : "0.87", plot_quote(title, quoted, sizeof(quoted)));
	fprintf(p->out,
		"set label 1001 %s at screen 0.5,0.905 center noenhanced font ',11' textcolor rgb '#555555'\n",
		plot_quote(fine_print, quoted, sizeof(quoted)));
	if (caution)
		fprintf(p->out,
			"set label 1002 '%s' at screen 0.5,0.86 center noenhanced font ',11' textcolor rgb "
			"'#b03000'\n",
			strcmp(json_str(r->run.doc, "conditions", ""), "emulated")
				? "not bare hardware: latencies include an outer hypervisor"
				: "emulated machine: not latencies of any hardware");
}

/* Seconds between ticks, so that at most ten of them stand side by side. */
static double time_step(double span)
{
	static const int steps[] = { 1,	  2,	5,    10,   20,	  30,	 60,	120,   300,
				     600, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400 };
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(steps) && span / steps[i] > 10)
		i++;
	return span / steps[i] > 10 ? ceil(span / 10 / 86400) * 86400 : steps[i];
}

void plot_x_time(struct plot *p, uint64_t begin_ns, uint64_t end_ns)
{
	double span = (end_ns - begin_ns) / 1e9;
	char iso[CLOCK_ISO_BYTES];

	fprintf(p->out, "set xdata time\nset timefmt '%%s'\nset xrange ['%.3f':'%.3f']\n",
		begin_ns / 1e9, fmax(end_ns / 1e9, begin_ns / 1e9 + 1));
	fprintf(p->out, "set format x '%s'\nset xtics %.0f\n",
		span > 3 * 86400 ? "%d %b"
		: span > 600	 ? "%H:%M"
				 : "%H:%M:%S",
		time_step(span));
	if (begin_ns < 1000000000 * NSEC_PER_SEC) /* before 2001: no wall clock */
		fputs("set xlabel \'time on the clock of the source\'\n", p->out);
	else
		fprintf(p->out, "set xlabel 'time (UTC) from %s' noenhanced\n",
			clock_iso8601(begin_ns, iso));
}

/* --- running it --- */

static int memory_file(const char *name, const char *text, size_t len)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd >= 0 && (file_write_all(fd, text, len) || lseek(fd, 0, SEEK_SET))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* gnuplot's first complaint, without its echo of the script. */
static void first_complaint(int fd, char *buf, size_t size)
{
	char all[4096], *line, *save = NULL;
	ssize_t n = pread(fd, all, sizeof(all) - 1, 0);

	snprintf(buf, size, "no message");
	if (n <= 0)
		return;
	all[n] = '\0';
	for (line = strtok_r(all, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strstr(line, "line ") || strstr(line, "error")) {
			snprintf(buf, size, "%s", line + strspn(line, " \t"));
			return;
		}
}

static int run_gnuplot(const struct plot *p, struct err *e)
{
	/* -d: neither the system's nor the user's start-up file changes the pictures */
	char *const argv[] = { "gnuplot", "-d", "-", NULL };
	_cleanup_close_ int in = memory_file("gnuplot", p->text, p->len);
	_cleanup_close_ int out = memory_file("complaints", "", 0);
	struct proc_opts o = PROC_OPTS_INIT;
	struct proc child;
	char complaint[256];
	int ret;

	if (in < 0 || out < 0)
		return err_sys(e, "drawing %s failed", p->name);
	o.argv = argv;
	o.cwd = p->dir; /* so that no path has to be quoted */
	o.in = in;
	o.out = o.err = out;
	ret = proc_start(&child, &o, e);
	if (ret < 0)
		return ret;
	ret = proc_wait(&child, clock_now_ns() + GNUPLOT_SECONDS * NSEC_PER_SEC);
	if (ret < 0) {
		proc_stop(&child, 500);
		return err_set(e, ret, "drawing %s failed: gnuplot was %s", p->name,
			       ret == -EINTR ? "interrupted" : "not done after 60 s");
	}
	if (!proc_code(&child))
		return 0;
	first_complaint(out, complaint, sizeof(complaint));
	return err_set(e, -EIO, "drawing %s failed: gnuplot ended with %d: %s", p->name,
		       proc_code(&child), complaint);
}

int plot_draw(struct plot *p, const char *command, struct err *e)
{
	int ret;

	fprintf(p->out,
		"set terminal svg size %d,%d dynamic font 'sans-serif,13' background '#ffffff'\n"
		"set output '%s.svg'\n%s\n",
		PLOT_WIDTH, PLOT_HEIGHT, p->name, command);
	fprintf(p->out,
		"set terminal pngcairo size %d,%d font 'sans-serif,13' fontscale 1.5 linewidth 1.5 "
		"background '#ffffff'\nset output '%s.png'\n%s\nset output\n",
		PLOT_WIDTH * 3 / 2, PLOT_HEIGHT * 3 / 2, p->name, command);
	if (fclose(p->out)) {
		p->out = NULL;
		plot_drop(p);
		return err_set(e, -ENOMEM, "drawing failed: no memory");
	}
	p->out = NULL;
	ret = run_gnuplot(p, e);
	plot_drop(p);
	return ret < 0 ? ret : 1;
}

/* --- shapes that several pictures draw --- */

/* Samples are joined into cells of bin_ns; a bin of the histogram that is wider is its own cell. */
void plot_steps(struct plot *p, const struct hist *h, uint64_t bin_ns)
{
	double end = 0, start = 0, stop = 0, n = 0;

	for (unsigned int i = hist_next(h, 0); i < HIST_BINS; i = hist_next(h, i + 1)) {
		double low = hist_low(i), high = (double)hist_high(i) + 1;

		if (high - low < bin_ns) {
			uint64_t v = bin_ns >= 1000 ? hist_us(h, i) * 1000 : hist_value(h, i);

			low = v - v % bin_ns;
			high = low + bin_ns;
		}
		if (n && low == start) {
			n += h->bins[i];
			continue;
		}
		if (n)
			fprintf(p->out, "%.3f %.0f\n", start / 1e3, n);
		if (n && low > stop)
			fprintf(p->out, "%.3f 0.1\n", stop / 1e3);
		if (!n)
			fprintf(p->out, "%.3f 0.1\n", low / 1e3);
		start = fmax(low, stop);
		stop = fmax(high, start);
		n = h->bins[i];
		end = stop;
	}
	if (n)
		fprintf(p->out, "%.3f %.0f\n%.3f 0.1\n", start / 1e3, n, end / 1e3);
}

void plot_ccdf(struct plot *p, const struct hist *h)
{
	double total = hist_total(h), above = total, last = -1;

	if (!h->count)
		return;
	fprintf(p->out, "%.3f 1\n", h->min_ns / 1e3);
	for (unsigned int i = hist_next(h, 0); i < HIST_BINS; i = hist_next(h, i + 1)) {
		double x = hist_value(h, i) / 1e3;

		above -= h->bins[i];
		if (above > 0 && x > last)
			fprintf(p->out, "%.3f %.6g\n", x, above / total);
		last = x;
	}
	/* the last sample: at its own height, then down */
	fprintf(p->out, "%.3f %.6g\n", h->max_ns / 1e3, (h->over ? h->over : 1) / total);
}
