// SPDX-License-Identifier: GPL-2.0-only
/* explain - the verb: every late wake-up in a trace, and where its time went */
#include "tracing/explain.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/opt.h"
#include "lib/stop.h"
#include "tracing/tracing.h"

enum { KEY_VCPUS = 256, KEY_ERROR, KEY_LIST, KEY_TIMELINE, KEY_PICTURE, KEY_EXCERPT, KEY_EVENTS };

static const struct argp_option options[] = {
	{ "host", 'H', "FILE", 0, "the host's trace", 1 },
	{ "guest", 'g', "FILE", 0, "the guest's trace", 1 },
	{ "thread", 'T', "NAME|TID", 0,
	  "a guest thread whose wake-ups are explained (default: the real-time ones named cyclictest or rtkvm); may be repeated",
	  2 },
	{ "threshold", 't', "TIME", 0, "explain wake-ups later than this (default: 100us)", 2 },
	{ "offset", 'o', "TICKS", 0,
	  "guest stamps minus host stamps (default: as the guest's file says, else 0)", 3 },
	SESSION_TSC_HZ,
	{ "vcpus", KEY_VCPUS, "TID,...", 0,
	  "host threads of vCPU 0, 1, ... (default: as the events say)", 3 },
	{ "events", KEY_EVENTS, "FILE", 0,
	  "events of the VMM (rtkvm run --events), which tell its vCPUs' threads and clocks", 3 },
	{ "max-clock-error", KEY_ERROR, "TIME", 0,
	  "explain nothing when the clocks may differ by more (default: 50us)", 3 },
	{ "list", KEY_LIST, "N", 0, "show the N latest wake-ups (default: 20)", 4 },
	{ "timeline", KEY_TIMELINE, NULL, 0, "draw each one shown as a line of causes", 4 },
	{ "picture", KEY_PICTURE, "FILE", 0,
	  "draw each one shown as lanes of host, KVM and guest: an SVG", 4 },
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
		return opt_latency("--threshold", arg, &o->threshold_ns, p->e);
	case 'o':
		return session_parse_offset(arg, &o->session, p->e);
	case SESSION_KEY_TSC_HZ:
		return session_parse_tsc_hz(arg, &o->session, p->e);
	case KEY_VCPUS:
		return parse_tids(arg, o, p->e);
	case KEY_EVENTS:
		o->session.events = arg;
		return 0;
	case KEY_ERROR:
		return opt_duration("--max-clock-error", arg, &o->clock_error_ns, p->e);
	case KEY_LIST:
		return opt_u64("--list", arg, 0, EXPLAIN_LIST_MAX, &o->list, p->e);
	case KEY_TIMELINE:
		o->timeline = true;
		return 0;
	case KEY_PICTURE:
		o->picture = arg;
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

static int default_paths(struct explain_opts *o, struct session_paths *p, struct err *e)
{
	if (o->run_dir && session_run(&o->session, p, o->run_dir, e))
		return e->code;
	if (!o->session.path[GUEST])
		return err_set(e, -EINVAL, "no guest's trace is named; give --guest FILE or a run");
	return 0;
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

static int run_it(struct explanation *x, struct err *e)
{
	int ret;

	x->worst = calloc(x->opts->list + 1, sizeof(*x->worst));
	if (!x->worst)
		return err_set(e, -ENOMEM, "no memory for %ju wake-ups", (uintmax_t)x->opts->list);
	ret = x->opts->run_dir ? explain_run(x, e) : explain_walk(x, e);
	if (!ret && x->opts->picture)
		ret = picture_save(x, x->opts->picture, e);
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
	struct session_paths paths;

	if (opt_parse(&argp, argc, argv, false, &p, e) || default_paths(&o, &paths, e))
		return e->code;
	if (o.json && o.excerpt)
		return err_set(
			e, -EINVAL,
			"--excerpt is text; with --json take rtkvm trace report --from --to");
	stop_install();
	return run_it(&x, e);
}
