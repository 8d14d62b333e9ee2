// SPDX-License-Identifier: GPL-2.0-only
/*
 * report_html - one file that works offline, in a browser, on paper and in a screen reader
 *
 * Everything is inside: style, pictures as data: URIs. A content security policy forbids the rest,
 * so that an attempt to load anything would be an error and not a request.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "results/format.h"
#include "results/phases.h"
#include "results/plot.h"
#include "results/report.h"
#include "results/report_css.h"

enum { EVENTS_SHOWN = 50, PICTURE_BYTES = 64 << 20 };

static void text(FILE *f, const char *s)
{
	format_xml(f, s);
}

/* --- the top: caution, verdict, what it is about --- */

static void verdict(FILE *f, const struct result *r)
{
	const char *v = json_str(r->run.doc, "verdict", "incomplete");
	json_object *reasons = json_at(r->run.doc, "reasons");
	char sentence[512];

	fprintf(f,
		"<div class=\"verdict %s\" id=\"verdict\" role=\"status\" data-verdict=\"%s\">"
		"<strong>%s</strong><div><p>",
		!strcmp(v, "pass") || !strcmp(v, "fail") ? v : "open", v, v);
	text(f, format_verdict(r, sentence, sizeof(sentence)));
	fputs("</p>", f);
	if (json_object_array_length(reasons) > 1) {
		fputs("<ul>", f);
		for (size_t i = 1; i < json_object_array_length(reasons); i++) {
			fputs("<li>", f);
			text(f, json_object_get_string(json_object_array_get_idx(reasons, i)));
			fputs("</li>", f);
		}
		fputs("</ul>", f);
	}
	fputs("</div></div>\n", f);
}

static void tile(FILE *f, const char *name, const char *value, const char *unit)
{
	fputs("<div><dt>", f);
	text(f, name);
	fputs("</dt><dd>", f);
	text(f, value);
	if (unit[0])
		fprintf(f, " <small>%s</small>", unit);
	fputs("</dd></div>\n", f);
}

static void tiles_of_one(FILE *f, const struct group *g)
{
	char a[FORMAT_BYTES];

	if (!hist_total(&g->hist))
		return;
	tile(f, "Largest latency", format_us(g->hist.max_ns, a), "us");
	for (int i = HIST_LEVELS - 1; i >= 0; i--)
		if (g->all.quantiles[i].known) {
			char name[32];

			snprintf(name, sizeof(name), "%.4g %% are below", hist_levels[i].q * 100);
			if (hist_levels[i].q > 0.99995)
				snprintf(name, sizeof(name), "%.4f %% are below",
					 hist_levels[i].q * 100);
			tile(f, name, format_us(g->all.quantiles[i].ns, a), "us");
			break;
		}
	tile(f, "Samples", format_count(hist_total(&g->hist), a), "");
	tile(f, "Missed periods", format_count(g->all.missed, a), "");
	if (report_seconds(g) > 0)
		tile(f, "Measured", format_seconds(report_seconds(g), a), "");
}

/* Of a campaign's phases none stands for the others: the largest of each. */
static void tiles(FILE *f, const struct result *r)
{
	char name[FORMAT_BYTES + 16], a[FORMAT_BYTES];

	fputs("<dl class=\"tiles\">\n", f);
	if (r->n_groups == 1)
		tiles_of_one(f, &r->groups[0]);
	for (size_t i = 0; i < r->n_groups && r->n_groups > 1; i++) {
		const struct group *g = &r->groups[i];

		if (!hist_total(&g->hist))
			continue;
		snprintf(name, sizeof(name), "%.60s, largest", g->instrument);
		tile(f, name, format_us(g->hist.max_ns, a), "us");
	}
	fputs("</dl>\n", f);
}

static void fact(FILE *f, const char *name, const char *value)
{
	if (!value || !value[0])
		return;
	fprintf(f, "<tr><th scope=\"row\">%s</th><td>", name);
	text(f, value);
	fputs("</td></tr>\n", f);
}

static void conditions(FILE *f, const struct result *r)
{
	static const struct {
		const char *name, *key;
	} facts[] = {
		{ "Conditions", "conditions" },
		{ "because", "conditions_why" },
		{ "CPU", "host.cpu_model" },
		{ "Microcode", "host.microcode" },
		{ "Host kernel", "host.kernel" },
		{ "Host command line", "host.cmdline" },
		{ "Isolated CPUs", "host.isolated" },
		{ "Tickless CPUs (nohz_full)", "host.nohz_full" },
		{ "tuned profile", "host.tuned_profile" },
		{ "Guest kernel", "guest.kernel" },
		{ "Guest command line", "guest.cmdline" },
		{ "VMM", "vmm.kind" },
		{ "VMM version", "vmm.version" },
		{ "Started (UTC)", "started" },
		{ "Ended (UTC)", "ended" },
	};

	fputs("<section aria-labelledby=\"h-conditions\"><h2 id=\"h-conditions\">Conditions</h2>\n"
	      "<div class=\"scroll\"><table class=\"facts\"><tbody>\n",
	      f);
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++)
		fact(f, facts[i].name, json_str(r->run.doc, facts[i].key, NULL));
	fputs("</tbody></table></div></section>\n", f);
}

static void phases(FILE *f, const struct result *r)
{
	struct phase_row p;

	if (!phases_count(r))
		return;
	fputs("<section aria-labelledby=\"h-phases\"><h2 id=\"h-phases\">Phases</h2><div "
	      "class=\"scroll\"><table>\n"
	      "<thead><tr><th scope=\"col\">Phase</th><th scope=\"col\">Instrument</th><th "
	      "scope=\"col\">Measured</th><th scope=\"col\">Attempts</th><th scope=\"col\">Largest "
	      "us</th><th scope=\"col\">Verdict</th></tr></thead><tbody>\n",
	      f);
	for (size_t i = 0; i < phases_count(r); i++) {
		phases_row(r, i, &p);
		fputs("<tr><th scope=\"row\">", f);
		text(f, p.name);
		fputs("</th><td>", f);
		text(f, p.run);
		fprintf(f, "</td><td>%s</td><td>%zu</td><td>%s</td><td>", p.measured, p.attempts,
			p.max);
		fputs(!strcmp(p.verdict, "fail") ? "<b>" : "", f);
		text(f, p.verdict);
		fputs(!strcmp(p.verdict, "fail") ? "</b></td></tr>\n" : "</td></tr>\n", f);
	}
	fputs("</tbody></table></div></section>\n", f);
}

static void limits(FILE *f, const struct result *r)
{
	json_object *all = json_at(r->run.doc, "limits");
	char us[FORMAT_BYTES], what[32];

	if (!json_object_array_length(all))
		return;
	fputs("<section aria-labelledby=\"h-limits\"><h2 id=\"h-limits\">Limits</h2><div "
	      "class=\"scroll\"><table>\n"
	      "<thead><tr><th scope=\"col\">Limit</th><th scope=\"col\">us</th><th "
	      "scope=\"col\">Measured us</th><th scope=\"col\">Worst CPU</th><th "
	      "scope=\"col\">Met</th></tr></thead><tbody>\n",
	      f);
	for (size_t i = 0; i < json_object_array_length(all); i++) {
		json_object *l = json_object_array_get_idx(all, i), *met = json_at(l, "met");
		int64_t value = json_int(l, "value_ns", -1);

		fputs("<tr><th scope=\"row\">", f);
		if (json_str(l, "phase", NULL)) {
			text(f, json_str(l, "phase", ""));
			fputs(": ", f);
		}
		snprintf(what, sizeof(what), "%.*s", (int)strcspn(json_str(l, "what", ""), "_"),
			 json_str(l, "what", "")); /* "max" of "max_ns" */
		text(f, what);
		fprintf(f, "</th><td>%s</td>", format_us(json_int(l, "limit_ns", 0), us));
		fprintf(f, "<td>%s</td>", value < 0 ? "-" : format_us(value, us));
		if (value < 0)
			fputs("<td>-</td>", f);
		else
			fprintf(f, "<td>%jd</td>", (intmax_t)json_int(l, "cpu", -1));
		fprintf(f, "<td>%s</td></tr>\n",
			!met			       ? "no verdict"
			: json_object_get_boolean(met) ? "yes"
						       : "<b>no</b>");
	}
	fputs("</tbody></table></div></section>\n", f);
}

/* --- pictures --- */

static void base64(FILE *f, const unsigned char *p, size_t n)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = p[i] << 16 | (i + 1 < n ? p[i + 1] << 8 : 0) |
			     (i + 2 < n ? p[i + 2] : 0);

		fputc(digits[v >> 18], f);
		fputc(digits[v >> 12 & 63], f);
		fputc(i + 1 < n ? digits[v >> 6 & 63] : '=', f);
		fputc(i + 2 < n ? digits[v & 63] : '=', f);
	}
}

static void picture(FILE *f, const struct result *r, const struct picture *p)
{
	_cleanup_free_ char *svg = NULL;
	char path[PATH_MAX], name[64];
	struct err ignored = { 0 };
	ssize_t n;

	snprintf(name, sizeof(name), "plots/%s.svg", p->name);
	if (!file_exists(run_path(&r->run, name, path)))
		return;
	n = file_load(path, PICTURE_BYTES, &svg, &ignored);
	if (n < 0)
		return;
	fprintf(f, "<figure id=\"plot-%s\"><h3>", p->name);
	text(f, p->title);
	fputs("</h3><img width=\"1000\" height=\"520\" alt=\"", f);
	text(f, p->title);
	fputs(". ", f);
	text(f, p->text);
	fputs(" The figures are in the table below.\" src=\"data:image/svg+xml;base64,", f);
	base64(f, (unsigned char *)svg, n);
	fputs("\"><figcaption>", f);
	text(f, p->text);
	fputs("</figcaption></figure>\n", f);
}

/* --- figures --- */

static void estimate_cell(FILE *f, const struct figure *x, int level)
{
	const struct estimate *q = &x->quantiles[level];
	char a[FORMAT_BYTES], b[FORMAT_BYTES], c[FORMAT_BYTES];

	format_quantile(x, level, a);
	if (!q->known) {
		fprintf(f, "<td class=\"none\" title=\"%s\">",
			*a == '-' ? "too few samples" : "among samples whose value is unknown");
		text(f, a);
		fputs("</td>", f);
		return;
	}
	fprintf(f, "<td data-ns=\"%ju\">%s<br><small>%s to %s</small></td>", (uintmax_t)q->ns, a,
		format_us(q->low_ns, b), q->high_open ? "?" : format_us(q->high_ns, c));
}

static void figure_row(FILE *f, const struct figure *x)
{
	const struct hist *h = x->hist;
	char a[FORMAT_BYTES];

	if (x->cpu < 0)
		fputs("<tr class=\"all\"><th scope=\"row\">all</th>", f);
	else
		fprintf(f, "<tr data-cpu=\"%d\"><th scope=\"row\">%d</th>", x->cpu, x->cpu);
	if (x->host_cpu < 0)
		fputs("<td class=\"none\">-</td>", f);
	else
		fprintf(f, "<td>%d</td>", x->host_cpu);
	fprintf(f, "<td data-samples=\"%ju\">%s</td>", (uintmax_t)hist_total(h),
		format_count(hist_total(h), a));
	fprintf(f, "<td>%s</td>", format_count(x->missed, a));
	if (!hist_total(h)) {
		fprintf(f, "<td colspan=\"%d\">no samples</td></tr>\n", HIST_LEVELS + 4);
		return;
	}
	fprintf(f, "<td class=\"max\" data-max=\"%ju\">%s</td>", (uintmax_t)h->max_ns,
		format_us(h->max_ns, a));
	fprintf(f, "<td data-min=\"%ju\">%s</td>", (uintmax_t)h->min_ns, format_us(h->min_ns, a));
	fprintf(f, "<td>%s</td>", h->count && !h->over ? format_us(hist_mean_ns(h), a) : "-");
	for (int i = 0; i < HIST_LEVELS; i++)
		estimate_cell(f, x, i);
	fprintf(f, "<td>%s</td></tr>\n", format_when(x->max_wall_ns, a));
}

static void table(FILE *f, const struct group *g)
{
	fputs("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"", f);
	text(f, g->instrument);
	fputs(" latencies\"><table class=\"figures\"><caption>", f);
	text(f, g->instrument);
	fputs(": latencies in us; small: 95 % confidence interval from order statistics; - : too few "
	      "samples</caption><thead><tr><th scope=\"col\">CPU</th><th scope=\"col\">host CPU</th>"
	      "<th scope=\"col\">samples</th><th scope=\"col\">missed</th><th scope=\"col\">max</th><th scope=\"col\">min</th><th "
	      "scope=\"col\">mean</th>",
	      f);
	for (int i = 0; i < HIST_LEVELS; i++)
		fprintf(f, "<th scope=\"col\">%s</th>", hist_levels[i].label);
	fputs("<th scope=\"col\">max at (UTC)</th></tr></thead><tbody>\n", f);
	for (size_t i = 0; i < g->n_cpus; i++)
		figure_row(f, &g->cpus[i]);
	if (g->n_cpus > 1)
		figure_row(f, &g->all);
	fputs("</tbody></table></div>\n", f);
}

static void notes(FILE *f, const struct result *r, const struct group *g)
{
	char line[768], us[FORMAT_BYTES];

	fputs("<ul class=\"notes\">\n", f);
	for (size_t i = 0; i < r->n_limits; i++) {
		fprintf(f, "<li>Above %s us: ", format_us(r->limits_ns[i], us));
		text(f, format_bound(&g->all.over[i], line, sizeof(line)));
		fputs(" (per CPU).</li>\n", f);
	}
	if (*format_missed(&g->all, line, sizeof(line))) {
		fputs("<li>", f);
		text(f, line);
		fputs(".</li>\n", f);
	}
	if (g->hist.resolution_ns > 1)
		fprintf(f, "<li>Values are floors of %s us, as the source wrote them.</li>\n",
			format_us(g->hist.resolution_ns, us));
	if (g->hist.over)
		fprintf(f, "<li>%s samples are known only to be at least %s us.</li>\n",
			format_count(g->hist.over, line), format_us(g->hist.over_from_ns, us));
	if (*format_counters(&g->all, line, sizeof(line))) {
		fputs("<li>All CPUs: ", f);
		text(f, line);
		fputs(".</li>\n", f);
	}
	fputs("<li>", f);
	text(f, format_stationarity(&g->stationarity, line, sizeof(line)));
	fputs("</li>\n<li>", f);
	text(f, format_tail(&g->tail, line, sizeof(line)));
	fputs("</li>\n</ul>\n", f);
}

static void window(FILE *f, const struct result *r)
{
	json_object *w = json_at(r->run.doc, "window"), *exits = json_at(w, "exits");
	char a[FORMAT_BYTES];

	if (!json_object_is_type(w, json_type_object) || !json_object_object_length(w))
		return;
	fputs("<section aria-labelledby=\"h-window\"><h2 id=\"h-window\">Isolated vCPUs during the "
	      "measurement</h2><div class=\"scroll\"><table class=\"facts\"><tbody>\n",
	      f);
	fact(f, "Window", format_seconds(json_double(w, "seconds", 0), a));
	fact(f, "User-space exits", format_count(json_int(w, "userspace_exits", -1), a));
	fact(f, "Page faults", format_count(json_int(w, "page_faults", -1), a));
	fact(f, "Involuntary context switches",
	     format_count(json_int(w, "involuntary_switches", -1), a));
	if (json_at(w, "vmm_thread_runs"))
		fact(f, "Runs of the VMM's other threads there",
		     format_count(json_int(w, "vmm_thread_runs", -1), a));
	if (json_object_is_type(exits, json_type_object)) {
		json_object_object_foreach(exits, reason, count) {
			json_object *rate = NULL;

			json_object_object_get_ex(json_at(w, "exits_per_wakeup"), reason, &rate);
			fputs("<tr><th scope=\"row\">exits: ", f);
			text(f, reason);
			fprintf(f, "</th><td>%s", format_count(json_object_get_int64(count), a));
			if (rate)
				fprintf(f, " (%.3f per wake-up)", json_object_get_double(rate));
			fputs("</td></tr>\n", f);
		}
	}
	fputs("</tbody></table></div></section>\n", f);
}

/* --- spikes --- */

static int by_latency_falling(const void *a, const void *b)
{
	const struct event *const *x = a, *const *y = b;

	if ((*x)->latency_ns != (*y)->latency_ns)
		return (*x)->latency_ns < (*y)->latency_ns ? 1 : -1;
	return (*x)->first < (*y)->first ? -1 : 1;
}

static void event_row(FILE *f, const struct spikes *s, const struct event *ev)
{
	const struct spike *worst = &s->v[ev->first];
	char a[FORMAT_BYTES];

	for (size_t i = ev->first; i < ev->first + ev->n; i++)
		if (s->v[i].latency_ns > worst->latency_ns)
			worst = &s->v[i];
	fprintf(f, "<tr><td>%s</td><td>", format_when(ev->wall_ns, a));
	if (ev->cpus > 1)
		fprintf(f, "<b>platform-wide</b>, %d CPUs", ev->cpus);
	else
		fprintf(f, "CPU %d", worst->cpu);
	fprintf(f, "</td><td>%s</td><td>", format_us(ev->latency_ns, a));
	text(f, worst->cause->label);
	fputs("</td><td>", f);
	text(f, worst->detail);
	fputs("</td></tr>\n", f);
}

static void spikes(FILE *f, const struct result *r)
{
	const struct spikes *s = &r->spikes;
	_cleanup_free_ const struct event **order = NULL;
	size_t shown = s->n_events < EVENTS_SHOWN ? s->n_events : EVENTS_SHOWN;

	if (!s->n)
		return;
	order = calloc(s->n_events, sizeof(*order));
	if (!order)
		return;
	for (size_t i = 0; i < s->n_events; i++)
		order[i] = &s->events[i];
	qsort(order, s->n_events, sizeof(*order), by_latency_falling);
	fprintf(f,
		"<section aria-labelledby=\"h-spikes\"><h2 id=\"h-spikes\">Spikes</h2>\n<p>%zu spikes in "
		"%zu events; %zu events are platform-wide (several CPUs within 50 us). The %zu largest:"
		"</p>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"largest "
		"events\"><table class=\"events\"><thead><tr><th scope=\"col\">when (UTC)</th><th "
		"scope=\"col\">where</th><th scope=\"col\">us</th><th scope=\"col\">cause</th><th "
		"scope=\"col\">detail</th></tr></thead><tbody>\n",
		s->n, s->n_events, s->platform, shown);
	for (size_t i = 0; i < shown; i++)
		event_row(f, s, order[i]);
	fputs("</tbody></table></div></section>\n", f);
}

static void damage(FILE *f, const struct result *r)
{
	if (!r->data.n_damages && !r->spikes.bad_lines && !r->spikes.dropped)
		return;
	fputs("<section aria-labelledby=\"h-damage\"><h2 id=\"h-damage\">Left out</h2><ul "
	      "class=\"notes\">\n",
	      f);
	for (size_t i = 0; i < r->data.n_damages; i++) {
		const struct damage *d = &r->data.damages[i];

		fputs("<li>", f);
		text(f, strrchr(d->path, '/') + 1);
		fprintf(f,
			": %ju bytes at byte %ju are no whole slice%s; all others were read.</li>\n",
			(uintmax_t)d->bytes, (uintmax_t)d->offset,
			d->tail ? " (the log was cut off there)" : "");
	}
	if (r->spikes.bad_lines)
		fprintf(f, "<li>spikes.jsonl: %ju lines are no spikes.</li>\n",
			(uintmax_t)r->spikes.bad_lines);
	if (r->spikes.dropped)
		fprintf(f, "<li>spikes.jsonl: %ju spikes beyond the first %d.</li>\n",
			(uintmax_t)r->spikes.dropped, SPIKES_MAX);
	fputs("</ul></section>\n", f);
}

static void manifest(FILE *f, const struct result *r)
{
	fputs("<section aria-labelledby=\"h-manifest\"><h2 id=\"h-manifest\">Manifest</h2>\n<details>"
	      "<summary>run.json, whole</summary><pre>",
	      f);
	text(f, json_object_to_json_string_ext(r->run.doc, JSON_C_TO_STRING_PRETTY |
								   JSON_C_TO_STRING_NOSLASHESCAPE));
	fputs("</pre></details></section>\n", f);
}

void report_html(FILE *f, const struct result *r)
{
	const char *name = json_str(r->run.doc, "name", "");
	const char *caution = result_caution(r);

	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta "
	      "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
	      "'unsafe-inline'; img-src data:\">\n<meta name=\"viewport\" "
	      "content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" "
	      "content=\"light dark\">\n<title>",
	      f);
	text(f, name);
	fputs(": ", f);
	text(f, json_str(r->run.doc, "verdict", "incomplete"));
	fprintf(f, "</title>\n<style>%s</style></head>\n<body>\n", report_css);
	if (caution) {
		fputs("<p class=\"caution\" role=\"note\">", f);
		text(f, caution);
		fputs("</p>\n", f);
	}
	fputs("<header><p class=\"eyebrow\">rtkvm latency report</p><h1>", f);
	text(f, name);
	fputs("</h1>\n", f);
	verdict(f, r);
	tiles(f, r);
	fputs("</header>\n<main>\n", f);
	phases(f, r);
	limits(f, r);
	conditions(f, r);
	fputs("<section aria-labelledby=\"h-plots\"><h2 id=\"h-plots\">Plots</h2>\n", f);
	for (size_t i = 0; i < n_pictures; i++)
		picture(f, r, &pictures[i]);
	fputs("</section>\n<section aria-labelledby=\"h-figures\"><h2 id=\"h-figures\">Figures</h2>\n",
	      f);
	for (size_t i = 0; i < r->n_groups; i++) {
		table(f, &r->groups[i]);
		notes(f, r, &r->groups[i]);
	}
	fputs("</section>\n", f);
	window(f, r);
	spikes(f, r);
	damage(f, r);
	manifest(f, r);
	fprintf(f,
		"</main>\n<footer>Made by rtkvm %s from run.json and %zu latency log%s in %zu "
		"slice%s.</footer>\n</body></html>\n",
		RTKVM_VERSION, r->n_logs, r->n_logs == 1 ? "" : "s", r->data.n_slices,
		r->data.n_slices == 1 ? "" : "s");
}
