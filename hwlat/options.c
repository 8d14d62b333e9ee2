// SPDX-License-Identifier: GPL-2.0-only
#include "hwlat/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/opt.h"

enum {
	OPT_CPUS = 'c',
	OPT_DURATION = 'd',
	OPT_THRESHOLD = 't',
	OPT_OUT = 'o',
	OPT_JSON = 'j',
	OPT_FIRST = 0x100,
	OPT_HOUSEKEEPING,
	OPT_HARDLIMIT,
	OPT_WINDOW,
	OPT_WIDTH,
	OPT_REPORT,
	OPT_DETECTOR,
	OPT_EVIDENCE,
	OPT_PRIORITY,
	OPT_GUEST,
	OPT_PM_QOS,
	OPT_NO_WATCHDOG,
	OPT_RT_LIMIT,
	OPT_STEP,
	OPT_UNSTABLE,
	OPT_SMOKE,
	OPT_WATCH,
	OPT_QUIET,
	OPT_DEBUG,
	OPT_DRY_RUN,
};

/* clang-format off */
static const struct argp_option options[] = {
	{ 0, 0, 0, 0, "What to watch:", 1 },
	{ "cpus", OPT_CPUS, "LIST", 0, "CPUs to watch (default: the isolated ones)" },
	{ "cpu-list", OPT_CPUS, "LIST", OPTION_ALIAS },
	{ "housekeeping", OPT_HOUSEKEEPING, "LIST", 0,
	  "CPUs for the supervisor (default: all others)" },
	{ "duration", OPT_DURATION, "TIME", 0, "how long (default: 120s)" },
	{ "threshold", OPT_THRESHOLD, "TIME", 0,
	  "gaps of at least this are samples (default: 10us; bare numbers are us)" },
	{ "hardlimit", OPT_HARDLIMIT, "TIME", 0,
	  "a longer gap fails the run (default: the threshold)" },
	{ "window", OPT_WINDOW, "TIME", 0, "watch part of every window (default: 1s)" },
	{ "width", OPT_WIDTH, "TIME", 0, "the part (default: all of it)" },
	{ 0, 0, 0, 0, "How:", 2 },
	{ "detector", OPT_DETECTOR, "NAME", 0,
	  "spin (default), or a tracer of the kernel: hwlat, osnoise or timerlat" },
	{ "evidence", OPT_EVIDENCE, "KIND", 0,
	  "what names the causes: trace, counters, or auto (default): trace if it can be had" },
	{ "priority", OPT_PRIORITY, "N", 0, "SCHED_FIFO priority of the threads (default: 10)" },
	{ "step", OPT_STEP, "TIME", 0,
	  "rest between readings; lengths are off by as much (default: 0, no rest)" },
	{ "guest", OPT_GUEST, 0, 0, "this is a guest: what nothing here explains is the host's" },
	{ "pm-qos", OPT_PM_QOS, 0, 0, "keep CPUs out of sleep states (/dev/cpu_dma_latency at 0)" },
	{ "no-watchdog", OPT_NO_WATCHDOG, 0, 0,
	  "keep the kernel's lockup watchdog (its NMIs, its timer) off the watched CPUs" },
	{ "rt-limit", OPT_RT_LIMIT, "WHAT", 0,
	  "the kernel's limit on real-time threads: pause (default) stays below it, lift takes it "
	  "away for the run, keep runs into it" },
	{ "allow-unstable-tsc", OPT_UNSTABLE, 0, 0,
	  "measure with a time-stamp counter that is not known to be steady" },
	{ "smoke", OPT_SMOKE, 0, 0, "pass or fail even on an emulated machine" },
	{ "dry-run", OPT_DRY_RUN, 0, 0, "say what would be watched and altered, and do nothing" },
	{ 0, 0, 0, 0, "Output:", 3 },
	{ "out", OPT_OUT, "DIR", 0, "run directory (default: runs/TIME-hwlat)" },
	{ "report", OPT_REPORT, "FILE", 0, "sample lines also into this file" },
	{ "watch", OPT_WATCH, 0, 0, "print samples as they come" },
	{ "json", OPT_JSON, 0, 0, "machine-readable result on stdout" },
	{ "quiet", OPT_QUIET, 0, 0, "print nothing but errors" },
	{ "debug", OPT_DEBUG, 0, 0, "print how the measurement is set up" },
	{ 0 },
};
/* clang-format on */

static const char *const detectors[] = {
	[HWLAT_SPIN] = "spin",
	[HWLAT_TRACER] = "hwlat",
	[HWLAT_OSNOISE] = "osnoise",
	[HWLAT_TIMERLAT] = "timerlat",
};

static const char *const evidences[] = {
	[HWLAT_EVIDENCE_AUTO] = "auto",
	[HWLAT_EVIDENCE_TRACE] = "trace",
	[HWLAT_EVIDENCE_COUNTERS] = "counters",
};

static const char *const limits[] = {
	[HWLAT_LIMIT_PAUSE] = "pause",
	[HWLAT_LIMIT_LIFT] = "lift",
	[HWLAT_LIMIT_KEEP] = "keep",
};

const char *hwlat_detector_name(enum hwlat_detector d)
{
	return detectors[d];
}

static int pick(const char *what, const char *text, const char *const *names, size_t n, int *out,
		struct err *e)
{
	char all[128] = "";

	for (size_t i = 0; i < n; i++) {
		if (!strcmp(text, names[i])) {
			*out = i;
			return 0;
		}
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i ? ", " : "",
			 names[i]);
	}
	return err_set(e, -EINVAL, "%s: \"%s\" is none of %s", what, text, all);
}

static bool only_digits(const char *text)
{
	return *text && strspn(text, "0123456789") == strlen(text);
}

/* hwlatdetect's bare numbers are microseconds; ours, in other verbs, are seconds. */
static int parse_us(const char *what, const char *text, uint64_t *ns, struct err *e)
{
	char with_unit[32];

	if (only_digits(text) && strlen(text) < sizeof(with_unit) - 2) {
		snprintf(with_unit, sizeof(with_unit), "%sus", text);
		text = with_unit;
	}
	return opt_duration(what, text, ns, e);
}

/* hwlatdetect also knows weeks. */
static int parse_duration(const char *text, uint64_t *ns, struct err *e)
{
	char days[32];
	uint64_t weeks;
	size_t n = strlen(text);

	if (n > 1 && n < 8 && text[n - 1] == 'w') {
		snprintf(days, sizeof(days), "%.*s", (int)n - 1, text);
		if (only_digits(days)) {
			int ret = opt_u64("--duration (weeks)", days, 0, 520, &weeks, e);

			*ns = ret ? 0 : weeks * 7 * 86400 * NSEC_PER_SEC;
			return ret;
		}
	}
	return opt_duration("--duration", text, ns, e);
}

static int parse_cpus(const char *what, const char *text, struct cpulist *l, bool *given,
		      struct err *e)
{
	*given = true;
	return opt_cpulist(what, text, l, e);
}

static int parse_option(int key, char *arg, struct hwlat_opts *o, struct err *e)
{
	uint64_t n = 0;
	int ret, which = 0;

	switch (key) {
	case OPT_CPUS:
		return parse_cpus("--cpus", arg, &o->cpus, &o->cpus_given, e);
	case OPT_HOUSEKEEPING:
		return parse_cpus("--housekeeping", arg, &o->housekeeping, &o->housekeeping_given,
				  e);
	case OPT_DURATION:
		return parse_duration(arg, &o->duration_ns, e);
	case OPT_THRESHOLD:
		return parse_us("--threshold", arg, &o->threshold_ns, e);
	case OPT_HARDLIMIT:
		return parse_us("--hardlimit", arg, &o->hardlimit_ns, e);
	case OPT_WINDOW:
		return parse_us("--window", arg, &o->window_ns, e);
	case OPT_STEP:
		return parse_us("--step", arg, &o->step_ns, e);
	case OPT_WIDTH:
		return parse_us("--width", arg, &o->width_ns, e);
	case OPT_DETECTOR:
		ret = pick("--detector", arg, detectors, ARRAY_SIZE(detectors), &which, e);
		o->detector = which;
		return ret;
	case OPT_EVIDENCE:
		ret = pick("--evidence", arg, evidences, ARRAY_SIZE(evidences), &which, e);
		o->evidence = which;
		return ret;
	case OPT_RT_LIMIT:
		ret = pick("--rt-limit", arg, limits, ARRAY_SIZE(limits), &which, e);
		o->limit = which;
		return ret;
	case OPT_PRIORITY:
		ret = opt_u64("--priority", arg, 1, 98, &n, e);
		o->priority = n;
		return ret;
	case OPT_OUT:
		o->out = arg;
		return 0;
	case OPT_REPORT:
		o->report = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static int parse_flag(int key, struct hwlat_opts *o)
{
	switch (key) {
	case OPT_GUEST:
		o->guest = true;
		return 0;
	case OPT_PM_QOS:
		o->pm_qos = true;
		return 0;
	case OPT_NO_WATCHDOG:
		o->no_watchdog = true;
		return 0;
	case OPT_UNSTABLE:
		o->allow_unstable_tsc = true;
		return 0;
	case OPT_SMOKE:
		o->smoke = true;
		return 0;
	case OPT_DRY_RUN:
		o->dry_run = true;
		return 0;
	case OPT_WATCH:
		o->watch = true;
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	case OPT_QUIET:
		o->quiet = true;
		return 0;
	case OPT_DEBUG:
		o->debug = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

struct parse {
	struct hwlat_opts *o;
	struct err *e;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct parse *p = state->input;
	int ret;

	if (key == ARGP_KEY_ARG)
		return err_set(p->e, -EINVAL, "\"%s\" is no option; see rtkvm hwlat --help", arg);
	ret = arg ? parse_option(key, arg, p->o, p->e) : parse_flag(key, p->o);
	return ret;
}

/* Where the kernel's tracers have a default of their own, that is ours too. */
static void default_window(struct hwlat_opts *o)
{
	if (!o->window_given)
		o->window_ns = o->detector == HWLAT_TIMERLAT ? NSEC_PER_SEC / 1000 : NSEC_PER_SEC;
	if (o->width_given)
		return;
	o->width_ns = o->window_ns;
	if (o->detector == HWLAT_TRACER || o->detector == HWLAT_OSNOISE)
		o->width_ns /= 2; /* not made for 100 % */
}

static int check(struct hwlat_opts *o, struct err *e)
{
	if (!o->duration_ns)
		return err_set(e, -EINVAL,
			       "--duration: 0 measures nothing; give a time such as 60s");
	if (o->duration_ns > 520ull * 7 * 86400 * NSEC_PER_SEC)
		return err_set(e, -EINVAL, "--duration: more than ten years");
	if (!o->threshold_ns)
		return err_set(
			e, -EINVAL,
			"--threshold: 0 makes every reading a sample; give a time such as 10us");
	if (!o->width_ns || !o->window_ns)
		return err_set(e, -EINVAL, "--%s: 0 measures nothing",
			       o->window_ns ? "width" : "window");
	if (o->width_ns > o->window_ns) {
		if (o->window_given)
			return err_set(e, -EINVAL,
				       "--width: longer than the --window it is a part of");
		o->window_ns = o->width_ns;
	}
	if (o->detector == HWLAT_TIMERLAT && o->width_given)
		return err_set(e, -EINVAL,
			       "--width: timerlat wakes up once a --window, it has no width");
	if (o->threshold_ns > NSEC_PER_SEC ||
	    (o->threshold_ns > o->width_ns && o->detector != HWLAT_TIMERLAT))
		return err_set(e, -EINVAL,
			       "--threshold: longer than %s; nothing would ever be found",
			       o->threshold_ns > NSEC_PER_SEC ? "1s" : "the --width watched");
	if (o->threshold_ns < 1000 && (o->detector == HWLAT_TRACER || o->detector == HWLAT_OSNOISE))
		return err_set(e, -EINVAL,
			       "--threshold: below 1us, the least that --detector %s knows; "
			       "--detector spin sees less",
			       detectors[o->detector]);
	if (o->hardlimit_ns && o->hardlimit_ns < o->threshold_ns)
		return err_set(e, -EINVAL, "--hardlimit: below --threshold, so it could be missed");
	if (o->step_ns > o->threshold_ns / 10)
		return err_set(
			e, -EINVAL,
			"--step: more than a tenth of --threshold, so lengths would be wrong");
	if (o->quiet && (o->watch || o->json || o->debug))
		return err_set(e, -EINVAL, "--quiet goes with none of --watch, --json, --debug");
	return 0;
}

int hwlat_opts_parse(struct hwlat_opts *o, int argc, char **argv, struct err *e)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = "Find every moment in which hardware, firmware or a host took a CPU away, "
		       "and name it.",
	};
	struct parse p = { o, e };
	int ret;

	*o = (struct hwlat_opts){
		.duration_ns = 120 * NSEC_PER_SEC,
		.threshold_ns = 10000,
		.priority = 10,
		.window_ns = UINT64_MAX,
		.width_ns = UINT64_MAX,
	};
	ret = opt_parse(&argp, argc, argv, false, &p, e);
	if (ret < 0)
		return ret;
	o->window_given = o->window_ns != UINT64_MAX;
	o->width_given = o->width_ns != UINT64_MAX;
	default_window(o);
	ret = check(o, e);
	if (!ret && !o->hardlimit_ns)
		o->hardlimit_ns = o->threshold_ns;
	return ret;
}
