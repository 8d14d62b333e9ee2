// SPDX-License-Identifier: GPL-2.0-only
/* explain - the verb: every late wake-up in a trace, and where its time went */
#include "tracing/explain.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/opt.h"
#include "lib/stop.h"
#include "results/record.h"
#include "tracing/tracing.h"

enum { KEY_HZ = 256, KEY_VCPUS, KEY_ERROR, KEY_LIST, KEY_TIMELINE, KEY_EXCERPT };

static const struct argp_option options[] = {
	{ "host", 'H', "FILE", 0, "the host's trace", 1 },
	{ "guest", 'g', "FILE", 0, "the guest's trace", 1 },
	{ "thread", 'T', "NAME|TID", 0,
	  "a guest thread whose wake-ups are explained (default: cyclictest and rtkvm); may be repeated",
	  2 },
	{ "threshold", 't', "TIME", 0, "explain wake-ups later than this (default: 100us)", 2 },
	{ "offset", 'o', "TICKS", 0,
	  "guest stamps minus host stamps (default: as the guest's file says, else 0)", 3 },
	{ "tsc-hz", KEY_HZ, "HZ", 0, "ticks a second, where no file says it", 3 },
	{ "vcpus", KEY_VCPUS, "TID,...", 0,
	  "host threads of vCPU 0, 1, ... (default: as the events say)", 3 },
	{ "max-clock-error", KEY_ERROR, "TIME", 0,
	  "explain nothing when the clocks may differ by more (default: 50us)", 3 },
	{ "list", KEY_LIST, "N", 0, "show the N latest wake-ups (default: 20)", 4 },
	{ "timeline", KEY_TIMELINE, NULL, 0, "draw each one shown as a line of causes", 4 },
	{ "excerpt", KEY_EXCERPT, "TIME", 0,
	  "print the events of both kernels from TIME before each one shown to TIME after it", 4 },
	{ "json", 'j', NULL, 0, "print JSON instead of text", 4 },
	{ 0 },
};

struct parse {
	struct explain_opts *o;
	struct err *e;
};

static int parse_tids(const char *text, struct explain_opts *o, struct err *e)
{
	_cleanup_free_ char *copy = strdup(text);
	char *save = NULL;

	if (!copy)
		return err_set(e, -ENOMEM, "--vcpus: no memory");
	for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		uint64_t tid;

		if (o->n_vcpus == EXPLAIN_VCPUS)
			return err_set(e, -EINVAL, "--vcpus: more than %d", EXPLAIN_VCPUS);
		if (opt_u64("--vcpus", w, 1, INT32_MAX, &tid, e))
			return e->code;
		o->vcpus[o->n_vcpus++] = tid;
	}
	return 0;
}

static error_t parse_opt(int key, char *arg, struct argp_state *state)
{
	struct parse *p = state->input;
	struct explain_opts *o = p->o;
	uint64_t hz;

	switch (key) {
	case 'H':
		o->session.path[HOST] = arg;
		return 0;
	case 'g':
		o->session.path[GUEST] = arg;
		return 0;
	case 'T':
		if (o->n_threads == EXPLAIN_THREADS)
			return err_set(p->e, -EINVAL, "--thread: more than %d", EXPLAIN_THREADS);
		o->threads[o->n_threads++] = arg;
		return 0;
	case 't':
		return opt_duration("--threshold", arg, &o->threshold_ns, p->e);
	case 'o':
		return session_parse_offset(arg, &o->session, p->e);
	case KEY_HZ:
		if (opt_u64("--tsc-hz", arg, 1000000, 100000000000, &hz, p->e))
			return p->e->code;
		o->session.tsc_hz = hz;
		return 0;
	case KEY_VCPUS:
		return parse_tids(arg, o, p->e);
	case KEY_ERROR:
		return opt_duration("--max-clock-error", arg, &o->clock_error_ns, p->e);
	case KEY_LIST:
		return opt_u64("--list", arg, 0, EXPLAIN_LIST_MAX, &o->list, p->e);
	case KEY_TIMELINE:
		o->timeline = true;
		return 0;
	case KEY_EXCERPT:
		o->excerpt = true;
		return opt_duration("--excerpt", arg, &o->excerpt_ns, p->e);
	case 'j':
		o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (o->run_dir)
			return err_set(p->e, -EINVAL, "\"%s\" is one run directory too many", arg);
		o->run_dir = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	options, parse_opt, "[RUN]",
	"Explain late wake-ups of a guest's thread: where the time went, in host and guest.\v"
	"RUN is a run directory with trace/host.dat and trace/guest.dat; its spikes.jsonl and "
	"run.json then take the causes. A host's trace alone explains nothing, a guest's alone "
	"only what happened in the guest."
};

/* The run directory's traces, where no others are named. */
static int default_paths(struct explain_opts *o, char host[PATH_MAX], char guest[PATH_MAX],
			 struct err *e)
{
	struct session_opts *s = &o->session;

	if (o->run_dir) {
		if (!file_path(host, PATH_MAX, "%s/trace/host.dat", o->run_dir) ||
		    !file_path(guest, PATH_MAX, "%s/trace/guest.dat", o->run_dir))
			return err_sys(e, "reading %s failed", o->run_dir);
		if (!s->path[HOST] && file_exists(host))
			s->path[HOST] = host;
		if (!s->path[GUEST])
			s->path[GUEST] = guest;
	}
	if (!s->path[GUEST])
		return err_set(e, -EINVAL, "no guest's trace is named; give --guest FILE or a run");
	return 0;
}

/* Keep the worst ones: a heap whose first is the one to go. */
static void keep(struct explanation *x, const struct spike *s)
{
	size_t i;

	if (!x->opts->list)
		return;
	if (x->n_worst < x->opts->list) {
		for (i = x->n_worst++; i && x->worst[(i - 1) / 2].latency_ns > s->latency_ns;
		     i = (i - 1) / 2)
			x->worst[i] = x->worst[(i - 1) / 2];
		x->worst[i] = *s;
		return;
	}
	if (s->latency_ns <= x->worst[0].latency_ns)
		return;
	for (i = 0; 2 * i + 1 < x->n_worst;) {
		size_t child = 2 * i + 1;

		if (child + 1 < x->n_worst &&
		    x->worst[child + 1].latency_ns < x->worst[child].latency_ns)
			child++;
		if (s->latency_ns <= x->worst[child].latency_ns)
			break;
		x->worst[i] = x->worst[child];
		i = child;
	}
	x->worst[i] = *s;
}

static int by_time(const void *a, const void *b)
{
	const struct spike *p = a, *q = b;

	return (p->ran > q->ran) - (p->ran < q->ran);
}

static int on_spike(void *arg, struct spike *s, struct err *e)
{
	struct explanation *x = arg;
	uint64_t by_cause[CAUSE_COUNT] = { 0 };

	x->spikes++;
	x->ns += s->latency_ns;
	x->causes[budget_verdict(&s->budget)].spikes++;
	for (size_t i = 0; i < s->budget.n; i++)
		by_cause[s->budget.parts[i].cause] += s->budget.parts[i].ns;
	for (int c = 0; c < CAUSE_COUNT; c++) {
		x->causes[c].ns += by_cause[c];
		if (by_cause[c] > x->causes[c].worst_ns)
			x->causes[c].worst_ns = by_cause[c];
	}
	keep(x, s);
	if (x->lines) {
		_cleanup_json_ json_object *o = explain_spike_json(x, s);

		if (!o || fprintf(x->lines, "%s\n",
				  json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN)) < 0)
			return err_sys(e, "writing %s/spikes.jsonl failed", x->opts->run_dir);
	}
	return 0;
}

static int setup_model(struct explanation *x, struct err *e)
{
	const struct explain_opts *o = x->opts;
	struct session *s = &x->session;
	struct model_opts m = { .threads = o->threads,
				.n_threads = o->n_threads,
				.threshold_ns = o->threshold_ns,
				.vcpus_given = o->n_vcpus > 0,
				.timer_vector = 0xec,
				.rate = s->rate,
				.on_spike = on_spike,
				.arg = x };
	int ret =
		model_init(&x->model, &m, s->has[HOST] ? &s->file[HOST] : NULL, &s->file[GUEST], e);
	const struct dat_guest *g;

	for (size_t i = 0; i < o->n_vcpus && !ret && s->has[HOST]; i++)
		ret = model_set_vcpu(&x->model, i, o->vcpus[i], e);
	if (o->n_vcpus || !s->has[HOST])
		return ret;
	/* the host's recorder knew which threads run which guest; --vcpus comes before it */
	for (size_t i = 0; i < s->manifest.n_vcpus && !ret; i++)
		if (s->manifest.vcpus[i].tid) {
			x->model.opts.vcpus_given = true;
			ret = model_set_vcpu(&x->model, s->manifest.vcpus[i].vcpu,
					     s->manifest.vcpus[i].tid, e);
		}
	for (size_t k = 0; k < s->dat[HOST].n_guests; k++) {
		g = &s->dat[HOST].guests[k];
		if (g->trace_id != s->dat[GUEST].trace_id)
			continue;
		x->model.opts.vcpus_given = true;
		for (size_t i = 0; i < g->n_vcpus && !ret; i++)
			ret = model_set_vcpu(&x->model, g->vcpus[i].cpu, g->vcpus[i].tid, e);
	}
	return ret;
}

static int walk(struct explanation *x, struct err *e)
{
	struct merge m;
	const struct event *ev;
	uint64_t n = 0;
	int ret = session_merge(&x->session, &m, e);

	if (ret < 0)
		return ret;
	x->model.merge = &m;
	while ((ret = merge_next(&m, &ev, e)) > 0) {
		if (!n++)
			x->first_ts = ev->ts;
		x->last_ts = ev->ts;
		ret = model_event(&x->model, ev, session_side(&x->session, ev), e);
		if (ret < 0)
			break;
		if (!(n & 0xffff) && stop_requested()) {
			ret = err_set(e, -EINTR, "interrupted");
			break;
		}
	}
	x->model.merge = NULL;
	x->events = m.events;
	x->lost = m.lost;
	x->lost_places = m.lost_pages;
	merge_close(&m);
	return ret;
}

/* One error of all guest CPUs, if they have one offset: what every vCPU allows. */
static void join_bounds(struct explanation *x)
{
	struct clock_bound *all = &x->bound;

	clock_bound_init(all);
	for (size_t i = 0; i < x->model.n_vcpus; i++) {
		const struct clock_bound *v = &x->model.vcpus[i].bound;

		all->inside += v->inside;
		all->outside += v->outside;
		if (v->low == INT64_MIN || v->high == INT64_MAX)
			continue;
		if (x->session.same_offset) {
			all->low = v->low > all->low ? v->low : all->low;
			all->high = v->high < all->high ? v->high : all->high;
		} else if (all->low == INT64_MIN || v->high - v->low > all->high - all->low) {
			all->low = v->low;
			all->high = v->high;
		}
	}
}

static int check_clock(const struct explanation *x, struct err *e)
{
	const struct clock_bound *b = &x->bound;
	struct clock_rate r = x->session.rate;

	if (x->session.has[HOST] && x->model.windows && !b->inside)
		return err_set(
			e, -EINVAL,
			"with offset %jd (%s) no guest event falls into a time when the host ran the guest; give the right --offset, or traces of the same time",
			(intmax_t)x->session.file[GUEST].clock.offset, x->session.offset_from);
	if (b->outside || (b->inside && b->low > b->high))
		return err_set(
			e, -EINVAL,
			"the clocks of host and guest do not agree: with offset %jd (%s) %ju of %ju guest events fall outside the guest's time on its CPU; give the right --offset",
			(intmax_t)x->session.file[GUEST].clock.offset, x->session.offset_from,
			(uintmax_t)b->outside, (uintmax_t)(b->outside + b->inside));
	if (!b->inside || b->low == INT64_MIN || b->high == INT64_MAX)
		return 0;
	if (clock_ns(r, b->high) > x->opts->clock_error_ns ||
	    clock_ns(r, -b->low) > x->opts->clock_error_ns)
		return err_set(
			e, -EINVAL,
			"the clocks of host and guest are only known to -%ju..+%ju ns, --max-clock-error is %ju ns; record longer, or allow more",
			(uintmax_t)clock_ns(r, -b->low), (uintmax_t)clock_ns(r, b->high),
			(uintmax_t)x->opts->clock_error_ns);
	return 0;
}

static int check_samples(const struct explanation *x, struct err *e)
{
	const struct explain_opts *o = x->opts;
	uint64_t n = 0;

	for (size_t i = 0; i < x->model.n_samplers; i++)
		n += x->model.samplers[i].samples;
	if (n)
		return 0;
	return err_set(e, -ENODATA, "%s shows no wake-up of %s%s by a timer; name one by --thread",
		       o->session.path[GUEST], o->n_threads ? "thread " : "",
		       o->n_threads ? o->threads[0] : "cyclictest or rtkvm");
}

/* The causes into run.json. */
static int save(struct explanation *x, struct run *run, struct err *e)
{
	json_object *causes = json_object_new_object();
	json_object *trace = run_section(run, "trace");
	const struct clock_bound *b = &x->bound;

	for (int c = 0; c < CAUSE_COUNT; c++) {
		const char *key = cause_info[c].key;

		if (x->causes[c].spikes)
			json_set_int(causes, key, json_int(causes, key, 0) + x->causes[c].spikes);
	}
	json_object_object_add(run->doc, "causes", causes);
	json_set_int(trace, "explained", x->spikes);
	json_set_int(trace, "threshold_ns", x->opts->threshold_ns);
	json_set_int(trace, "offset_ticks", x->session.file[GUEST].clock.offset);
	if (b->inside && b->low != INT64_MIN && b->high != INT64_MAX) {
		json_set_int(trace, "clock_error_low_ns",
			     -(int64_t)clock_ns(x->session.rate, -b->low));
		json_set_int(trace, "clock_error_high_ns", clock_ns(x->session.rate, b->high));
	}
	run_file(run, "spikes", "spikes.jsonl");
	return run_save(run, e);
}

/* What other instruments have written into spikes.jsonl stays; what an earlier explain did goes. */
static int copy_lines(FILE *to, const char *path, struct err *e)
{
	_cleanup_fclose_ FILE *from = fopen(path, "re");
	_cleanup_free_ char *line = NULL;
	size_t room = 0;

	if (!from)
		return errno == ENOENT ? 0 : err_sys(e, "reading %s failed", path);
	while (getline(&line, &room, from) > 0) {
		_cleanup_json_ json_object *o = json_tokener_parse(line);

		if (strcmp(json_str(o, "instrument", ""), "trace") != 0)
			fputs(line, to);
	}
	return ferror(from) || ferror(to) ? err_set(e, -EIO, "copying %s failed", path) : 0;
}

/* Begin a new spikes.jsonl beside the old one. */
static int open_lines(struct explanation *x, const struct run *run, char tmp[PATH_MAX],
		      struct err *e)
{
	char name[64], path[PATH_MAX];

	snprintf(name, sizeof(name), "spikes.jsonl.%d.tmp", getpid());
	x->lines = fopen(run_path(run, name, tmp), "we");
	if (!x->lines)
		return err_sys(e, "writing %s failed", tmp);
	return copy_lines(x->lines, run_path(run, "spikes.jsonl", path), e);
}

static int close_lines(struct explanation *x, const struct run *run, const char *tmp, int ret,
		       struct err *e)
{
	char path[PATH_MAX];
	int bad;

	if (!x->lines)
		return ret;
	bad = ferror(x->lines) | fflush(x->lines) | fsync(fileno(x->lines));
	bad |= fclose(x->lines);
	x->lines = NULL;
	if (!ret && bad)
		ret = err_set(e, -EIO, "writing %s failed", tmp);
	if (!ret && rename(tmp, run_path(run, "spikes.jsonl", path)))
		ret = err_sys(e, "writing %s failed", path);
	if (ret < 0)
		unlink(tmp);
	return ret;
}

static int explain(struct explanation *x, struct err *e)
{
	int ret = session_open(&x->session, &x->opts->session, e);

	if (x->session.has_manifest) {
		x->wall_ts = x->session.manifest.begin.ticks;
		x->wall_ns = x->session.manifest.begin.wall_ns;
		x->wall_known = x->wall_ns > 0;
	}
	if (!ret)
		ret = setup_model(x, e);
	if (!ret)
		ret = walk(x, e);
	if (ret < 0)
		return ret;
	join_bounds(x);
	ret = check_clock(x, e);
	if (!ret)
		ret = check_samples(x, e);
	qsort(x->worst, x->n_worst, sizeof(*x->worst), by_time);
	return ret;
}

static int print(const struct explanation *x, struct err *e)
{
	_cleanup_json_ json_object *o = NULL;

	if (!x->opts->json) {
		explain_text(stdout, x);
		return x->opts->excerpt ? explain_excerpt(x, e) : VERDICT_PASS;
	}
	o = explain_json(x);
	printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
								 JSON_C_TO_STRING_NOSLASHESCAPE));
	return VERDICT_PASS;
}

/* With a run directory: its spikes.jsonl and run.json take the causes, both or none. */
static int explain_run(struct explanation *x, struct err *e)
{
	struct run run;
	char tmp[PATH_MAX];
	int ret = run_open(&run, x->opts->run_dir, e);

	if (!ret) {
		ret = open_lines(x, &run, tmp, e);
	}
	if (!ret)
		ret = explain(x, e);
	ret = close_lines(x, &run, tmp, ret, e);
	if (!ret)
		ret = save(x, &run, e);
	run_close(&run);
	return ret;
}

static int run_it(struct explanation *x, struct err *e)
{
	int ret;

	x->worst = calloc(x->opts->list + 1, sizeof(*x->worst));
	if (!x->worst)
		return err_set(e, -ENOMEM, "no memory for %ju wake-ups", (uintmax_t)x->opts->list);
	ret = x->opts->run_dir ? explain_run(x, e) : explain(x, e);
	if (!ret)
		ret = print(x, e);
	model_free(&x->model);
	session_close(&x->session);
	free(x->worst);
	return ret;
}

int tracing_explain(int argc, char **argv, struct err *e)
{
	struct explain_opts o = { .threshold_ns = 100000, .clock_error_ns = 50000, .list = 20 };
	struct explanation x = { .opts = &o };
	struct parse p = { &o, e };
	char host[PATH_MAX], guest[PATH_MAX];

	if (opt_parse(&argp, argc, argv, false, &p, e) || default_paths(&o, host, guest, e))
		return e->code;
	if (o.json && o.excerpt)
		return err_set(
			e, -EINVAL,
			"--excerpt is text; with --json take rtkvm trace report --from --to");
	stop_install();
	return run_it(&x, e);
}
