// SPDX-License-Identifier: GPL-2.0-only
/* report - rtkvm report: what is made of one run directory */
#include "results/report.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/opt.h"
#include "lib/stop.h"
#include "results/plot.h"
#include "results/results.h"

const struct report reports[] = {
	{ "text", NULL, report_text },
	{ "json", NULL, report_json },
	{ "html", "report.html", report_html },
	{ "markdown", "summary.md", report_markdown },
	{ "junit", "junit.xml", report_junit },
	{ "ktap", "report.ktap", report_ktap },
	{ "metrics", "metrics.prom", report_metrics },
};

const size_t n_reports = ARRAY_SIZE(reports);

void report_json(FILE *f, const struct result *r)
{
	fprintf(f, "%s\n",
		json_object_to_json_string_ext(r->run.doc, JSON_C_TO_STRING_PRETTY |
								   JSON_C_TO_STRING_NOSLASHESCAPE));
}

static int write_report(const struct result *r, const struct report *report, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return err_set(e, -ENOMEM, "writing %s failed: no memory", report->file);
	report->write(f, r);
	if (fclose(f))
		return err_set(e, -ENOMEM, "writing %s failed: no memory", report->file);
	return file_replace(run_path(&r->run, report->file, path), text, len, e);
}

/* A picture that is not drawn this time must not stay from the last. */
static void remove_picture(const struct result *r, const char *name)
{
	static const char *const suffixes[] = { "svg", "png" };

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		char path[PATH_MAX];

		if (file_path(path, sizeof(path), "%s/plots/%s.%s", r->run.dir, name, suffixes[i]))
			remove(path);
	}
}

static int draw_all(struct result *r, struct err *e)
{
	for (size_t i = 0; i < n_pictures; i++) {
		int ret = pictures[i].draw(r, e);
		char key[64], file[80];

		if (ret < 0)
			return ret;
		if (stop_requested())
			return err_set(e, -EINTR, "interrupted while drawing");
		if (!ret) {
			remove_picture(r, pictures[i].name);
			continue;
		}
		snprintf(key, sizeof(key), "plot_%s", pictures[i].name);
		snprintf(file, sizeof(file), "plots/%s.svg", pictures[i].name);
		run_file(&r->run, key, file);
	}
	return 0;
}

int report_make(struct result *r, bool plots, struct err *e)
{
	int ret = result_store(r, e);

	if (!ret && plots)
		ret = draw_all(r, e);
	for (size_t i = 0; i < n_reports && !ret; i++)
		if (reports[i].file)
			run_file(&r->run, reports[i].format, reports[i].file);
	if (!ret)
		ret = run_save(&r->run, e);
	for (size_t i = 0; i < n_reports && !ret; i++)
		if (reports[i].file)
			ret = write_report(r, &reports[i], e);
	return ret;
}

/* --- the verb --- */

struct args {
	const char *dir;
	const char *print;
	uint64_t limits_ns[LIMITS_MAX];
	size_t n_limits;
	bool no_plots, smoke;
	struct err *e;
};

enum { OPT_NO_PLOTS = 256, OPT_SMOKE, OPT_JSON };

static const struct argp_option options[] = {
	{ "limit", 'l', "TIME", 0,
	  "judge the largest latency against TIME (40us, 1ms) in place of the run's own limits; may be "
	  "given 4 times" },
	{ "print", 'p', "FORMAT", 0,
	  "what to print: text (default), json, html, markdown, junit, ktap or metrics" },
	{ "json", OPT_JSON, NULL, 0, "the same as --print json: run.json with all statistics" },
	{ "no-plots", OPT_NO_PLOTS, NULL, 0, "draw no pictures (no gnuplot needed)" },
	{ "smoke", OPT_SMOKE, NULL, 0,
	  "with --limit: judge although the conditions are not hardware; function is on trial, not "
	  "latency" },
	{ 0 },
};

static error_t add_limit(struct args *a, const char *text)
{
	if (a->n_limits == LIMITS_MAX)
		return err_set(a->e, -EINVAL, "--limit: at most %d limits", LIMITS_MAX);
	return opt_latency("--limit", text, &a->limits_ns[a->n_limits++], a->e);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case 'l':
		return add_limit(a, arg);
	case 'p':
		a->print = arg;
		return 0;
	case OPT_JSON:
		a->print = "json";
		return 0;
	case OPT_NO_PLOTS:
		a->no_plots = true;
		return 0;
	case OPT_SMOKE:
		a->smoke = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->dir)
			return err_set(a->e, -EINVAL,
				       "one run directory at a time: \"%s\" is too many; see rtkvm "
				       "compare",
				       arg);
		a->dir = arg;
		return 0;
	case ARGP_KEY_END:
		return a->dir ? 0 : err_set(a->e, -EINVAL, "which run? give its directory");
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "DIR",
	.doc = "Statistics, plots and reports of one run: fills DIR with plots/, report.html, "
	       "summary.md, junit.xml, report.ktap and metrics.prom, adds the statistics to run.json, "
	       "and prints a summary. The exit code is the run's verdict.",
};

static const struct report *find_format(const char *name, struct err *e)
{
	for (size_t i = 0; i < n_reports; i++)
		if (!strcmp(reports[i].format, name))
			return &reports[i];
	err_set(e, -EINVAL,
		"--print: \"%s\" is no format; text, json, html, markdown, junit, ktap and metrics "
		"are",
		name);
	return NULL;
}

/*
 * What was incomplete stays so, also where run.json does not tell why: the run died, or an older rtkvm
 * made it.
 */
static void keep_incomplete(struct run *r)
{
	json_object *doc = r->doc;

	if (json_at(doc, "shortfalls") || json_at(doc, "phases") || json_at(doc, "interrupted") ||
	    json_at(doc, "stopped_at_spike"))
		return;
	if (!json_at(doc, "ended") && !json_at(doc, "import"))
		run_short(r, "the run did not end by itself");
	else if (!strcmp(json_str(doc, "verdict", ""), verdict_name(VERDICT_INCOMPLETE)))
		run_short(r, "it was incomplete before it was held against other limits");
}

/* Is it a sentence that run_judge makes of limits? */
static bool is_of_limits(const char *s)
{
	size_t n = strcspn(s, " "); /* "max", "p99.9" */
	bool figure = (n == 3 && !strncmp(s, "max", n)) ||
		      (s[0] == 'p' && isdigit((unsigned char)s[1]));

	return !strncmp(s, "no verdict on latency: ", 23) ||
	       (figure && !strncmp(s + n, " is ", 4) && strstr(s, ", above its limit of ")) ||
	       (figure && !strncmp(s + n, " cannot be held against its limit: ", 35));
}

/* An older rtkvm did not write down which reasons were its judgement's. */
static void find_judged(struct run *r)
{
	json_object *reasons = json_at(r->doc, "reasons"), *judged;

	if (json_at(r->doc, "judged"))
		return;
	judged = json_object_new_array();
	for (size_t i = 0; i < json_object_array_length(reasons); i++) {
		json_object *text = json_object_array_get_idx(reasons, i);

		if (text && is_of_limits(json_object_get_string(text)))
			json_object_array_add(judged, json_object_get(text));
	}
	json_object_object_add(r->doc, "judged", judged);
}

/* New limits in place of the run's: a fresh verdict, by all that was known of the run before. */
static int rejudge(const struct args *a, struct err *e)
{
	struct result r;
	enum verdict v;
	int ret = result_open(&r, a->dir, false, e);

	if (ret < 0)
		return ret;
	if (!r.n_groups) {
		result_close(&r);
		return err_set(e, -ENODATA, "judging %s failed: it holds no samples", a->dir);
	}
	keep_incomplete(&r.run);
	find_judged(&r.run);
	ret = result_store(&r, e); /* cpus[], if the instrument left them to us */
	json_object_object_add(r.run.doc, "limits", json_object_new_array());
	json_set_bool(r.run.doc, "judged_smoke", a->smoke);
	for (size_t i = 0; i < a->n_limits; i++)
		run_add_limit(&r.run, "max_ns", a->limits_ns[i]);
	v = run_judge(&r.run, a->smoke);
	json_set_str(r.run.doc, "verdict", verdict_name(v));
	if (!ret)
		ret = run_save(&r.run, e);
	result_close(&r);
	return ret;
}

int results_report(int argc, char **argv, struct err *e)
{
	struct args a = { .print = "text", .e = e };
	const struct report *print;
	struct result r;
	int ret = opt_parse(&argp, argc, argv, false, &a, e);

	if (ret < 0)
		return ret;
	print = find_format(a.print, e);
	if (!print)
		return e->code;
	stop_install();
	if (a.n_limits)
		ret = rejudge(&a, e);
	if (!ret)
		ret = result_open(&r, a.dir, true, e);
	if (ret < 0)
		return ret;
	ret = report_make(&r, !a.no_plots, e);
	if (!ret) {
		print->write(stdout, &r);
		ret = verdict_of(json_str(r.run.doc, "verdict", ""));
		ret = ret == VERDICT_ERROR ? VERDICT_INCOMPLETE : ret;
	}
	result_close(&r);
	return ret;
}
