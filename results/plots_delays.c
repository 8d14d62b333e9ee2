// SPDX-License-Identifier: GPL-2.0-only
/*
 * plots_delays - where the time of the longest delays went, a bar each
 *
 * rtkvm trace explain leaves a "timeline" in the lines of spikes.jsonl: pairs of a cause and its
 * nanoseconds, from the timer's expiry to the thread's running. Other spikes have none.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "results/format.h"
#include "results/plot.h"
#include "results/spikes.h"

enum { BARS = 12, RUNS_MAX = 1024 };

/* A spike with a timeline. */
struct bar {
	uint64_t wall_ns, latency_ns;
	int cpu;
	json_object *timeline;
};

struct bars {
	struct bar v[BARS]; /* the longest first */
	size_t n;
};

static void bars_free(struct bars *b)
{
	for (size_t i = 0; i < b->n; i++)
		json_object_put(b->v[i].timeline);
	b->n = 0;
}

static void keep(struct bars *b, const struct bar *bar)
{
	size_t i = b->n;

	if (i == BARS && b->v[BARS - 1].latency_ns >= bar->latency_ns)
		return;
	if (i == BARS)
		json_object_put(b->v[--i].timeline);
	else
		b->n++;
	for (; i && b->v[i - 1].latency_ns < bar->latency_ns; i--)
		b->v[i] = b->v[i - 1];
	b->v[i] = *bar;
	json_object_get(bar->timeline);
}

static void look_at(struct bars *b, const char *line)
{
	_cleanup_json_ json_object *o = json_tokener_parse(line);
	int64_t latency = json_int(o, "latency_ns", -1), wall = json_int(o, "wall_ns", 0);
	struct bar bar = { .wall_ns = wall > 0 ? wall : 0,
			   .latency_ns = latency,
			   .cpu = json_int(o, "cpu", -1),
			   .timeline = json_at(o, "timeline") };

	if (latency > 0 && json_object_is_type(bar.timeline, json_type_array) &&
	    json_object_array_length(bar.timeline) <= RUNS_MAX)
		keep(b, &bar);
}

static int load(struct bars *b, const char *path, struct err *e)
{
	_cleanup_fclose_ FILE *f = NULL;
	_cleanup_free_ char *line = NULL;
	int ret = file_stream(path, &f, e);
	size_t size = 0;

	if (!f)
		return ret;
	while (getline(&line, &size, f) >= 0)
		look_at(b, line);
	return ferror(f) ? err_sys(e, "reading %s failed", path) : 0;
}

/* The boxes of one cause in all bars; how many. */
static size_t boxes(FILE *f, const struct bars *b, const struct cause *cause)
{
	size_t found = 0;

	for (size_t i = 0; i < b->n; i++) {
		size_t n = json_object_array_length(b->v[i].timeline);
		double at = 0, end = b->v[i].latency_ns;

		for (size_t k = 0; k < n && at < end; k++) {
			json_object *run = json_object_array_get_idx(b->v[i].timeline, k);
			json_object *name, *ns;
			double from = at;

			if (!json_object_is_type(run, json_type_array))
				continue;
			name = json_object_array_get_idx(run, 0);
			ns = json_object_array_get_idx(run, 1);
			at += json_object_is_type(ns, json_type_int) ? json_object_get_int64(ns)
								     : 0;
			if (at <= from || cause_find(json_object_get_string(name)) != cause)
				continue;
			found++;
			if (f)
				fprintf(f, "%.3f %zu %.3f %.3f %.2f %.2f\n", from / 1e3, i,
					from / 1e3, (at < end ? at : end) / 1e3, i - 0.35,
					i + 0.35);
		}
	}
	return found;
}

/* A data block for each cause; returns the plot command. */
static char *blocks(struct plot *p, const struct bars *b)
{
	const struct cause *c;
	char *text = NULL;
	size_t len, n = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	for (size_t i = 0; (c = cause_at(i)); i++) {
		if (!boxes(NULL, b, c))
			continue;
		fprintf(p->out, "$c%zu << EOD\n", n);
		boxes(p->out, b, c);
		fputs("EOD\n", p->out);
		fprintf(f, "%s$c%zu using 1:2:3:4:5:6 with boxxyerror fs %s lc rgb '%s' title '%s'",
			n ? ", " : "plot ", n, c->fill, c->colour, c->label);
		n++;
	}
	fclose(f);
	return text;
}

int plot_delays(const struct result *r, struct err *e)
{
	_cleanup_free_ char *command = NULL;
	struct bars b = { .n = 0 };
	char path[PATH_MAX], when[FORMAT_BYTES], quoted[160], label[128];
	struct plot p;
	int ret = load(&b, run_path(&r->run, "spikes.jsonl", path), e);

	if (ret < 0 || !b.n) {
		bars_free(&b);
		return ret;
	}
	ret = plot_open(&p, r->run.dir, "delays", e);
	if (!ret) {
		snprintf(label, sizeof(label), "the %zu longest that were traced", b.n);
		plot_title(&p, r, "Where the time of the longest delays went", label);
		fputs("set key below font ',11'\nset xlabel 'us since the timer expired'\n"
		      "set ytics (",
		      p.out);
		for (size_t i = 0; i < b.n; i++) {
			snprintf(label, sizeof(label), "CPU %d  %s", b.v[i].cpu,
				 b.v[i].wall_ns ? format_when(b.v[i].wall_ns, when) : "");
			fprintf(p.out, "%s%s %zu", i ? "," : "",
				plot_quote(label, quoted, sizeof(quoted)), i);
		}
		fprintf(p.out,
			") noenhanced font ',10'\nset yrange [%.1f:-0.7]\nset xrange [0:*]\n",
			b.n - 0.3);
		command = blocks(&p, &b);
		ret = plot_draw(&p, command ? command : "", e);
	}
	bars_free(&b);
	return ret;
}
