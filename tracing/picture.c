// SPDX-License-Identifier: GPL-2.0-only
/*
 * picture - late wake-ups as an SVG file: lanes of machine, host, KVM, guest, and the stages passed
 *
 * Each wake-up is a block of its own scale, from its timer's expiry to the thread's running. What
 * comes from a trace (names of threads and devices) is escaped.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "tracing/explain.h"

enum {
	LEFT = 120, /* of the lanes */
	WIDTH = 820,
	PAGE_WIDTH = LEFT + WIDTH + 60,
	LANE = 18,
	LANES_TOP = 30,
	STAGES_TOP = LANES_TOP + LAYERS * LANE,
	BLOCK = STAGES_TOP + 44,
	TOP = 34,
	LEGEND_COLUMN = 240,
	LEGEND_COLUMNS = PAGE_WIDTH / LEGEND_COLUMN,
	LINE = 18,
};

static const char *const layer_name[LAYERS] = {
	[LAYER_MACHINE] = "machine", [LAYER_HOST] = "host",	  [LAYER_KVM] = "KVM and VMM",
	[LAYER_GUEST] = "guest",     [LAYER_UNKNOWN] = "unknown",
};

static void text(FILE *f, const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '&':
			fputs("&amp;", f);
			break;
		case '<':
			fputs("&lt;", f);
			break;
		case '"':
			fputs("&quot;", f);
			break;
		default:
			/* other bytes need not be text at all */
			fputc(*s >= ' ' && *s < 0x7f ? *s : '?', f);
		}
	}
}

static double x_of(const struct explanation *x, const struct spike *s, uint64_t ts)
{
	struct clock_rate r = x->session.rate;
	uint64_t ns = ts > s->due ? clock_ns(r, ts) - clock_ns(r, s->due) : 0;

	return LEFT + (double)WIDTH * (ns < s->latency_ns ? ns : s->latency_ns) / s->latency_ns;
}

/* A run of cells of one cause. */
static void draw_run(FILE *f, const struct spike *s, int from, int to)
{
	const struct cause_info *c = &cause_info[s->picture[from]];
	double cell = (double)WIDTH / PICTURE_CELLS;

	fprintf(f,
		"<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"><title>%s, about %.1f us</title></rect>\n",
		LEFT + from * cell, LANES_TOP + c->layer * LANE + 2, (to - from) * cell, LANE - 4,
		c->colour, c->title, s->latency_ns / 1e3 * (to - from) / PICTURE_CELLS);
}

static void draw_lanes(FILE *f, const struct spike *s)
{
	for (int i = 0; i < LAYERS; i++)
		fprintf(f,
			"<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text><path class=\"line\" d=\"M%d %dh%d\"/>\n",
			LEFT - 8, LANES_TOP + i * LANE + 13, layer_name[i], LEFT,
			LANES_TOP + (i + 1) * LANE, WIDTH);
	for (int i = 0, k; i < PICTURE_CELLS; i = k) {
		for (k = i + 1; k < PICTURE_CELLS && s->picture[k] == s->picture[i]; k++)
			;
		draw_run(f, s, i, k);
	}
}

/* A line through the lanes for each stage, and when it was: they often lie too close for words. */
static void draw_stages(FILE *f, const struct explanation *x, const struct spike *s)
{
	struct clock_rate r = x->session.rate;
	const char *comma = "us: ";

	for (int i = 0; i < STAGES; i++)
		if (s->stage[i] != UINT64_MAX)
			fprintf(f, "<path class=\"stage\" d=\"M%.1f %dV%d\"/>",
				x_of(x, s, s->stage[i]), LANES_TOP, STAGES_TOP);
	fprintf(f, "\n<text class=\"small\" x=\"%d\" y=\"%d\">", LEFT, STAGES_TOP + 30);
	for (int i = 0; i < STAGES; i++) {
		if (s->stage[i] == UINT64_MAX)
			continue;
		fprintf(f, "%s%s %.1f", comma, stage_name[i],
			(int64_t)(clock_ns(r, s->stage[i]) - clock_ns(r, s->due)) / 1e3);
		comma = ", ";
	}
	fputs("</text>\n", f);
}

static void draw_axis(FILE *f, const struct spike *s)
{
	for (int i = 0; i <= 4; i++)
		fprintf(f,
			"<text class=\"small\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">%.1f us</text><path class=\"line\" d=\"M%d %dv4\"/>\n",
			LEFT + WIDTH * i / 4, STAGES_TOP + 16, s->latency_ns / 1e3 * i / 4,
			LEFT + WIDTH * i / 4, STAGES_TOP);
}

static void draw_spike(FILE *f, const struct explanation *x, const struct spike *s, int y)
{
	enum cause verdict = budget_verdict(&s->budget);
	char buf[DETAIL_BYTES];
	const char *d = "";

	for (size_t i = 0; i < s->budget.n && !*d; i++)
		if (s->budget.parts[i].cause == verdict)
			d = explain_detail(x, &s->budget.parts[i], buf);
	fprintf(f, "<g transform=\"translate(0 %d)\"><text class=\"head\" x=\"10\" y=\"20\">", y);
	fprintf(f, "%.6f s: ", clock_ns(x->session.rate, s->ran) / 1e9);
	text(f, s->comm);
	fprintf(f, "/%u on vCPU %u %.1f us late: %s%s", s->tid, s->guest_cpu, s->latency_ns / 1e3,
		cause_info[verdict].title, *d ? " " : "");
	text(f, d);
	fputs("</text>\n", f);
	draw_lanes(f, s);
	draw_stages(f, x, s);
	draw_axis(f, s);
	fputs("</g>\n", f);
}

/* The causes that occur; returns how many rows they take. */
static int draw_legend(FILE *f, const struct explanation *x, int y)
{
	bool seen[CAUSE_COUNT] = { false };
	int n = 0;

	for (size_t i = 0; i < x->n_worst; i++)
		for (int k = 0; k < PICTURE_CELLS; k++)
			seen[x->worst[i].picture[k]] = true;
	for (int c = 0; c < CAUSE_COUNT; c++) {
		if (!seen[c])
			continue;
		if (f)
			fprintf(f,
				"<rect x=\"%d\" y=\"%d\" width=\"12\" height=\"12\" fill=\"%s\"/><text class=\"small\" x=\"%d\" y=\"%d\">%s</text>\n",
				10 + n % LEGEND_COLUMNS * LEGEND_COLUMN,
				y + n / LEGEND_COLUMNS * LINE, cause_info[c].colour,
				28 + n % LEGEND_COLUMNS * LEGEND_COLUMN,
				y + n / LEGEND_COLUMNS * LINE + 10, cause_info[c].title);
		n++;
	}
	return (n + LEGEND_COLUMNS - 1) / LEGEND_COLUMNS;
}

static void draw(FILE *f, const struct explanation *x)
{
	int legend = TOP + (int)x->n_worst * BLOCK, rows = draw_legend(NULL, x, legend);

	fprintf(f,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n"
		"<style>.small{font-size:10px;fill:#333}.head{font-weight:bold}.line{stroke:#ccc}.stage{stroke:#333;stroke-dasharray:2 2}</style>\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
		"<text x=\"10\" y=\"22\" font-size=\"16\">Where the time of late wake-ups went</text>\n",
		PAGE_WIDTH, legend + rows * LINE + 10);
	for (size_t i = 0; i < x->n_worst; i++)
		draw_spike(f, x, &x->worst[i], TOP + (int)i * BLOCK);
	draw_legend(f, x, legend);
	fputs("</svg>\n", f);
}

int picture_save(const struct explanation *x, const char *path, struct err *e)
{
	_cleanup_free_ char *svg = NULL;
	size_t len;
	FILE *f = open_memstream(&svg, &len);

	if (!f)
		return err_set(e, -ENOMEM, "drawing %s failed: no memory", path);
	draw(f, x);
	if (fclose(f))
		return err_set(e, -ENOMEM, "drawing %s failed: no memory", path);
	return file_replace(path, svg, len, e);
}
