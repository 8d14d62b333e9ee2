// SPDX-License-Identifier: GPL-2.0-only
/* doctor - the verb: options, one pass over the checks, text or JSON */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/opt.h"
#include "lib/stop.h"
#include "profiles/check.h"
#include "profiles/collect.h"
#include "profiles/measure.h"
#include "profiles/profiles.h"
#include "profiles/timer.h"

struct options {
	bool guest, json, gate, list;
	const char *root, *cpus, *explain, *collect;
	uint64_t measure_ns;
	uint64_t timer_ns; /* for each CPU; 0: no --timer */
	struct err *e;
};

enum { OPT_GATE = 256, OPT_LIST, OPT_COLLECT, OPT_MEASURE, OPT_TIMER };

static const struct argp_option option_rows[] = {
	{ "guest", 'g', NULL, 0, "check a real-time guest instead of a host" },
	{ "cpus", 'c', "LIST", 0, "the CPUs that are to be isolated (default: those that are)" },
	{ "json", 'j', NULL, 0, "print JSON" },
	{ "measure", OPT_MEASURE, "DURATION", 0, "also watch the isolated CPUs for so long (10s)" },
	{ "timer", OPT_TIMER, "DURATION", OPTION_ARG_OPTIONAL,
	  "instead of the checks: run a timer guest on each isolated CPU for so long (10s), say how "
	  "early KVM has learned to fire and what is left" },
	{ "root", 'r', "DIR", 0, "check the saved tree in DIR instead of this machine" },
	{ "collect", OPT_COLLECT, "FILE", 0,
	  "save what the checks read as FILE (.tar, .tar.gz), nothing private in it, and check "
	  "nothing" },
	{ "explain", 'e', "ID", 0, "say what a check is about and what to do" },
	{ "list", OPT_LIST, NULL, 0, "list the checks" },
	{ "gate", OPT_GATE, NULL, 0, "print \"ok\" or the first failed check, nothing else" },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'g':
		o->guest = true;
		return 0;
	case 'c':
		o->cpus = arg;
		return 0;
	case 'j':
		o->json = true;
		return 0;
	case 'r':
		o->root = arg;
		return 0;
	case 'e':
		o->explain = arg;
		return 0;
	case OPT_LIST:
		o->list = true;
		return 0;
	case OPT_GATE:
		o->gate = true;
		return 0;
	case OPT_COLLECT:
		o->collect = arg;
		return 0;
	case OPT_MEASURE:
		return opt_duration("--measure", arg, &o->measure_ns, o->e) < 0 ? EINVAL : 0;
	case OPT_TIMER:
		return opt_duration("--timer", arg ? arg : "10s", &o->timer_ns, o->e) < 0 ? EINVAL
											  : 0;
	case ARGP_KEY_ARG:
		return err_set(o->e, -EINVAL, "unexpected \"%s\"; see --help", arg) ? EINVAL : 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int check_options(const struct options *o, struct err *e)
{
	bool saved = strcmp(o->root, "/");
	int outputs = o->json + o->gate + o->list + (o->explain != NULL) + (o->collect != NULL);

	if (outputs > 1)
		return err_set(
			e, -EINVAL,
			"--json, --gate, --list, --explain and --collect exclude each other");
	if (o->timer_ns && (saved || o->guest || o->measure_ns || (outputs && !o->json)))
		return err_set(e, -EINVAL,
			       "--timer needs the machine itself, a host, and goes with --cpus and "
			       "--json only");
	if (o->timer_ns && (o->timer_ns < NSEC_PER_SEC || o->timer_ns > 3600 * NSEC_PER_SEC))
		return err_set(e, -EINVAL, "--timer takes from 1s to 1h");
	if (o->measure_ns && (saved || o->collect || o->list || o->explain))
		return err_set(e, -EINVAL, "--measure needs the machine itself, and its checks");
	if (o->measure_ns &&
	    (o->measure_ns < 2 * NSEC_PER_SEC || o->measure_ns > 3600 * NSEC_PER_SEC))
		return err_set(e, -EINVAL, "--measure takes from 2s to 1h");
	return 0;
}

/* The list in the man page is kept in step with this by a test. */
static int list_checks(void)
{
	const struct check *c;

	for (size_t i = 0; (c = check_at(i)); i++)
		printf("%s\t%s\t%s\t%s\n", c->id, severity_name(c->severity),
		       c->scope == BOTH	  ? "both"
		       : c->scope == HOST ? "host"
					  : "guest",
		       c->what);
	return VERDICT_PASS;
}

static int explain(const char *id, struct err *e)
{
	const struct check *c = check_find(id);

	if (!c)
		return err_set(e, -EINVAL, "there is no check \"%s\"; --list names them", id);
	printf("%s (%s): %s\n", c->id, severity_name(c->severity), c->what);
	printf("  where:    %s\n  expected: %s\n", c->path, check_wants(c));
	if (c->since)
		printf("  kernels:  from %d.%d\n", c->since / 1000, c->since % 1000);
	if (c->until)
		printf("  kernels:  before %d.%d\n", c->until / 1000, c->until % 1000);
	if (c->vendor)
		printf("  CPUs:     %s\n", c->vendor == VENDOR_INTEL ? "Intel" : "AMD");
	printf("  why:      %s\n  do:       %s\n", c->why, c->remedy);
	return VERDICT_PASS;
}

/* What one pass over the checks is printed to. */
struct output {
	bool text;
	json_object *rows; /* NULL: not wanted */
	const char *first_failed;
	size_t counts[ST_NA + 1];
};

static void print_text(const struct check *c, const struct finding *f)
{
	printf("%-4s  %-26s %s\n", status_name(f->status), c->id, f->found);
	if (f->status == ST_FAIL || f->status == ST_WARN)
		printf("      expected: %s (%s)\n      why: %s\n      do: %s\n", check_wants(c),
		       c->path, c->why, c->remedy);
}

static json_object *as_json(const struct check *c, const struct finding *f)
{
	json_object *o = json_object_new_object();

	json_set_str(o, "id", c->id);
	json_set_str(o, "severity", severity_name(c->severity));
	json_set_str(o, "status", f->status == ST_FAIL ? "fail" : status_name(f->status));
	json_set_str(o, "what", c->what);
	json_set_str(o, "where", c->path);
	json_set_str(o, "found", f->found);
	json_set_str(o, "expected", check_wants(c));
	json_set_str(o, "why", c->why);
	json_set_str(o, "remedy", c->remedy);
	return o;
}

static void judge_all(const struct machine *m, const struct measurement *d, bool guest,
		      struct output *out)
{
	enum scope scope = guest ? GUEST : HOST;
	const struct check *c;

	for (size_t i = 0; (c = check_at(i)); i++) {
		struct finding f;

		if (!(c->scope & scope))
			continue;
		check_judge(m, d, c, &f);
		out->counts[f.status]++;
		if (f.status == ST_FAIL && !out->first_failed)
			out->first_failed = c->id;
		if (out->text)
			print_text(c, &f);
		if (out->rows)
			json_object_array_add(out->rows, as_json(c, &f));
	}
}

static void print_machine(const struct machine *m)
{
	char isolated[64], rest[64];

	printf("%s, %s; isolated CPU %s, housekeeping CPU %s\n", m->release,
	       *m->model ? m->model : "unnamed CPU",
	       cpulist_empty(&m->isolated)
		       ? "none"
		       : cpulist_format(&m->isolated, isolated, sizeof(isolated)),
	       cpulist_format(&m->housekeeping, rest, sizeof(rest)));
}

static json_object *json_head(const struct machine *m, bool guest)
{
	json_object *o = json_object_new_object();
	char text[256];

	json_set_int(o, "schema", 1);
	json_set_str(o, "scope", guest ? "guest" : "host");
	json_set_str(o, "kernel", m->release);
	json_set_bool(o, "preempt_rt", m->rt);
	json_set_str(o, "cpu", m->model);
	json_set_str(o, "online", cpulist_format(&m->online, text, sizeof(text)));
	json_set_str(o, "isolated", cpulist_format(&m->isolated, text, sizeof(text)));
	return o;
}

static int print_json(const struct machine *m, const struct options *o, const struct measurement *d)
{
	_cleanup_json_ json_object *top = json_head(m, o->guest);
	struct output out = { .rows = json_object_new_array() };
	json_object *counts = json_object_new_object();
	enum verdict verdict;

	judge_all(m, d, o->guest, &out);
	verdict = out.counts[ST_FAIL] ? VERDICT_FAIL : VERDICT_PASS;
	json_set_str(top, "verdict", verdict_name(verdict));
	json_set_int(counts, "pass", out.counts[ST_PASS]);
	json_set_int(counts, "fail", out.counts[ST_FAIL]);
	json_set_int(counts, "warn", out.counts[ST_WARN]);
	json_set_int(counts, "n/a", out.counts[ST_NA]);
	json_object_object_add(top, "counts", counts);
	json_object_object_add(top, "checks", out.rows);
	puts(json_object_to_json_string_ext(top, JSON_C_TO_STRING_PRETTY |
							 JSON_C_TO_STRING_NOSLASHESCAPE));
	return verdict;
}

static int print_report(const struct machine *m, const struct options *o,
			const struct measurement *d)
{
	struct output out = { .text = !o->gate };

	if (!o->gate)
		print_machine(m);
	judge_all(m, d, o->guest, &out);
	if (o->gate)
		puts(out.first_failed ? out.first_failed : "ok");
	else
		printf("%zu pass, %zu fail, %zu warn, %zu not applicable\n", out.counts[ST_PASS],
		       out.counts[ST_FAIL], out.counts[ST_WARN], out.counts[ST_NA]);
	return out.first_failed ? VERDICT_FAIL : VERDICT_PASS;
}

static int examine(const struct options *o, struct err *e)
{
	struct measurement d = { 0 };
	struct machine m;
	int ret = machine_open(&m, o->root, o->cpus, e);

	if (ret >= 0 && o->timer_ns) {
		ret = timer_report(&m, o->timer_ns, o->cpus, o->json, e);
		machine_close(&m);
		return ret;
	}
	if (ret >= 0 && o->collect)
		ret = collect(&m, o->collect, e);
	else if (ret >= 0 && o->measure_ns)
		ret = measure(&m, o->measure_ns, &d, e);
	if (ret >= 0 && !o->collect)
		ret = o->json ? print_json(&m, o, o->measure_ns ? &d : NULL)
			      : print_report(&m, o, o->measure_ns ? &d : NULL);
	measure_free(&d);
	machine_close(&m);
	return ret;
}

int profiles_doctor(int argc, char **argv, struct err *e)
{
	static const struct argp argp = {
		.options = option_rows,
		.parser = parse,
		.doc = "Check whether this machine is a real-time KVM host (or guest), and say "
		       "what is wrong, why, and what to do.",
	};
	struct options o = { .root = "/", .e = e };
	int ret = opt_parse(&argp, argc, argv, false, &o, e);

	if (ret < 0)
		return ret;
	ret = check_options(&o, e);
	if (ret < 0)
		return ret;
	if (o.list)
		return list_checks();
	if (o.explain)
		return explain(o.explain, e);
	stop_install();
	return examine(&o, e);
}
