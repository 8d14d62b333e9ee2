// SPDX-License-Identifier: GPL-2.0-only
/* history - rtkvm history DIR: the runs below a directory, their trend, and where it changed */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/opt.h"
#include "lib/stop.h"
#include "results/changepoint.h"
#include "results/format.h"
#include "results/history_db.h"
#include "results/plot.h"
#include "results/results.h"

enum { CHANGES_MAX = 32, METRICS = 3 };

struct args {
	const char *dir, *db, *out;
	bool json;
	struct err *e;
};

static const struct argp_option options[] = {
	{ "db", 'd', "FILE", 0, "the database; default DIR/history.sqlite" },
	{ "out", 'o', "DIR", 0, "draw the trends into DIR/plots/history-N.svg and .png" },
	{ "json", 'j', NULL, 0, "print JSON" },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case 'd':
		a->db = arg;
		return 0;
	case 'o':
		a->out = arg;
		return 0;
	case 'j':
		a->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->dir)
			return err_set(a->e, -EINVAL, "one directory at a time: \"%s\" is too many",
				       arg);
		a->dir = arg;
		return 0;
	case ARGP_KEY_END:
		return a->dir ? 0
			      : err_set(a->e, -EINVAL,
					"give the directory that holds the runs (runs/)");
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "DIR",
	.doc = "The trend of the runs below DIR: takes new ones into a database, and reports where "
	       "median, 99.9 % quantile or maximum changed for good. It reports and does not judge: the "
	       "exit code is 0.",
};

/* --- runs into the database --- */

static int64_t quantile(const struct figure *f, const char *key)
{
	for (int i = 0; i < HIST_LEVELS; i++)
		if (!strcmp(hist_levels[i].key, key) && f->quantiles[i].known)
			return f->quantiles[i].ns;
	return -1;
}

/* What makes runs comparable; kernel and VMM stay out of it: their changes are what one looks for. */
static void make_key(const struct result *r, const struct group *g, char *buf, size_t size)
{
	snprintf(buf, size, "%s | %s | %s | %s, interval %ju ns, %zu CPUs | load %s",
		 json_str(r->run.doc, "host.hostname", "unknown host"),
		 json_str(r->run.doc, "host.cpu_model", "unknown CPU"),
		 json_str(r->run.doc, "conditions", "unknown"), g->instrument,
		 (uintmax_t)g->all.period_ns, g->n_cpus,
		 json_str(r->run.doc, "asked.load", "none"));
}

static void fill_row(struct history_row *row, const struct result *r, const struct group *g,
		     const char *run)
{
	json_object *doc = r->run.doc;

	memset(row, 0, sizeof(*row));
	snprintf(row->run, sizeof(row->run), "%s", run);
	snprintf(row->name, sizeof(row->name), "%s", json_str(doc, "name", ""));
	snprintf(row->started, sizeof(row->started), "%s", json_str(doc, "started", ""));
	snprintf(row->verdict, sizeof(row->verdict), "%s", json_str(doc, "verdict", ""));
	snprintf(row->kernel, sizeof(row->kernel), "%s", json_str(doc, "host.kernel", ""));
	snprintf(row->guest_kernel, sizeof(row->guest_kernel), "%s",
		 json_str(doc, "guest.kernel", ""));
	snprintf(row->vmm, sizeof(row->vmm), "%s %s", json_str(doc, "vmm.kind", ""),
		 json_str(doc, "vmm.version", ""));
	snprintf(row->instrument, sizeof(row->instrument), "%s", g->instrument);
	make_key(r, g, row->key, sizeof(row->key));
	row->samples = hist_total(&g->hist);
	row->max_ns = row->samples ? (int64_t)g->hist.max_ns : -1;
	row->p50_ns = quantile(&g->all, "0.5");
	row->p999_ns = quantile(&g->all, "0.999");
}

/* A run that cannot be read is left out with a line in the report: it must not stop the others. */
static int add_run(struct history_db *db, const char *run, char **left_out, struct err *e)
{
	char path[PATH_MAX], *more;
	struct err why = { 0 };
	struct history_row row;
	struct result r;
	struct stat st;
	int64_t mtime;
	int ret;

	if (!file_path(path, sizeof(path), "%s/run.json", run) || stat(path, &st))
		return 0;
	mtime = st.st_mtim.tv_sec * 1000000000ll + st.st_mtim.tv_nsec;
	ret = history_known(db, run, mtime, e);
	if (ret)
		return ret < 0 ? ret : 0;
	if (result_open(&r, run, false, &why)) {
		if (asprintf(&more, "%s  left out: %s\n", *left_out ? *left_out : "", why.text) < 0)
			return 0;
		free(*left_out);
		*left_out = more;
		return history_forget(db, run, e);
	}
	ret = history_forget(db, run, e);
	for (size_t i = 0; i < r.n_groups && !ret; i++) {
		fill_row(&row, &r, &r.groups[i], run);
		ret = history_add(db, &row, mtime, e);
	}
	result_close(&r);
	return ret;
}

static int take_in(struct history_db *db, const char *dir, char **left_out, struct err *e)
{
	struct dirent **names;
	int n = scandir(dir, &names, NULL, alphasort), ret;

	if (n < 0)
		return err_sys(e, "reading %s failed", dir);
	ret = history_begin(db, e);
	for (int i = 0; i < n; i++) {
		char run[PATH_MAX];

		if (!ret && names[i]->d_name[0] != '.' &&
		    file_path(run, sizeof(run), "%s/%s", dir, names[i]->d_name))
			ret = stop_requested() ? err_set(e, -EINTR, "interrupted")
					       : add_run(db, run, left_out, e);
		free(names[i]);
	}
	free(names);
	return ret ? ret : history_commit(db, e);
}

/* --- trends --- */

struct trend {
	const struct history_row *rows; /* of one key, by start */
	size_t n;
	struct changepoint changes[METRICS][CHANGES_MAX];
	size_t n_changes[METRICS];
};

static const struct metric {
	const char *name;
	size_t offset; /* in struct history_row */
} metrics[METRICS] = {
	{ "median", offsetof(struct history_row, p50_ns) },
	{ "p99.9", offsetof(struct history_row, p999_ns) },
	{ "max", offsetof(struct history_row, max_ns) },
};

static int64_t value(const struct history_row *row, int metric)
{
	return *(const int64_t *)((const char *)row + metrics[metric].offset);
}

/* Over the runs that know the figure; a maximum varies by itself, so its logarithm is looked at. */
static int find_changes(struct trend *t, int metric, struct err *e)
{
	_cleanup_free_ double *v = calloc(t->n, sizeof(*v));
	_cleanup_free_ size_t *row = calloc(t->n, sizeof(*row));
	size_t n = 0;

	if (!v || !row)
		return err_set(e, -ENOMEM, "looking for changes failed: no memory");
	for (size_t i = 0; i < t->n; i++)
		if (value(&t->rows[i], metric) > 0) {
			row[n] = i;
			v[n++] = log(value(&t->rows[i], metric));
		}
	/* logarithms are around 10: what matters is judged below, on the figures themselves */
	t->n_changes[metric] = changepoints_find(v, n, 0, t->changes[metric], CHANGES_MAX);
	n = 0;
	for (size_t i = 0; i < t->n_changes[metric]; i++) {
		struct changepoint c = t->changes[metric][i];

		if (fabs(c.after - c.before) < log(1.05)) /* less than 5 % */
			continue;
		c.at = row[c.at];
		c.before = exp(c.before);
		c.after = exp(c.after);
		t->changes[metric][n++] = c;
	}
	t->n_changes[metric] = n;
	return 0;
}

/* What else changed with that run: where to look first. */
static void what_changed(const struct trend *t, size_t at, char *buf, size_t size)
{
	const struct history_row *a = &t->rows[at - 1], *b = &t->rows[at];
	size_t len = 0;

	buf[0] = '\0';
	if (strcmp(a->kernel, b->kernel))
		len += snprintf(buf + len, size - len, "; host kernel %s -> %s", a->kernel,
				b->kernel);
	if (strcmp(a->guest_kernel, b->guest_kernel) && len < size)
		len += snprintf(buf + len, size - len, "; guest kernel %s -> %s", a->guest_kernel,
				b->guest_kernel);
	if (strcmp(a->vmm, b->vmm) && len < size)
		snprintf(buf + len, size - len, "; VMM %s -> %s", a->vmm, b->vmm);
}

static void print_value(int64_t ns)
{
	char us[FORMAT_BYTES];

	printf("%10s", ns < 0 ? "-" : format_us(ns, us));
}

static void print_trend(const struct trend *t)
{
	printf("%s\n  %-20s %-22s %-12s %10s%10s%10s\n", t->rows[0].key, "started (UTC)", "run",
	       "verdict", "median us", "p99.9", "max");
	for (size_t i = 0; i < t->n; i++) {
		const struct history_row *r = &t->rows[i];

		printf("  %-20s %-22.22s %-12s ", r->started[0] ? r->started : "unknown", r->name,
		       r->verdict);
		for (int m = 0; m < METRICS; m++)
			print_value(value(r, m));
		putchar('\n');
	}
	for (int m = 0; m < METRICS; m++)
		for (size_t i = 0; i < t->n_changes[m]; i++) {
			const struct changepoint *c = &t->changes[m][i];
			char before[FORMAT_BYTES], after[FORMAT_BYTES], also[512];

			what_changed(t, c->at, also, sizeof(also));
			printf("  CHANGE of %s at %s (%s): %s -> %s us, p = %.2g%s\n",
			       metrics[m].name, t->rows[c->at].started, t->rows[c->at].name,
			       format_us(c->before, before), format_us(c->after, after), c->p,
			       also);
		}
	putchar('\n');
}

static json_object *trend_json(const struct trend *t)
{
	json_object *o = json_object_new_object(), *runs = json_object_new_array(),
		    *changes = json_object_new_array(), *one;

	json_set_str(o, "key", t->rows[0].key);
	for (size_t i = 0; i < t->n; i++) {
		const struct history_row *r = &t->rows[i];

		one = json_object_new_object();
		json_set_str(one, "run", r->run);
		json_set_str(one, "started", r->started[0] ? r->started : NULL);
		json_set_str(one, "verdict", r->verdict);
		json_set_str(one, "kernel", r->kernel);
		for (int m = 0; m < METRICS; m++)
			json_object_object_add(
				one, metrics[m].name,
				value(r, m) < 0 ? NULL : json_object_new_int64(value(r, m)));
		json_object_array_add(runs, one);
	}
	for (int m = 0; m < METRICS; m++)
		for (size_t i = 0; i < t->n_changes[m]; i++) {
			const struct changepoint *c = &t->changes[m][i];

			one = json_object_new_object();
			json_set_str(one, "what", metrics[m].name);
			json_set_str(one, "run", t->rows[c->at].run);
			json_set_int(one, "before_ns", llround(c->before));
			json_set_int(one, "after_ns", llround(c->after));
			json_set_double(one, "p", c->p);
			json_object_array_add(changes, one);
		}
	json_object_object_add(o, "runs", runs);
	json_object_object_add(o, "changes", changes);
	return o;
}

static int draw(const struct trend *t, size_t number, const char *out, struct err *e)
{
	struct plot p;
	char name[32], command[512], quoted[600];
	size_t arrows = 0;

	snprintf(name, sizeof(name), "history-%zu", number);
	if (file_mkdirs(out, e) || plot_open(&p, out, name, e))
		return e->code;
	plot_title(&p, NULL, "Latency of run after run", t->rows[0].key);
	fputs("set logscale y\nset format y '%.6g'\nset ytics add (2,5,20,50,200,500,2000,5000,20000)\n"
	      "set ylabel 'latency (us)'\nset key below\nset rmargin 3\nset xtics rotate by 30 right "
	      "noenhanced font ',9' (",
	      p.out);
	for (size_t i = 0, step = t->n / 12 + 1; i < t->n; i += step) {
		char label[24];

		snprintf(label, sizeof(label), "%.*s", t->rows[i].started[0] ? 10 : 20,
			 t->rows[i].started[0] ? t->rows[i].started : t->rows[i].name);
		fprintf(p.out, "%s%s %zu", i ? "," : "", plot_quote(label, quoted, sizeof(quoted)),
			i);
	}
	fprintf(p.out, ")\nset xrange [-0.5:%.1f]\n", t->n - 0.5);
	for (int m = 0; m < METRICS; m++)
		for (size_t i = 0; i < t->n_changes[m]; i++)
			fprintf(p.out,
				"set arrow %zu from %.1f,graph 0 to %.1f,graph 1 nohead lc rgb '%s' lw 2 "
				"dt 2\n",
				++arrows, t->changes[m][i].at - 0.5, t->changes[m][i].at - 0.5,
				plot_colour(m));
	fputs("$d << EOD\n", p.out);
	for (size_t i = 0; i < t->n; i++) {
		fprintf(p.out, "%zu", i);
		for (int m = 0; m < METRICS; m++)
			if (value(&t->rows[i], m) > 0)
				fprintf(p.out, " %.3f", value(&t->rows[i], m) / 1e3);
			else
				fputs(" -", p.out);
		fputc('\n', p.out);
	}
	fputs("EOD\n", p.out);
	snprintf(
		command, sizeof(command),
		"plot for [i=2:4] $d using 1:i with linespoints pt 7 ps 0.5 lw 1.5 lc rgb word('%s %s %s', "
		"i-1) title word('median p99.9 max', i-1)",
		plot_colour(0), plot_colour(1), plot_colour(2));
	return plot_draw(&p, command, e) < 0 ? e->code : 0;
}

static int trends(const struct args *a, const struct history_row *rows, size_t n, struct err *e)
{
	_cleanup_json_ json_object *doc = json_object_new_array();
	size_t number = 0;

	for (size_t i = 0; i < n;) {
		struct trend t = { .rows = &rows[i] };

		while (i < n && !strcmp(rows[i].key, t.rows[0].key)) {
			i++;
			t.n++;
		}
		for (int m = 0; m < METRICS; m++)
			if (find_changes(&t, m, e))
				return e->code;
		if (a->json)
			json_object_array_add(doc, trend_json(&t));
		else
			print_trend(&t);
		if (a->out && draw(&t, ++number, a->out, e))
			return e->code;
	}
	if (a->json)
		printf("%s\n",
		       json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PRETTY |
								   JSON_C_TO_STRING_NOSLASHESCAPE));
	return 0;
}

/* SQLite would only say that it cannot open a file. */
static int check_dir(const char *dir, struct err *e)
{
	struct stat st;

	if (stat(dir, &st))
		return err_sys(e, "reading the runs in %s failed", dir);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, -ENOTDIR,
			       "reading the runs in %s failed: it is no directory; give the one "
			       "that holds the run directories",
			       dir);
	return 0;
}

int results_history(int argc, char **argv, struct err *e)
{
	struct args a = { .e = e };
	_cleanup_free_ struct history_row *rows = NULL;
	_cleanup_free_ char *left_out = NULL;
	char path[PATH_MAX];
	struct history_db *db;
	size_t n = 0;
	int ret = opt_parse(&argp, argc, argv, false, &a, e);

	if (ret < 0)
		return ret;
	if (!a.db && !file_path(path, sizeof(path), "%s/history.sqlite", a.dir))
		return err_sys(e, "opening the history failed");
	if (check_dir(a.dir, e) < 0)
		return e->code;
	stop_install();
	db = history_open(a.db ? a.db : path, e);
	if (!db)
		return e->code;
	ret = take_in(db, a.dir, &left_out, e);
	if (!ret)
		ret = history_rows(db, &rows, &n, e);
	history_close(db);
	if (!ret && !n)
		ret = err_set(e, -ENODATA, "%s holds no runs with samples", a.dir);
	if (!ret)
		ret = trends(&a, rows, n, e);
	if (!ret && left_out && !a.json)
		fputs(left_out, stdout);
	return ret;
}
