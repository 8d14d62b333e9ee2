// SPDX-License-Identifier: GPL-2.0-only
/* compare_verb - rtkvm compare A B...: table, JSON, picture */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/opt.h"
#include "lib/stop.h"
#include "results/compare.h"
#include "results/format.h"
#include "results/plot.h"
#include "results/results.h"

enum { RUNS_MAX = 16 };

struct args {
	const char *runs[RUNS_MAX];
	size_t n;
	uint64_t limit_ns;
	const char *out;
	bool force, json;
	struct err *e;
};

enum { OPT_FORCE = 256, OPT_JSON };

static const struct argp_option options[] = {
	{ "force", OPT_FORCE, NULL, 0,
	  "compare although the runs measured other things or on other machines" },
	{ "limit", 'l', "TIME", 0,
	  "compare the rates of samples above TIME; default: A's first limit, or the 99.99 % quantile "
	  "of all" },
	{ "json", OPT_JSON, NULL, 0, "print JSON" },
	{ "out", 'o', "DIR", 0, "write compare.json and plots/compare.svg and .png into DIR" },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case 'l':
		return opt_latency("--limit", arg, &a->limit_ns, a->e);
	case 'o':
		a->out = arg;
		return 0;
	case OPT_FORCE:
		a->force = true;
		return 0;
	case OPT_JSON:
		a->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->n == RUNS_MAX)
			return err_set(a->e, -EINVAL, "at most %d runs are compared", RUNS_MAX);
		a->runs[a->n++] = arg;
		return 0;
	case ARGP_KEY_END:
		return a->n >= 2 ? 0 : err_set(a->e, -EINVAL, "give two run directories or more");
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "A B...",
	.doc = "Is B (and each further run) better or worse than A, the same, or can that not be told? "
	       "Exit code 0: none is worse; 1: one is worse; 4: none is worse and of one it cannot be "
	       "told.",
};

/* One run beside A. */
struct against {
	const struct result *r;
	struct difference differences[DIFFERENCES_MAX];
	int n_differences, forbidding;
	struct comparison *groups;
	size_t n_groups;
	enum compare_outcome outcome;
};

/* The forbidding differences in one line: the whole answer of a refusal. */
static int refuse(const struct against *b, const char *a_name, const char *b_name, struct err *e)
{
	char list[320];
	size_t len = 0;

	for (int i = 0; i < b->n_differences && len < sizeof(list) - 1; i++)
		if (b->differences[i].forbids)
			len += snprintf(list + len, sizeof(list) - len, "%s%s (%.40s, %.40s)",
					len ? "; " : "", b->differences[i].name,
					b->differences[i].a, b->differences[i].b);
	return err_set(e, -EINVAL,
		       "comparing %s with %s refused: they differ in %.*s; --force compares "
		       "them all the same",
		       a_name, b_name, 300, list);
}

static enum compare_outcome join(enum compare_outcome a, enum compare_outcome b)
{
	if (a == COMPARED_WORSE || b == COMPARED_WORSE)
		return COMPARED_WORSE;
	if (a == COMPARED_UNKNOWN || b == COMPARED_UNKNOWN)
		return COMPARED_UNKNOWN;
	return a == COMPARED_BETTER || b == COMPARED_BETTER ? COMPARED_BETTER : COMPARED_SAME;
}

static int compare_runs(struct against *b, const struct result *a, const struct args *args,
			const char *b_name, struct err *e)
{
	b->n_differences = compare_conditions(a, b->r, b->differences, &b->forbidding);
	if (b->forbidding && !args->force)
		return refuse(b, args->runs[0], b_name, e);
	b->groups = calloc(a->n_groups + 1, sizeof(*b->groups));
	if (!b->groups)
		return err_set(e, -ENOMEM, "comparing failed: no memory");
	b->outcome = COMPARED_SAME;
	for (size_t i = 0; i < a->n_groups; i++) {
		const struct group *g = &a->groups[i], *other = compare_find(b->r, g->instrument);

		if (!other)
			continue;
		if (compare_group(&b->groups[b->n_groups], a, g, b->r, other, args->limit_ns, e))
			return e->code;
		b->outcome = join(b->outcome, b->groups[b->n_groups].outcome);
		b->n_groups++;
	}
	if (!b->n_groups)
		return err_set(e, -ENODATA, "comparing %s with %s failed: no instrument is in both",
			       args->runs[0], b_name);
	return 0;
}

/* --- text --- */

static void print_metric(const struct metric_result *m)
{
	char a[FORMAT_BYTES], b[FORMAT_BYTES];

	if (!m->na || !m->nb)
		return;
	printf("  %-16s %9s %9s  %+9.2f (%+.2f to %+.2f)  %+5.2f  %8.2g  %s\n", m->name,
	       format_us(m->a_ns, a), format_us(m->b_ns, b), m->shift.shift / 1e3,
	       m->shift.low / 1e3, m->shift.high / 1e3, m->shift.effect, m->shift.p,
	       m->na < COMPARE_SLICES || m->nb < COMPARE_SLICES ? "too few slices"
								: compare_name(m->outcome));
}

static void print_rate(const struct rate_result *r)
{
	char us[FORMAT_BYTES], na[FORMAT_BYTES], nb[FORMAT_BYTES];

	if (!r->limit_ns)
		return;
	printf("  above %s us%s: %s of %.3g samples, %s of %.3g", format_us(r->limit_ns, us),
	       r->from_data ? " (the 99.99 % of both)" : "", format_count(r->na, na), r->of_a,
	       format_count(r->nb, nb), r->of_b);
	if (r->unknown)
		printf(", and %s of both whose value is unknown", format_count(r->unknown, na));
	else if (r->na || r->nb)
		printf("; ratio %.3g (%.3g to %.3g), p = %.2g", r->ratio.ratio, r->ratio.low,
		       r->ratio.high, r->ratio.p);
	printf("; %s\n", compare_name(r->outcome));
}

static void print_text(const struct against *b, const struct result *a, const char *a_name,
		       const char *b_name)
{
	if (result_caution(a))
		printf("%s\n\n", result_caution(a));
	printf("%s against %s: %s\n", b_name, a_name, compare_name(b->outcome));
	for (int i = 0; i < b->n_differences; i++)
		printf("  %s %s: %s -> %s\n", b->differences[i].forbids ? "DIFFERS" : "changed",
		       b->differences[i].name, b->differences[i].a, b->differences[i].b);
	for (size_t i = 0; i < b->n_groups; i++) {
		const struct comparison *c = &b->groups[i];

		printf("\n%s: %s\n  %-16s %9s %9s  %s\n", c->instrument, compare_name(c->outcome),
		       "us", "A", "B", "shift (95 %)            effect         p");
		for (int k = 0; k < COMPARE_METRICS; k++)
			print_metric(&c->metrics[k]);
		print_rate(&c->rate);
	}
	putchar('\n');
}

/* --- JSON --- */

static void set_number(json_object *o, const char *key, double v)
{
	char text[32];

	snprintf(text, sizeof(text), "%.6g", v);
	json_object_object_add(o, key, isfinite(v) ? json_object_new_double_s(v, text) : NULL);
}

static json_object *metric_json(const struct metric_result *m)
{
	json_object *o = json_object_new_object();

	json_set_str(o, "what", m->name);
	json_set_int(o, "slices_a", m->na);
	json_set_int(o, "slices_b", m->nb);
	set_number(o, "median_a_ns", m->a_ns);
	set_number(o, "median_b_ns", m->b_ns);
	set_number(o, "shift_ns", m->shift.shift);
	set_number(o, "shift_low_ns", m->shift.low);
	set_number(o, "shift_high_ns", m->shift.high);
	set_number(o, "effect", m->shift.effect);
	set_number(o, "p", m->shift.p);
	json_set_str(o, "outcome", compare_name(m->outcome));
	return o;
}

static json_object *rate_json(const struct rate_result *r)
{
	json_object *o = json_object_new_object();

	json_set_int(o, "limit_ns", r->limit_ns);
	json_set_int(o, "above_a", r->na);
	json_set_int(o, "above_b", r->nb);
	json_set_int(o, "unknown", r->unknown);
	set_number(o, "of_a", r->of_a);
	set_number(o, "of_b", r->of_b);
	set_number(o, "ratio", r->ratio.ratio);
	set_number(o, "ratio_low", r->ratio.low);
	set_number(o, "ratio_high", r->ratio.high);
	set_number(o, "p", r->ratio.p);
	json_set_str(o, "outcome", compare_name(r->outcome));
	return o;
}

static json_object *against_json(const struct against *b, const char *name)
{
	json_object *o = json_object_new_object(), *list = json_object_new_array(), *one;

	json_set_str(o, "run", name);
	json_set_str(o, "outcome", compare_name(b->outcome));
	for (int i = 0; i < b->n_differences; i++) {
		one = json_object_new_object();
		json_set_str(one, "what", b->differences[i].name);
		json_set_str(one, "a", b->differences[i].a);
		json_set_str(one, "b", b->differences[i].b);
		json_set_bool(one, "forbids", b->differences[i].forbids);
		json_object_array_add(list, one);
	}
	json_object_object_add(o, "differences", list);
	list = json_object_new_array();
	for (size_t i = 0; i < b->n_groups; i++) {
		json_object *metrics = json_object_new_array();

		one = json_object_new_object();
		json_set_str(one, "instrument", b->groups[i].instrument);
		json_set_str(one, "outcome", compare_name(b->groups[i].outcome));
		for (int k = 0; k < COMPARE_METRICS; k++)
			json_object_array_add(metrics, metric_json(&b->groups[i].metrics[k]));
		json_object_object_add(one, "slices", metrics);
		json_object_object_add(one, "rate", rate_json(&b->groups[i].rate));
		json_object_array_add(list, one);
	}
	json_object_object_add(o, "instruments", list);
	return o;
}

/* --- picture --- */

/* A against the others: exceedance curves of each whole run, and the limit of the rates. */
static int draw(const struct args *args, const struct result *runs, const struct against *others,
		struct err *e)
{
	_cleanup_free_ char *command = NULL;
	char quoted[PATH_MAX];
	double low = INFINITY, high = 0;
	struct plot p;
	size_t len;
	FILE *f;

	if (plot_open(&p, args->out, "compare", e))
		return e->code;
	plot_title(&p, &runs[0], "Share of samples above a latency: A against B",
		   compare_name(others[1].outcome));
	for (size_t i = 0; i < args->n; i++) {
		low = fmin(low, runs[i].groups[0].hist.min_ns);
		high = fmax(high, runs[i].groups[0].hist.max_ns);
	}
	plot_log_x(&p, low, high);
	fputs("set logscale y\nset format y '10^{%L}'\nset xlabel 'latency (us)'\n"
	      "set ylabel 'share of samples above'\nset yrange [*:1.3]\nset key right top font ',11'\n",
	      p.out);
	f = open_memstream(&command, &len);
	for (size_t i = 0; f && i < args->n; i++) {
		fprintf(p.out, "$d%zu << EOD\n", i);
		plot_ccdf(&p, &runs[i].groups[0].hist);
		fputs("EOD\n", p.out);
		fprintf(f, "%s$d%zu using 1:2 with steps lc rgb '%s' dt %d lw 2 title %s",
			i ? ", " : "plot ", i, plot_colour(i), i ? 1 : 2,
			plot_quote(args->runs[i], quoted, sizeof(quoted)));
	}
	if (f)
		fclose(f);
	return plot_draw(&p, command ? command : "", e) < 0 ? e->code : 0;
}

/* --- all together --- */

static int write_out(const struct args *args, json_object *doc, const struct result *runs,
		     const struct against *others, struct err *e)
{
	char path[PATH_MAX];

	if (file_mkdirs(args->out, e))
		return e->code;
	if (!file_path(path, sizeof(path), "%s/compare.json", args->out))
		return err_sys(e, "writing %s/compare.json failed", args->out);
	if (json_save(path, doc, e))
		return e->code;
	return draw(args, runs, others, e);
}

static int compare_all(const struct args *args, struct result *runs, struct against *others,
		       struct err *e)
{
	_cleanup_json_ json_object *doc = json_object_new_object();
	json_object *list = json_object_new_array();
	enum compare_outcome all = COMPARED_SAME;

	json_set_str(doc, "a", args->runs[0]);
	json_object_object_add(doc, "against", list);
	for (size_t i = 0; i < args->n; i++) {
		if (result_open(&runs[i], args->runs[i], false, e))
			return e->code;
		if (!runs[i].n_groups)
			return err_set(e, -ENODATA, "comparing failed: %s holds no samples",
				       args->runs[i]);
	}
	for (size_t i = 1; i < args->n; i++) {
		others[i].r = &runs[i];
		if (compare_runs(&others[i], &runs[0], args, args->runs[i], e))
			return e->code;
		all = join(all, others[i].outcome);
		json_object_array_add(list, against_json(&others[i], args->runs[i]));
		if (!args->json)
			print_text(&others[i], &runs[0], args->runs[0], args->runs[i]);
	}
	json_set_str(doc, "outcome", compare_name(all));
	if (args->json)
		printf("%s\n",
		       json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PRETTY |
								   JSON_C_TO_STRING_NOSLASHESCAPE));
	if (args->out && write_out(args, doc, runs, others, e))
		return e->code;
	return all == COMPARED_WORSE	 ? VERDICT_FAIL
	       : all == COMPARED_UNKNOWN ? VERDICT_INCONCLUSIVE
					 : VERDICT_PASS;
}

int results_compare(int argc, char **argv, struct err *e)
{
	struct args args = { .e = e };
	_cleanup_free_ struct result *runs = NULL;
	_cleanup_free_ struct against *others = NULL;
	int ret = opt_parse(&argp, argc, argv, false, &args, e);

	if (ret < 0)
		return ret;
	stop_install();
	runs = calloc(args.n, sizeof(*runs));
	others = calloc(args.n, sizeof(*others));
	if (!runs || !others)
		return err_set(e, -ENOMEM, "comparing failed: no memory");
	ret = compare_all(&args, runs, others, e);
	for (size_t i = 0; i < args.n; i++) {
		free(others[i].groups);
		result_close(&runs[i]);
	}
	return ret;
}
