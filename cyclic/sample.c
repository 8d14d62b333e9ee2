// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/sample.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cyclic/cyclic.h"
#include "cyclic/harness.h"
#include "cyclic/hostspike.h"
#include "cyclic/orphans.h"
#include "cyclic/simulate.h"
#include "cyclic/spiketrace.h"
#include "lib/claim.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/opt.h"
#include "lib/stop.h"

enum {
	MIN_PERIOD_NS = 5000,
	MAX_PRIORITY = 98, /* 99 is the kernel's own watchdog's and migration threads' */
	DEFAULT_PRIORITY = 95,
};

#define MAX_DURATION_NS (366 * 86400 * NSEC_PER_SEC)

enum {
	KEY_SLICE = 0x100,
	KEY_FIFO,
	KEY_SPIKE,
	KEY_ON_SPIKE,
	KEY_FREEZE,
	KEY_LIMIT,
	KEY_OUT,
	KEY_NAME,
	KEY_JSON,
	KEY_SMOKE,
	KEY_SIMULATE,
};

static const struct argp_option options[] = {
	{ "cpus", 'c', "LIST", 0, "CPUs to measure, one thread on each (required)", 1 },
	{ "interval", 'i', "DURATION", 0, "time between wake-ups (default 1ms)", 1 },
	{ "duration", 'D', "DURATION", 0, "how long (default 60s)", 1 },
	{ "fifo", KEY_FIFO, "PRIO", 0, "SCHED_FIFO priority (default 95; 0: SCHED_OTHER)", 1 },
	{ "slice", KEY_SLICE, "DURATION", 0, "a histogram to latency.log every (default 10s)", 1 },
	{ "limit", KEY_LIMIT, "[WHAT=]DURATION", 0,
	  "largest acceptable latency; WHAT: max (default), p50, p90, p99 ... p99.9999; may be "
	  "repeated",
	  2 },
	{ "spike", KEY_SPIKE, "DURATION", 0,
	  "list wake-ups as late as this in spikes.jsonl (default: the limit for max)", 2 },
	{ "on-spike", KEY_ON_SPIKE, "ACTION", 0,
	  "record (default); trace: keep the host's trace of the first, and explain it; stop", 2 },
	{ "freeze", KEY_FREEZE, "FILE", 0,
	  "write 0 to FILE (a trace's tracing_on) at each CPU's first spike", 2 },
	{ "smoke", KEY_SMOKE, NULL, 0, "judge limits also where latencies are no result", 2 },
	{ "out", KEY_OUT, "DIR", 0, "run directory (default runs/TIME-NAME)", 3 },
	{ "name", KEY_NAME, "NAME", 0, "name of the run (default sample)", 3 },
	{ "json", KEY_JSON, NULL, 0, "print run.json instead of a table", 3 },
	{ "simulate", KEY_SIMULATE, "SEED", 0,
	  "draw the latencies from SEED instead of measuring; nothing is proved then", 3 },
	{ 0 },
};

int sample_limit_parse(struct sample_limit *l, const char *text, struct err *e)
{
	const char *value = strchr(text, '=');
	int n = value ? (int)(value - text) : 3;
	const char *what = value ? text : "max";
	bool known = n == 3 && !strncmp(what, "max", 3);

	value = value ? value + 1 : text;
	for (int i = 0; i < HIST_LEVELS && !known; i++)
		known = (int)strlen(hist_levels[i].label) == n &&
			!strncmp(what, hist_levels[i].label, n);
	if (!known)
		return err_set(e, -EINVAL,
			       "limit \"%s\": \"%.*s\" is neither max nor one of p50 p90 p99 p99.9 "
			       "p99.99 p99.999 p99.9999",
			       text, n, what);
	snprintf(l->what, sizeof(l->what), "%.*s_ns", n, what);
	if (opt_latency("limit", value, &l->ns, e) < 0)
		return e->code;
	if (!l->ns)
		return err_set(e, -EINVAL, "limit \"%s\": a limit of 0 cannot be met", text);
	return 0;
}

static int add_limit(struct sample_options *o, const char *text, struct err *e)
{
	if (o->n_limits == SAMPLE_LIMITS)
		return err_set(e, -EINVAL, "--limit: at most %d are taken", SAMPLE_LIMITS);
	return sample_limit_parse(&o->limits[o->n_limits++], text, e);
}

struct parse {
	struct sample_options *o;
	struct err *e;
};

static error_t parse_one(int key, char *arg, struct argp_state *state)
{
	struct parse *p = state->input;
	struct sample_options *o = p->o;
	struct sampler_config *c = &o->config;
	uint64_t n;

	switch (key) {
	case 'c':
		return -opt_cpulist("--cpus", arg, &c->cpus, p->e);
	case 'i':
		return -opt_duration_in("--interval", arg, MIN_PERIOD_NS, 10 * NSEC_PER_SEC,
					&c->period_ns, p->e);
	case 'D':
		return -opt_duration_in("--duration", arg, MIN_PERIOD_NS, MAX_DURATION_NS,
					&c->duration_ns, p->e);
	case KEY_SLICE:
		return -opt_duration_in("--slice", arg, NSEC_PER_SEC / 10, 3600 * NSEC_PER_SEC,
					&c->slice_ns, p->e);
	case KEY_SPIKE:
		return -opt_latency_in("--spike", arg, 1, 3600 * NSEC_PER_SEC, &c->spike_ns, p->e);
	case KEY_FIFO:
		if (opt_u64("--fifo", arg, 0, MAX_PRIORITY, &n, p->e) < 0)
			return EINVAL;
		c->priority = n;
		return 0;
	case KEY_ON_SPIKE:
		return -spike_action_parse("--on-spike", arg, &o->on_spike, p->e);
	case KEY_LIMIT:
		return -add_limit(o, arg, p->e);
	case KEY_SIMULATE:
		o->simulate = true;
		return -opt_u64("--simulate", arg, 0, UINT64_MAX, &o->seed, p->e);
	case KEY_FREEZE:
		c->freeze = arg;
		return 0;
	case KEY_OUT:
		o->out = arg;
		return 0;
	case KEY_NAME:
		o->name = arg;
		return 0;
	case KEY_JSON:
		o->json = true;
		return 0;
	case KEY_SMOKE:
		o->smoke = true;
		return 0;
	case ARGP_KEY_ARG:
		return -err_set(p->e, -EINVAL, "argument \"%s\" is not understood; see --help",
				arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int check(struct sample_options *o, struct err *e)
{
	struct sampler_config *c = &o->config;

	if (cpulist_empty(&c->cpus))
		return err_set(e, -EINVAL, "--cpus is missing: say which CPUs to measure");
	if (c->duration_ns < c->period_ns)
		return err_set(e, -EINVAL, "--duration is shorter than --interval");
	if (c->slice_ns < c->period_ns)
		return err_set(e, -EINVAL, "--slice is shorter than --interval");
	for (size_t i = 0; i < o->n_limits && c->spike_ns == UINT64_MAX; i++)
		if (!strcmp(o->limits[i].what, "max_ns"))
			c->spike_ns = o->limits[i].ns + 1; /* at the limit is within it */
	c->stop_at_spike = o->on_spike == SPIKE_STOP;
	if (c->spike_ns == UINT64_MAX && (c->freeze || o->on_spike != SPIKE_RECORD))
		return err_set(e, -EINVAL, "--freeze and --on-spike %s need --spike or --limit max",
			       spike_action_name(o->on_spike));
	if (o->on_spike == SPIKE_TRACE && (c->freeze || o->simulate))
		return err_set(e, -EINVAL,
			       "--on-spike trace goes with neither --freeze nor --simulate");
	return 0;
}

int sample_parse(struct sample_options *o, int argc, char **argv, struct err *e)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_one,
		.doc = "Measure timer latency: one thread on each CPU sleeps to the points of an "
		       "absolute grid and notes how late it wakes.",
	};
	struct parse p = { o, e };
	int ret;

	*o = (struct sample_options){
		.name = "sample",
		.config = { .period_ns = NSEC_PER_SEC / 1000,
			    .duration_ns = 60 * NSEC_PER_SEC,
			    .slice_ns = 10 * NSEC_PER_SEC,
			    .spike_ns = UINT64_MAX,
			    .priority = DEFAULT_PRIORITY },
	};
	ret = opt_parse(&argp, argc, argv, false, &p, e);
	return ret < 0 ? ret : check(o, e);
}

static void describe(struct run *run, const struct sample_options *o)
{
	const struct sampler_config *c = &o->config;
	json_object *asked = run_section(run, "asked");
	char cpus[256];

	json_set_str(asked, "instrument", "sample");
	json_set_str(asked, "cpus", cpulist_format(&c->cpus, cpus, sizeof(cpus)));
	json_set_int(asked, "period_ns", c->period_ns);
	json_set_int(asked, "duration_ns", c->duration_ns);
	json_set_int(asked, "slice_ns", c->slice_ns);
	json_set_str(asked, "policy", c->priority ? "fifo" : "other");
	json_set_int(asked, "priority", c->priority);
	json_set_bool(asked, "smoke", o->smoke);
	if (c->spike_ns != UINT64_MAX)
		json_set_int(asked, "spike_ns", c->spike_ns);
	for (size_t i = 0; i < o->n_limits; i++)
		run_add_limit(run, o->limits[i].what, o->limits[i].ns);
	if (!o->simulate)
		return;
	json_set_int(asked, "simulate_seed", o->seed);
	json_set_str(run->doc, "conditions", conditions_name(CONDITIONS_EMULATED));
	json_set_str(run->doc, "conditions_why", "the latencies were drawn from a seed");
}

/* What was measured is judged however the run ended; a broken limit stays broken. */
static enum verdict judge(struct run *run, const struct sample_options *o, int how)
{
	enum verdict v;

	if (how == SAMPLER_INTERRUPTED)
		json_set_bool(run->doc, "interrupted", true);
	if (how == SAMPLER_SPIKE) {
		json_set_bool(run->doc, "stopped_at_spike", true);
		run_reason(run, "stopped at the first spike, as asked");
	}
	v = run_judge(run, o->smoke);
	if (o->simulate && !o->smoke && v == VERDICT_PASS) {
		run_reason(run, "no machine was measured: the latencies were drawn from a seed");
		return VERDICT_INCONCLUSIVE;
	}
	return v;
}

static void print_cpu(json_object *cpu)
{
	json_object *p;

	printf("%4jd %12jd %12jd %8jd %9.1f %9.1f", (intmax_t)json_int(cpu, "cpu", -1),
	       (intmax_t)json_int(cpu, "samples", 0), (intmax_t)json_int(cpu, "expected", 0),
	       (intmax_t)json_int(cpu, "missed", 0), json_int(cpu, "min_ns", 0) / 1e3,
	       json_double(cpu, "mean_ns", 0) / 1e3);
	if (json_object_object_get_ex(json_at(cpu, "quantiles_ns"), "0.999", &p))
		printf(" %9.1f", json_object_get_int64(p) / 1e3);
	else
		printf(" %9s", "-");
	printf(" %9.1f\n", json_int(cpu, "max_ns", 0) / 1e3);
}

static void print_run(const struct run *run)
{
	json_object *cpus = json_at(run->doc, "cpus"), *reasons = json_at(run->doc, "reasons");

	printf("conditions: %s (%s)\n", json_str(run->doc, "conditions", "unknown"),
	       json_str(run->doc, "conditions_why", ""));
	printf("%4s %12s %12s %8s %9s %9s %9s %9s\n", "CPU", "samples", "expected", "missed",
	       "min/us", "mean/us", "p99.9/us", "max/us");
	for (size_t i = 0; i < json_object_array_length(cpus); i++)
		print_cpu(json_object_array_get_idx(cpus, i));
	printf("spikes: %jd\n", (intmax_t)json_int(run->doc, "spikes", 0));
	for (size_t i = 0; i < json_object_array_length(reasons); i++)
		printf("note: %s\n", json_object_get_string(json_object_array_get_idx(reasons, i)));
	printf("verdict: %s\nrun directory: %s\n", json_str(run->doc, "verdict", ""), run->dir);
}

/* Latencies can be measured without a trace: why there is none is told. */
static int start_trace(struct spiketrace *t, struct sampler_config *config, struct collect *c,
		       struct err *e)
{
	struct err why = { 0 };
	struct cpulist cpus = { 0 };
	int ret = cpulist_affinity(&cpus, 0, &why);

	/* also those that do not measure: a timer may expire on another CPU than it was set on */
	cpulist_for_each(cpu, &config->cpus)
		cpulist_add(&cpus, cpu);
	if (!ret)
		ret = spiketrace_start(t, c->run->dir, &cpus, 0, &why);
	if (ret == -EINTR)
		return err_set(e, ret, "%s", why.text);
	if (ret < 0) {
		collect_note(c, "no trace: %s", why.text);
		return 0;
	}
	config->freeze = t->freeze;
	return 0;
}

/* The spike's loop has stopped the ring; now that nobody has it open it can be saved and removed. */
static int end_trace(struct spiketrace *t, struct collect *c, int how)
{
	struct err why = { 0 };

	if (spiketrace_check(t, &why) < 0)
		collect_note(c, "no trace: %s", why.text);
	if (c->n_spikes)
		spiketrace_freeze(t);
	return how;
}

static int take_samples(struct run *run, const struct sample_options *o, struct collect *c,
			struct spiketrace *t, struct err *e)
{
	struct sampler_config config = o->config;
	int ret = 0;

	if (o->simulate)
		return simulate_run(&o->config, o->seed, c, e);
	if (o->on_spike == SPIKE_TRACE)
		ret = start_trace(t, &config, c, e);
	if (!ret)
		ret = sampler_run(&config, c, run_section(run, "inforce"),
				  run_section(run, "window"), e);
	return ret < 0 ? ret : end_trace(t, c, ret);
}

/* Latencies do not depend on the trace: what went wrong with it, or why there is no cause, is told. */
static void explain(struct run *run, const struct sample_options *o, struct spiketrace *t)
{
	struct err why = { 0 };
	char path[PATH_MAX];

	if (spiketrace_save(t, run, NULL, &why) < 0)
		run_reason(run, "the spike's trace is not whole: %s", why.text);
	else if (file_exists(run_path(run, "trace/host.dat", path)) &&
		 hostspike_explain(run, o->config.spike_ns, &why) < 0)
		run_reason(run, "no cause of the spike: %s", why.text);
}

static int measure(struct run *run, const struct sample_options *o, struct err *e)
{
	struct spiketrace t = SPIKETRACE_INIT;
	struct collect c;
	int how = collect_open(&c, run, "sample", &o->config.cpus, o->config.period_ns, e), ret;
	enum verdict v = VERDICT_INCOMPLETE;

	if (!how)
		how = take_samples(run, o, &c, &t, e);
	ret = how < 0 ? how : collect_close(&c, e);
	if (ret < 0 && !collect_samples(&c)) {
		spiketrace_close(&t);
		run_discard(run); /* it never began */
	}
	collect_free(&c);
	if (!ret) {
		v = judge(run, o, how);
		explain(run, o, &t);
		ret = run_finish(run, v, e);
	}
	spiketrace_close(&t);
	return ret < 0 ? ret : (int)v;
}

/* The isolated ones that are measured are nobody else's until the end; what is drawn touches none. */
static int claim(struct claim *c, const struct sample_options *o, struct err *e)
{
	const struct claim_opts wanted = { .alone = &o->config.cpus, .alone_for = "--cpus" };

	*c = (struct claim){ 0 };
	return o->simulate ? 0 : claim_cpus(c, "/sys", &wanted, e);
}

/* On CPUs that are claimed for it. */
static int sample(const struct sample_options *o, struct err *e)
{
	char note[ORPHANS_BYTES];
	struct run run;
	int ret = run_create(&run, o->out, o->name, e);

	if (ret < 0)
		return ret;
	describe(&run, o);
	if (!o->simulate && orphans_remove(note))
		run_reason(&run, "%s", note);
	ret = measure(&run, o, e);
	if (ret >= 0 && o->json)
		printf("%s\n", json_object_to_json_string_ext(run.doc, JSON_C_TO_STRING_PRETTY));
	else if (ret >= 0)
		print_run(&run);
	run_close(&run);
	return ret;
}

static bool in_guest(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--guest") || !strncmp(argv[i], "--guest=", 8))
			return true;
	return false;
}

int cyclic_sample(int argc, char **argv, struct err *e)
{
	struct sample_options o;
	struct claim c;
	int ret;

	if (in_guest(argc, argv))
		return harness_main(GUEST_SAMPLE, argc, argv, e);
	ret = sample_parse(&o, argc, argv, e);
	if (ret < 0)
		return ret;
	stop_install();
	ret = claim(&c, &o, e);
	if (!ret)
		ret = sample(&o, e);
	claim_drop(&c);
	return ret;
}
