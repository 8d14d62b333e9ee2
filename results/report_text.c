// SPDX-License-Identifier: GPL-2.0-only
/* report_text - the summary for terminals and for CI step summaries (Markdown) */
#include <string.h>

#include "lib/json.h"
#include "results/format.h"
#include "results/phases.h"
#include "results/report.h"

/* One table for both: how a row begins, what stands between cells, how it ends. */
struct dress {
	bool markdown;
	const char *row, *cell, *end;
};

static const struct dress plain = { false, "", "  ", "\n" };
static const struct dress markdown = { true, "| ", " | ", " |\n" };

enum { COLUMNS = 10 };

static const char *const heads[COLUMNS] = { "CPU", "samples", "missed", "min",	    "mean",
					    "p50", "p99",     "p99.99", "p99.9999", "max us" };

static const int widths[COLUMNS] = { 5, 15, 9, 8, 8, 8, 8, 8, 8, 8 };

static void row(FILE *f, const struct dress *d, char cells[COLUMNS][FORMAT_BYTES])
{
	fputs(d->row, f);
	for (int i = 0; i < COLUMNS; i++)
		fprintf(f, "%s%*s", i ? d->cell : "", d->markdown ? 1 : widths[i], cells[i]);
	fputs(d->end, f);
}

static void quantile_cell(const struct figure *f, const char *label, char buf[static FORMAT_BYTES])
{
	strcpy(buf, "-");
	for (int i = 0; i < HIST_LEVELS; i++)
		if (!strcmp(hist_levels[i].label, label))
			format_quantile(f, i, buf);
}

static void figure_row(FILE *f, const struct dress *d, const struct figure *x)
{
	char c[COLUMNS][FORMAT_BYTES];
	const struct hist *h = x->hist;

	if (x->cpu < 0)
		strcpy(c[0], "all");
	else
		snprintf(c[0], sizeof(c[0]), "%d", x->cpu);
	format_count(hist_total(h), c[1]);
	format_count(x->missed, c[2]);
	for (int i = 3; i < COLUMNS; i++)
		strcpy(c[i], "-");
	if (hist_total(h)) {
		format_us(h->min_ns, c[3]);
		format_us(h->max_ns, c[9]);
	}
	if (h->count && !h->over)
		format_us(hist_mean_ns(h), c[4]);
	for (int i = 5; i < 9; i++)
		quantile_cell(x, heads[i], c[i]);
	row(f, d, c);
}

static void table(FILE *f, const struct dress *d, const struct group *g)
{
	char c[COLUMNS][FORMAT_BYTES];

	for (int i = 0; i < COLUMNS; i++)
		strcpy(c[i], heads[i]);
	row(f, d, c);
	if (d->markdown)
		fputs("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n", f);
	for (size_t i = 0; i < g->n_cpus; i++)
		figure_row(f, d, &g->cpus[i]);
	if (g->n_cpus > 1)
		figure_row(f, d, &g->all);
}

static void group(FILE *f, const struct dress *d, const struct result *r, const struct group *g)
{
	const char *bullet = d->markdown ? "- " : "  ";
	char text[512], us[FORMAT_BYTES], time[FORMAT_BYTES];

	fprintf(f, d->markdown ? "\n### %s\n\n" : "\n%s", g->instrument);
	if (!d->markdown && report_seconds(g) > 0)
		fprintf(f, ", %s", format_seconds(report_seconds(g), time));
	fputs(d->markdown ? "" : "\n", f);
	table(f, d, g);
	fputc('\n', f);
	for (size_t i = 0; i < r->n_limits; i++)
		fprintf(f, "%sabove %s us: %s\n", bullet, format_us(r->limits_ns[i], us),
			format_bound(&g->all.over[i], text, sizeof(text)));
	if (*format_missed(&g->all, text, sizeof(text)))
		fprintf(f, "%s%s\n", bullet, text);
	if (g->hist.resolution_ns > 1)
		fprintf(f, "%svalues are floors of %s us, as the source wrote them\n", bullet,
			format_us(g->hist.resolution_ns, us));
	if (g->hist.over)
		fprintf(f, "%s%s samples are known only to be at least %s us\n", bullet,
			format_count(g->hist.over, text), format_us(g->hist.over_from_ns, us));
	if (*format_counters(&g->all, text, sizeof(text)))
		fprintf(f, "%s%s\n", bullet, text);
	fprintf(f, "%s%s\n", bullet, format_stationarity(&g->stationarity, text, sizeof(text)));
	fprintf(f, "%s%s\n", bullet, format_tail(&g->tail, text, sizeof(text)));
}

static void events(FILE *f, const struct dress *d, const struct result *r)
{
	const struct spikes *s = &r->spikes;
	const char *bullet = d->markdown ? "- " : "  ";
	json_object *causes = json_at(r->run.doc, "causes");
	const char *comma = "";

	if (!s->n)
		return;
	fprintf(f, "%s%zu spikes in %zu events", bullet, s->n, s->n_events);
	if (s->platform)
		fprintf(f, ", %zu of them platform-wide (several CPUs within 50 us)", s->platform);
	fprintf(f, "\n%scauses: ", bullet);
	json_object_object_foreach(causes, name, count) {
		fprintf(f, "%s%s %s", comma, name, json_object_get_string(count));
		comma = ", ";
	}
	fputc('\n', f);
}

static void damage(FILE *f, const struct dress *d, const struct result *r)
{
	for (size_t i = 0; i < r->data.n_damages; i++) {
		const struct damage *x = &r->data.damages[i];

		fprintf(f, "%s%s: %ju bytes at %ju are no whole slice%s; the rest was read\n",
			d->markdown ? "- " : "  ", strrchr(x->path, '/') + 1, (uintmax_t)x->bytes,
			(uintmax_t)x->offset, x->tail ? " (cut off at the end)" : "");
	}
}

static void exits(FILE *f, const struct dress *d, json_object *rates)
{
	const char *before = "exits per wake-up: ";

	if (!json_object_is_type(rates, json_type_object))
		return;
	fputs(d->markdown ? "- " : "  ", f);
	json_object_object_foreach(rates, reason, rate) {
		if (json_object_get_double(rate) < 0.01)
			continue;
		fprintf(f, "%s%s %.2f", before, reason, json_object_get_double(rate));
		before = ", ";
	}
	fputs(before[0] == 'e' ? "no VM exits were seen\n" : "\n", f);
}

static void window(FILE *f, const struct dress *d, const struct result *r)
{
	json_object *w = json_at(r->run.doc, "window");

	if (!json_at(w, "userspace_exits"))
		return;
	fprintf(f,
		"%swindow of %.1f s: %jd user-space exits, %jd page faults, %jd involuntary "
		"switches on the isolated vCPUs\n",
		d->markdown ? "- " : "  ", json_double(w, "seconds", 0),
		(intmax_t)json_int(w, "userspace_exits", -1),
		(intmax_t)json_int(w, "page_faults", -1),
		(intmax_t)json_int(w, "involuntary_switches", -1));
	if (json_at(w, "vmm_thread_runs"))
		fprintf(f, "%sother threads of the VMM ran %jd times on their CPUs meanwhile\n",
			d->markdown ? "- " : "  ", (intmax_t)json_int(w, "vmm_thread_runs", -1));
	exits(f, d, json_at(w, "exits_per_wakeup"));
}

static void head(FILE *f, const struct dress *d, const struct result *r)
{
	const char *verdict = json_str(r->run.doc, "verdict", "incomplete");
	const char *caution = result_caution(r);
	const char *guest = json_str(r->run.doc, "guest.kernel", NULL);
	json_object *reasons = json_at(r->run.doc, "reasons");
	char text[512];

	if (caution)
		fprintf(f, d->markdown ? "> **%s**\n\n" : "%s\n\n", caution);
	format_verdict(r, text, sizeof(text));
	if (d->markdown)
		fprintf(f, "## %s %s: %s\n\n%s\n\n",
			!strcmp(verdict, "pass")   ? "\xe2\x9c\x85"
			: !strcmp(verdict, "fail") ? "\xe2\x9d\x8c"
						   : "\xe2\x9a\xa0\xef\xb8\x8f",
			json_str(r->run.doc, "name", ""), verdict, text);
	else
		fprintf(f, "%s: %s (%s)\n", json_str(r->run.doc, "name", ""), verdict, text);
	for (size_t i = 1; i < json_object_array_length(reasons); i++)
		fprintf(f, "%s%s\n", d->markdown ? "- " : "  ",
			json_object_get_string(json_object_array_get_idx(reasons, i)));
	fprintf(f, "%s%s, Linux %s%s%s\n", d->markdown ? "\n" : "",
		json_str(r->run.doc, "host.cpu_model", "unknown CPU"),
		json_str(r->run.doc, "host.kernel", "unknown"), guest ? ", guest Linux " : "",
		guest ? guest : "");
}

/* A line break or a bar would end a cell of a Markdown table. */
static void cell_text(FILE *f, const struct dress *d, const char *text)
{
	for (; *text; text++)
		fputc(d->markdown && (*text == '|' || (unsigned char)*text < ' ') ? ' ' : *text, f);
}

static void phase_cells(FILE *f, const struct dress *d, const struct phase_row *p)
{
	char attempts[FORMAT_BYTES];
	const char *const cells[] = {
		p->name, p->run, p->measured, format_count(p->attempts, attempts), p->max,
	};
	static const int wide[] = { -15, -10, 9, 8, 10 };

	fputs(d->row, f);
	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
		fprintf(f, "%*s%s", d->markdown ? 1 : wide[i], cells[i], d->cell);
	fprintf(f, "%s%s%s", d->markdown ? "**" : "", p->verdict, d->markdown ? "**" : "");
	fputs(*p->why ? ": " : "", f);
	cell_text(f, d, p->why);
	fputs(d->end, f);
}

static void phases(FILE *f, const struct dress *d, const struct result *r)
{
	struct phase_row p;

	if (!phases_count(r))
		return;
	fputs(d->markdown
		      ? "\n| phase | instrument | measured | attempts | max us | verdict |\n"
			"|:--|:--|--:|--:|--:|:--|\n"
		      : "\nphase            instrument   measured  attempts      max us  verdict\n",
	      f);
	for (size_t i = 0; i < phases_count(r); i++) {
		phases_row(r, i, &p);
		phase_cells(f, d, &p);
	}
}

static void summary(FILE *f, const struct dress *d, const struct result *r)
{
	head(f, d, r);
	phases(f, d, r);
	for (size_t i = 0; i < r->n_groups; i++)
		group(f, d, r, &r->groups[i]);
	window(f, d, r);
	events(f, d, r);
	damage(f, d, r);
}

void report_text(FILE *f, const struct result *r)
{
	summary(f, &plain, r);
}

void report_markdown(FILE *f, const struct result *r)
{
	summary(f, &markdown, r);
}
