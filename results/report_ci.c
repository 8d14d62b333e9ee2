// SPDX-License-Identifier: GPL-2.0-only
/* report_ci - JUnit XML, KTAP and OpenMetrics, for machines that decide and machines that watch */
#include <math.h>
#include <string.h>

#include "lib/json.h"
#include "results/format.h"
#include "results/report.h"

/* --- the cases: one CPU against one limit, told once for JUnit and KTAP --- */

enum outcome { CASE_OK, CASE_FAILED, CASE_SKIPPED };

struct test_case {
	char name[96];
	enum outcome outcome;
	char text[512]; /* why it failed or was skipped */
};

/* The worst spike of a CPU: when it came and what caused it. */
static const struct spike *worst_spike(const struct result *r, const char *instrument, int cpu)
{
	const struct spike *worst = NULL;

	for (size_t i = 0; i < r->spikes.n; i++) {
		const struct spike *s = &r->spikes.v[i];

		if (s->cpu == cpu && (!s->instrument[0] || !strcmp(s->instrument, instrument)) &&
		    (!worst || s->latency_ns > worst->latency_ns))
			worst = s;
	}
	return worst;
}

static void failure_text(const struct result *r, const struct group *g, const struct figure *f,
			 size_t limit, char *buf, size_t size)
{
	const struct spike *s = worst_spike(r, g->instrument, f->cpu);
	char value[FORMAT_BYTES], bound[FORMAT_BYTES], when[FORMAT_BYTES], n[FORMAT_BYTES];

	snprintf(buf, size,
		 "max %s us is above the limit of %s us; %s samples above it; at %s UTC; "
		 "cause: %s%s%s",
		 format_us(f->hist->max_ns, value), format_us(r->limits_ns[limit], bound),
		 format_count(f->over[limit].n, n),
		 format_when(f->max_wall_ns ? f->max_wall_ns
			     : s	    ? s->wall_ns
					    : 0,
			     when),
		 s ? s->cause->label : "not recorded", s && s->detail[0] ? ", " : "",
		 s ? s->detail : "");
}

/* Not on hardware a limit decides nothing, unless it was judged as a smoke test: by now, or when it ran. */
static bool limits_decide(const struct result *r)
{
	json_object *smoke = json_at(r->run.doc, "judged_smoke");

	return run_is_hardware(&r->run) ||
	       json_object_get_boolean(smoke ? smoke : json_at(r->run.doc, "asked.smoke"));
}

static void one_case(const struct result *r, const struct group *g, const struct figure *f,
		     size_t limit, struct test_case *c)
{
	char us[FORMAT_BYTES];

	snprintf(c->name, sizeof(c->name), "%s CPU %d max at most %s us", g->instrument, f->cpu,
		 format_us(r->limits_ns[limit], us));
	c->outcome = CASE_OK;
	c->text[0] = '\0';
	if (!limits_decide(r)) {
		c->outcome = CASE_SKIPPED;
		snprintf(c->text, sizeof(c->text), "conditions are %s: no verdict on latency",
			 json_str(r->run.doc, "conditions", "unknown"));
	} else if (!hist_total(f->hist)) {
		if (run_none_above(&r->run, g->instrument, f->cpu, r->limits_ns[limit]))
			return;
		c->outcome = CASE_SKIPPED;
		snprintf(c->text, sizeof(c->text), "no samples");
	} else if (f->hist->max_ns > r->limits_ns[limit]) {
		c->outcome = CASE_FAILED;
		failure_text(r, g, f, limit, c->text, sizeof(c->text));
	}
}

/* The run itself: an interrupted or inconclusive one is not a pass because no limit broke. */
static void run_case(const struct result *r, struct test_case *c)
{
	const char *verdict = json_str(r->run.doc, "verdict", "incomplete");

	snprintf(c->name, sizeof(c->name), "run completed");
	c->outcome = !strcmp(verdict, "pass") || !strcmp(verdict, "fail") ? CASE_OK
		     : !strcmp(verdict, "inconclusive")			  ? CASE_SKIPPED
									  : CASE_FAILED;
	c->text[0] = '\0';
	if (c->outcome != CASE_OK)
		snprintf(c->text, sizeof(c->text), "%s: ", verdict);
	if (c->outcome != CASE_OK)
		format_verdict(r, c->text + strlen(c->text), sizeof(c->text) - strlen(c->text));
}

/* A phase of a campaign (rtkvm-campaign(1)): its own verdict, also where it has no histogram. */
static void phase_case(json_object *phase, struct test_case *c)
{
	const char *verdict = json_str(phase, "verdict", json_str(phase, "status", "pending"));
	json_object *reasons = json_at(phase, "reasons");
	size_t n = reasons ? json_object_array_length(reasons) : 0;

	snprintf(c->name, sizeof(c->name), "phase %s", json_str(phase, "name", ""));
	c->outcome = !strcmp(verdict, "pass") ? CASE_OK
		     : !strcmp(verdict, "inconclusive") || !strcmp(verdict, "skipped")
			     ? CASE_SKIPPED
			     : CASE_FAILED;
	snprintf(c->text, sizeof(c->text), "%s", verdict);
	for (size_t i = 0; i < n; i++)
		snprintf(c->text + strlen(c->text), sizeof(c->text) - strlen(c->text), "%s %s",
			 i ? ";" : ":",
			 json_object_get_string(json_object_array_get_idx(reasons, i)));
}

/* The run as such: one case, and one for each phase of a campaign. */
static size_t run_cases(const struct result *r)
{
	json_object *phases = json_at(r->run.doc, "phases");

	return 1 + (json_object_is_type(phases, json_type_array) ? json_object_array_length(phases)
								 : 0);
}

static void nth_run_case(const struct result *r, size_t n, struct test_case *c)
{
	if (!n)
		run_case(r, c);
	else
		phase_case(json_object_array_get_idx(json_at(r->run.doc, "phases"), n - 1), c);
}

/* Limits are for all of a run, but those of a campaign's phase for PHASE and PHASE/GUEST only. */
static bool limit_applies(const struct result *r, const struct group *g, uint64_t limit_ns)
{
	json_object *limits = json_at(r->run.doc, "limits");

	for (size_t i = 0; i < json_object_array_length(limits); i++) {
		json_object *l = json_object_array_get_idx(limits, i);
		const char *phase = json_str(l, "phase", NULL);
		size_t n = phase ? strlen(phase) : 0;

		if ((uint64_t)json_int(l, "limit_ns", -1) == limit_ns &&
		    !strcmp(json_str(l, "what", ""), "max_ns") &&
		    (!phase || (!strncmp(g->instrument, phase, n) &&
				(!g->instrument[n] || g->instrument[n] == '/'))))
			return true;
	}
	return false;
}

typedef void case_printer(FILE *f, const struct result *r, const struct test_case *c, int n);

struct tally {
	int n, failed, skipped;
};

/* Walks every case; print NULL only counts. */
static struct tally cases(FILE *f, const struct result *r, const struct group *g,
			  case_printer *print)
{
	struct tally t = { 0 };
	struct test_case c;

	for (size_t i = 0; i < g->n_cpus; i++)
		for (size_t k = 0; k < r->n_limits; k++) {
			if (!limit_applies(r, g, r->limits_ns[k]))
				continue;
			one_case(r, g, &g->cpus[i], k, &c);
			t.n++;
			t.failed += c.outcome == CASE_FAILED;
			t.skipped += c.outcome == CASE_SKIPPED;
			if (print)
				print(f, r, &c, t.n);
		}
	return t;
}

/* --- JUnit --- */

static void junit_case(FILE *f, const struct result *r, const struct test_case *c, int n)
{
	(void)n;
	fputs("    <testcase classname=\"rtkvm.", f);
	format_xml(f, json_str(r->run.doc, "name", ""));
	fputs("\" name=\"", f);
	format_xml(f, c->name);
	if (c->outcome == CASE_OK) {
		fputs("\"/>\n", f);
		return;
	}
	fputs(c->outcome == CASE_FAILED ? "\">\n      <failure message=\""
					: "\">\n      <skipped message=\"",
	      f);
	format_xml(f, c->text);
	fputs("\"/>\n    </testcase>\n", f);
}

static void junit_property(FILE *f, const char *name, const char *value)
{
	if (!value)
		return;
	fprintf(f, "      <property name=\"%s\" value=\"", name);
	format_xml(f, value);
	fputs("\"/>\n", f);
}

static void junit_properties(FILE *f, const struct result *r)
{
	static const char *const keys[] = { "conditions",     "host.kernel",	    "host.cmdline",
					    "host.cpu_model", "host.microcode",	    "host.isolated",
					    "host.nohz_full", "host.tuned_profile", "guest.kernel",
					    "guest.cmdline",  "vmm.kind",	    "vmm.version" };

	fputs("    <properties>\n", f);
	if (result_caution(r))
		junit_property(f, "caution", result_caution(r));
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		junit_property(f, keys[i], json_str(r->run.doc, keys[i], NULL));
	fputs("    </properties>\n", f);
}

static void junit_suite(FILE *f, const struct result *r, const char *name, struct tally t,
			double seconds)
{
	fputs("  <testsuite name=\"", f);
	format_xml(f, name);
	fprintf(f,
		"\" tests=\"%d\" failures=\"%d\" skipped=\"%d\" errors=\"0\" time=\"%.3f\" "
		"timestamp=\"",
		t.n, t.failed, t.skipped, seconds);
	format_xml(f, json_str(r->run.doc, "started", ""));
	fputs("\">\n", f);
}

void report_junit(FILE *f, const struct result *r)
{
	struct tally t = { .n = run_cases(r) };
	struct test_case c;

	for (int i = 0; i < t.n; i++) {
		nth_run_case(r, i, &c);
		t.failed += c.outcome == CASE_FAILED;
		t.skipped += c.outcome == CASE_SKIPPED;
	}
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"rtkvm\">\n", f);
	junit_suite(f, r, "run", t, 0);
	junit_properties(f, r);
	for (int i = 0; i < t.n; i++) {
		nth_run_case(r, i, &c);
		junit_case(f, r, &c, i + 1);
	}
	fputs("  </testsuite>\n", f);
	for (size_t i = 0; i < r->n_groups; i++) {
		const struct group *g = &r->groups[i];

		junit_suite(f, r, g->instrument, cases(f, r, g, NULL), report_seconds(g));
		cases(f, r, g, junit_case);
		fputs("  </testsuite>\n", f);
	}
	fputs("</testsuites>\n", f);
}

/* --- KTAP v1 --- */

/* A name may hold no "#": it begins the directive. */
static void ktap_text(FILE *f, const char *text)
{
	for (; *text; text++)
		fputc(*text == '#' || (unsigned char)*text < ' ' ? '.' : *text, f);
}

static void ktap_line(FILE *f, const char *indent, const struct test_case *c, int n)
{
	fprintf(f, "%s%s %d ", indent, c->outcome == CASE_FAILED ? "not ok" : "ok", n);
	ktap_text(f, c->name);
	if (c->outcome == CASE_SKIPPED) {
		fputs(" # SKIP ", f);
		ktap_text(f, c->text);
	}
	fputc('\n', f);
	if (c->outcome == CASE_FAILED) {
		fprintf(f, "%s# ", indent);
		ktap_text(f, c->text);
		fputc('\n', f);
	}
}

static void ktap_case(FILE *f, const struct result *r, const struct test_case *c, int n)
{
	(void)r;
	ktap_line(f, "  ", c, n);
}

void report_ktap(FILE *f, const struct result *r)
{
	struct test_case c;

	fprintf(f, "KTAP version 1\n1..%zu\n", r->n_groups + run_cases(r));
	if (result_caution(r))
		fprintf(f, "# %s\n", result_caution(r));
	for (size_t i = 0; i < run_cases(r); i++) {
		nth_run_case(r, i, &c);
		ktap_line(f, "", &c, i + 1);
	}
	for (size_t i = 0; i < r->n_groups; i++) {
		const struct group *g = &r->groups[i];
		struct tally t = cases(f, r, g, NULL);

		fprintf(f, "  KTAP version 1\n  1..%d%s\n", t.n,
			t.n ? "" : " # SKIP no limit was set");
		cases(f, r, g, ktap_case);
		fprintf(f, "%s %zu ", t.failed ? "not ok" : "ok", i + 1 + run_cases(r));
		ktap_text(f, g->instrument);
		fputs(t.n && t.skipped == t.n ? " # SKIP no verdict\n" : "\n", f);
	}
}

/* --- OpenMetrics --- */

struct metric {
	const char *name, *unit, *type, *help;
};

static void metric_head(FILE *f, const struct metric *m)
{
	fprintf(f, "# TYPE %s %s\n", m->name, m->type);
	if (m->unit[0])
		fprintf(f, "# UNIT %s %s\n", m->name, m->unit);
	fprintf(f, "# HELP %s %s\n", m->name, m->help);
}

/* A label's value: backslash, quote and newline escaped (OpenMetrics 1.0, ABNF). */
static void label(FILE *f, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '"')
			fputc('\\', f);
		if ((unsigned char)*text >= ' ')
			fputc(*text, f);
	}
}

static void labels(FILE *f, const struct result *r, const struct group *g, const struct figure *x)
{
	fputs("run=\"", f);
	label(f, json_str(r->run.doc, "name", ""));
	fputs("\",conditions=\"", f);
	label(f, json_str(r->run.doc, "conditions", "unknown"));
	fputs("\",instrument=\"", f);
	label(f, g->instrument);
	fprintf(f, "\",cpu=\"%d\"", x->cpu);
}

typedef double metric_value(const struct figure *x);

static double value_max(const struct figure *x)
{
	return hist_total(x->hist) ? x->hist->max_ns / 1e9 : NAN;
}

static double value_samples(const struct figure *x)
{
	return hist_total(x->hist);
}

static double value_missed(const struct figure *x)
{
	return x->missed < 0 ? NAN : x->missed;
}

static void per_cpu(FILE *f, const struct result *r, const struct metric *m, metric_value *value)
{
	metric_head(f, m);
	for (size_t i = 0; i < r->n_groups; i++)
		for (size_t k = 0; k < r->groups[i].n_cpus; k++) {
			const struct figure *x = &r->groups[i].cpus[k];

			if (isnan(value(x)))
				continue;
			fprintf(f, "%s{", m->name);
			labels(f, r, &r->groups[i], x);
			fprintf(f, "} %.15g\n", value(x));
		}
}

static void quantile_metrics(FILE *f, const struct result *r)
{
	static const struct metric m = {
		"rtkvm_latency_quantile_seconds", "seconds", "gauge",
		"Latency quantile, where enough samples stand behind it."
	};

	metric_head(f, &m);
	for (size_t i = 0; i < r->n_groups; i++)
		for (size_t k = 0; k < r->groups[i].n_cpus; k++)
			for (int q = 0; q < HIST_LEVELS; q++) {
				const struct figure *x = &r->groups[i].cpus[k];

				if (!x->quantiles[q].known)
					continue;
				fprintf(f, "%s{", m.name);
				labels(f, r, &r->groups[i], x);
				fprintf(f, ",quantile=\"%s\"} %.9g\n", hist_levels[q].key,
					x->quantiles[q].ns / 1e9);
			}
}

void report_metrics(FILE *f, const struct result *r)
{
	static const struct metric max = { "rtkvm_latency_max_seconds", "seconds", "gauge",
					   "Largest latency of the run." };
	static const struct metric samples = { "rtkvm_samples", "", "gauge", "Samples taken." };
	static const struct metric missed = { "rtkvm_missed_periods", "", "gauge",
					      "Periods without a sample, where known." };
	static const struct metric verdict = { "rtkvm_verdict", "", "stateset",
					       "Verdict of the run." };
	static const char *const words[] = { "pass", "fail", "incomplete", "inconclusive" };

	per_cpu(f, r, &max, value_max);
	quantile_metrics(f, r);
	per_cpu(f, r, &samples, value_samples);
	per_cpu(f, r, &missed, value_missed);
	metric_head(f, &verdict);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		fputs("rtkvm_verdict{run=\"", f);
		label(f, json_str(r->run.doc, "name", ""));
		fprintf(f, "\",rtkvm_verdict=\"%s\"} %d\n", words[i],
			!strcmp(json_str(r->run.doc, "verdict", ""), words[i]));
	}
	fputs("# EOF\n", f);
}
