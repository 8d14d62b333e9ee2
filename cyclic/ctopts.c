// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/ctopts.h"

#include <errno.h>
#include <string.h>

#include "cyclic/breakoff.h"
#include "cyclic/guestjob.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/opt.h"

enum {
	HISTOGRAM_US = 10000,
	HISTOGRAM_EMULATED_US = 100000, /* a busy machine stalls its emulated CPUs that long */
	MIN_PERIOD_US = 10,
};

enum {
	OPT_HISTOGRAM = 256,
	OPT_PRIORITY,
	OPT_LIMIT,
	OPT_SMOKE,
	OPT_NAME,
	OPT_OUT,
	OPT_NO_TRACE,
	OPT_NO_REPORT,
	OPT_VMM,
	OPT_JSON,
	OPT_MEMORY,
	OPT_TIMEOUT,
	OPT_ALLOW_SHARED,
	OPT_ALLOW_TICK,
	OPT_CPUS,
	OPT_GUEST,
	OPT_HOST,
	OPT_GUEST_LOAD,
	OPT_LOAD_FLOOR,
	OPT_SLICE,
	OPT_SPIKE,
	OPT_ON_SPIKE,
	OPT_THRESHOLD,
	OPT_WIDTH,
};

/* What all of them take. */
static const struct argp_option common_rows[] = {
	{ "cpus", OPT_CPUS, "LIST|MAP|auto", 0,
	  "host CPUs of the vCPUs: 2-3, or 0:2,1:3 (default auto: the isolated ones)", 0 },
	{ "smoke", OPT_SMOKE, NULL, 0, "judge function only: any machine, few samples", 2 },
	{ "name", OPT_NAME, "NAME", 0, "of the run (default: the verb's)", 3 },
	{ "out", OPT_OUT, "DIR", 0, "run directory (default runs/TIME-NAME)", 3 },
	{ "no-report", OPT_NO_REPORT, NULL, 0, "leave out the report", 3 },
	{ "json", OPT_JSON, NULL, 0, "print run.json instead of text", 3 },
};

/* What a guest needs: not with --host. */
static const struct argp_option guest_rows[] = {
	{ "guest", OPT_GUEST, "DIR", 0, "guest image (default build/guests/debian-rt)", 0 },
	{ "allow-shared", OPT_ALLOW_SHARED, NULL, 0, "take CPUs that are not isolated", 0 },
	{ "allow-tick", OPT_ALLOW_TICK, NULL, 0, "take isolated CPUs that are not nohz_full", 0 },
	{ "memory", OPT_MEMORY, "SIZE", 0, "the guest's memory (default 512M)", 0 },
	{ "vmm", OPT_VMM, "rtkvm|qemu|PATH", 0,
	  "rtkvm run, QEMU microvm, or another build of rtkvm (default rtkvm)", 0 },
	{ "guest-load", OPT_GUEST_LOAD, "fork|signal|hackbench|memory", 0,
	  "load the guest's vCPU 0 meanwhile (default none)", 1 },
	{ "guest-load-floor", OPT_LOAD_FLOOR, "N", 0,
	  "rounds a second it has to make in every slice (default: more than nothing)", 1 },
	{ "slice", OPT_SLICE, "TIME", 0,
	  "the guest's load proves its work, its vCPU 0 that it lives, and sample hands over a "
	  "histogram, every (default 10s)",
	  1 },
	{ "timeout", OPT_TIMEOUT, "TIME", 0, "end the guest then (default duration + 3m)", 1 },
	{ "no-trace", OPT_NO_TRACE, NULL, 0, "do not count VM exits", 2 },
};

/* Of instruments that are somebody else's program, and run as well where no guest is. */
static const struct argp_option host_rows[] = {
	{ "host", OPT_HOST, NULL, 0, "measure on this host's CPUs, in no guest", 0 },
};

static const struct argp_option cyclictest_rows[] = {
	{ "interval", 'i', "TIME", 0, "cyclictest's interval (default 200us)", 1 },
	{ "duration", 'D', "TIME", 0, "cyclictest's duration, whole seconds (default 30s)", 1 },
	{ "histogram", OPT_HISTOGRAM, "TIME", 0,
	  "range of its histogram (default 10ms; 100ms on an emulated machine)", 1 },
	{ "priority", OPT_PRIORITY, "N", 0, "its SCHED_FIFO priority (default 95)", 1 },
	{ "limit", OPT_LIMIT, "TIME", 0,
	  "largest latency that passes (default 40us; with --smoke none)", 2 },
	{ "spike", OPT_SPIKE, "TIME", 0,
	  "with --on-spike: a wake-up that late (default: over the limit)", 2 },
	{ "on-spike", OPT_ON_SPIKE, "ACTION", 0,
	  "record (default): go on; trace: break off at the first, keep the trace of host and "
	  "guest, and explain it; stop: break off",
	  2 },
};

static const struct argp_option oslat_rows[] = {
	{ "duration", 'D', "TIME", 0, "oslat's duration, whole seconds (default 30s)", 1 },
	{ "priority", OPT_PRIORITY, "N", 0, "its SCHED_FIFO priority (default 1)", 1 },
	{ "limit", OPT_LIMIT, "TIME", 0,
	  "largest gap that passes (default 20us; with --smoke none)", 2 },
};

static const struct argp_option sample_rows[] = {
	{ "interval", 'i', "TIME", 0, "time between wake-ups (default 1ms)", 1 },
	{ "duration", 'D', "TIME", 0, "how long (default 60s)", 1 },
	{ "fifo", OPT_PRIORITY, "PRIO", 0, "SCHED_FIFO priority (default 95)", 1 },
	{ "limit", OPT_LIMIT, "[WHAT=]TIME", 0,
	  "largest acceptable latency; WHAT: max (default), p50, p90, p99 ... p99.9999; may be "
	  "repeated",
	  2 },
	{ "spike", OPT_SPIKE, "TIME", 0, "list wake-ups that late (default: over a limit on max)",
	  2 },
	{ "on-spike", OPT_ON_SPIKE, "ACTION", 0,
	  "record (default); trace: keep the trace of host and guest at the first, and explain it; "
	  "stop",
	  2 },
};

static const struct argp_option hwlat_rows[] = {
	{ "duration", 'D', "TIME", 0, "how long to watch, whole seconds (default 60s)", 1 },
	{ "threshold", OPT_THRESHOLD, "TIME", 0, "gaps of at least this are samples (default 10us)",
	  1 },
	{ "width", OPT_WIDTH, "TIME", 0, "watch this much of each second (default all of it)", 1 },
	{ "priority", OPT_PRIORITY, "N", 0, "its SCHED_FIFO priority (default 10)", 1 },
	{ "limit", OPT_LIMIT, "TIME", 0,
	  "largest gap that passes (default the threshold; with --smoke none)", 2 },
};

struct parse {
	struct ctopts *o;
	const char *for_guest; /* an option that only a guest has a use for; NULL: none was given */
	struct err *e;
};

/* A duration as a whole number of units between min and max. */
static int whole(const char *what, const char *arg, uint64_t unit_ns, const char *unit,
		 uint64_t min, uint64_t max, uint64_t *out, struct err *e)
{
	uint64_t ns;
	int ret = opt_duration(what, arg, &ns, e);

	if (ret < 0)
		return ret;
	if (ns % unit_ns || ns / unit_ns < min || ns / unit_ns > max)
		return err_set(e, -EINVAL, "%s: %s is not whole %s between %ju and %ju", what, arg,
			       unit, (uintmax_t)min, (uintmax_t)max);
	*out = ns / unit_ns;
	return 0;
}

static int parse_vmm(struct ctopts *o, const char *arg, struct err *e)
{
	o->vmm = strcmp(arg, "qemu") ? VMM_RTKVM : VMM_QEMU;
	o->vmm_program = strchr(arg, '/') ? arg : NULL;
	if (strcmp(arg, "qemu") && strcmp(arg, "rtkvm") && !o->vmm_program)
		return err_set(e, -EINVAL,
			       "--vmm: \"%s\" is not rtkvm, qemu or the path of a build of rtkvm",
			       arg);
	return 0;
}

static int parse_guest_load(struct ctopts *o, const char *arg, struct err *e)
{
	o->load = guest_load_find(arg);
	if (!o->load)
		return err_set(e, -EINVAL,
			       "--guest-load: \"%s\" is none of fork, signal, hackbench, memory",
			       arg);
	return 0;
}

static int parse_memory(struct ctopts *o, const char *arg, struct err *e)
{
	int ret = opt_size("--memory", arg, &o->memory_bytes, e);

	if (!ret && (!o->memory_bytes || o->memory_bytes % (1 << 20)))
		ret = err_set(e, -EINVAL, "--memory: %s is not a whole number of MiB", arg);
	return ret;
}

static int parse_limit(struct ctopts *o, const char *arg, struct err *e)
{
	struct sample_limit l = { .what = "max_ns" };
	int ret;

	o->limit_given = true;
	if (o->instrument == GUEST_SAMPLE)
		ret = sample_limit_parse(&l, arg, e);
	else
		ret = opt_latency("--limit", arg, &l.ns, e);
	if (!ret && !l.ns)
		ret = err_set(e, -EINVAL, "--limit: 0 cannot be met");
	if (!ret && o->n_limits == (o->instrument == GUEST_SAMPLE ? SAMPLE_LIMITS : 1))
		ret = err_set(e, -EINVAL, "--limit %s is one too many", arg);
	if (!ret)
		o->limits[o->n_limits++] = l;
	return ret;
}

/* cyclictest and oslat count in seconds; our sampler, asked to go on with a campaign, in nanoseconds. */
static int parse_duration(struct ctopts *o, const char *arg, struct err *e)
{
	int ret;

	if (o->instrument != GUEST_SAMPLE)
		return whole("--duration", arg, NSEC_PER_SEC, "seconds", CTOPTS_LEAST_S, 30 * 86400,
			     &o->duration_s, e);
	ret = opt_duration_in("--duration", arg, 1, 366 * 86400 * NSEC_PER_SEC, &o->duration_ns, e);
	o->duration_s = (o->duration_ns + NSEC_PER_SEC - 1) / NSEC_PER_SEC;
	return ret;
}

static int parse_flag(int key, struct ctopts *o)
{
	switch (key) {
	case OPT_SMOKE:
		o->smoke = true;
		break;
	case OPT_NO_TRACE:
		o->no_trace = true;
		break;
	case OPT_NO_REPORT:
		o->no_report = true;
		break;
	case OPT_JSON:
		o->json = true;
		break;
	case OPT_ALLOW_SHARED:
		o->allow_shared = true;
		break;
	case OPT_ALLOW_TICK:
		o->allow_tick = true;
		break;
	case OPT_HOST:
		o->host = true;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static error_t parse_one(int key, char *arg, struct argp_state *state)
{
	struct parse *p = state->input;
	struct ctopts *o = p->o;

	for (size_t i = 0; i < ARRAY_SIZE(guest_rows); i++)
		if (guest_rows[i].key == key)
			p->for_guest = guest_rows[i].name;
	switch (key) {
	case 'i':
		return -whole("--interval", arg, 1000, "microseconds", MIN_PERIOD_US, 10000000,
			      &o->interval_us, p->e);
	case 'D':
		return -parse_duration(o, arg, p->e);
	case OPT_SLICE:
		return -opt_duration_in("--slice", arg, NSEC_PER_SEC / 10, 3600 * NSEC_PER_SEC,
					&o->slice_ns, p->e);
	case OPT_LOAD_FLOOR:
		return -opt_u64("--guest-load-floor", arg, 0, UINT64_MAX, &o->load_floor, p->e);
	case OPT_SPIKE:
		return -opt_latency_in("--spike", arg, 1, 3600 * NSEC_PER_SEC, &o->spike_ns, p->e);
	case OPT_THRESHOLD:
		return -opt_latency_in("--threshold", arg, 100, NSEC_PER_SEC, &o->threshold_ns,
				       p->e);
	case OPT_WIDTH:
		return -opt_duration_in("--width", arg, NSEC_PER_SEC / 1000, NSEC_PER_SEC,
					&o->width_ns, p->e);
	case OPT_ON_SPIKE:
		return -spike_action_parse("--on-spike", arg, &o->on_spike, p->e);
	case OPT_HISTOGRAM:
		return -whole("--histogram", arg, 1000, "microseconds", 1, 1000000,
			      &o->histogram_us, p->e);
	case OPT_TIMEOUT:
		return -whole("--timeout", arg, NSEC_PER_SEC, "seconds", 1, 60 * 86400,
			      &o->timeout_s, p->e);
	case OPT_PRIORITY:
		return -opt_u64(o->instrument == GUEST_SAMPLE ? "--fifo" : "--priority", arg, 1,
				o->instrument == GUEST_SAMPLE ? 98 : 99, &o->priority, p->e);
	case OPT_LIMIT:
		return -parse_limit(o, arg, p->e);
	case OPT_MEMORY:
		return -parse_memory(o, arg, p->e);
	case OPT_GUEST_LOAD:
		return -parse_guest_load(o, arg, p->e);
	case OPT_VMM:
		return -parse_vmm(o, arg, p->e);
	case OPT_NAME:
		o->name = arg;
		return 0;
	case OPT_OUT:
		o->out = arg;
		return 0;
	case OPT_GUEST:
		o->guest = arg;
		return 0;
	case OPT_CPUS:
		o->cpus = arg;
		return 0;
	case ARGP_KEY_ARG:
		return -err_set(p->e, -EINVAL, "\"%s\" is one argument too many", arg);
	}
	return parse_flag(key, o);
}

static uint64_t default_limit(const struct ctopts *o)
{
	switch (o->instrument) {
	case GUEST_OSLAT:
		return CTOPTS_OSLAT_LIMIT_NS;
	case GUEST_HWLAT:
		return o->threshold_ns;
	default:
		return CTOPTS_LIMIT_NS;
	}
}

/* cyclictest tells of a spike only by ending there, at whole microseconds. */
static int settle_break(const struct ctopts *o, bool given, struct err *e)
{
	if (o->on_spike == SPIKE_RECORD)
		return given ? err_set(e, -EINVAL,
				       "--spike needs --on-spike trace or stop: cyclictest lists "
				       "no spikes")
			     : 0;
	if (!given && o->spike_ns && o->spike_ns < BREAKOFF_LEAST_NS)
		return err_set(e, -EINVAL,
			       "--limit %.3g us: cyclictest can break off at %d us or later; give "
			       "--spike",
			       (o->spike_ns - 1) / 1e3, BREAKOFF_LEAST_NS / 1000);
	if (!given && o->spike_ns > BREAKOFF_MOST_S * NSEC_PER_SEC)
		return err_set(
			e, -EINVAL,
			"--limit %.0f s: cyclictest can break off at %d s at most; give --spike",
			(double)(o->spike_ns - 1) / NSEC_PER_SEC, BREAKOFF_MOST_S);
	if (o->spike_ns &&
	    (o->spike_ns < BREAKOFF_LEAST_NS || o->spike_ns > BREAKOFF_MOST_S * NSEC_PER_SEC))
		return err_set(e, -EINVAL, "--spike: cyclictest can break off at %d us to %d s",
			       BREAKOFF_LEAST_NS / 1000, BREAKOFF_MOST_S);
	return 0;
}

/* What follows from the rest of the command line. */
static int settle(struct ctopts *o, bool emulated, struct err *e)
{
	bool spike_given = o->spike_ns;

	if (o->width_ns && o->threshold_ns > o->width_ns)
		return err_set(e, -EINVAL, "--threshold is longer than the --width watched");
	if (o->instrument != GUEST_SAMPLE) {
		if (!o->limit_given && !o->smoke)
			o->limits[o->n_limits++] =
				(struct sample_limit){ "max_ns", default_limit(o) };
		if (o->histogram_us && o->n_limits && o->limits[0].ns >= o->histogram_us * 1000)
			return err_set(
				e, -EINVAL,
				"--histogram: %ju us do not reach beyond the limit of %.3f us: "
				"how often it was broken could not be told",
				(uintmax_t)o->histogram_us, o->limits[0].ns / 1e3);
		if (!o->histogram_us)
			o->histogram_us = emulated ? HISTOGRAM_EMULATED_US : HISTOGRAM_US;
		o->duration_ns = o->duration_s * NSEC_PER_SEC;
	} else if (o->duration_ns < o->interval_us * 1000 || o->slice_ns < o->interval_us * 1000) {
		return err_set(e, -EINVAL, "--duration or --slice is shorter than --interval");
	}
	for (size_t i = 0; i < o->n_limits && !o->spike_ns; i++)
		if (!strcmp(o->limits[i].what, "max_ns"))
			o->spike_ns = o->limits[i].ns + 1; /* at the limit is within it */
	if (o->on_spike != SPIKE_RECORD && !o->spike_ns)
		return err_set(e, -EINVAL, "--on-spike %s needs --spike, or --limit for max",
			       spike_action_name(o->on_spike));
	if (o->instrument == GUEST_CYCLICTEST && settle_break(o, spike_given, e) < 0)
		return e->code;
	if (o->load_floor && !o->load)
		return err_set(e, -EINVAL, "--guest-load-floor needs --guest-load");
	if (!o->timeout_s)
		o->timeout_s = o->duration_s + CTOPTS_BOOT_S;
	return 0;
}

static const struct {
	const struct argp_option *rows;
	size_t n;
	bool on_host; /* takes --host */
	const char *doc;
	uint64_t interval_us, duration_s, priority; /* defaults */
} instruments[] = {
	[GUEST_CYCLICTEST] = { cyclictest_rows, ARRAY_SIZE(cyclictest_rows), true,
			       "Boot a real-time guest, run cyclictest on its isolated vCPUs, "
			       "record the result in a run directory. With --host, the same "
			       "on CPUs of this host.",
			       200, 30, 95 },
	[GUEST_SAMPLE] = { sample_rows, ARRAY_SIZE(sample_rows), false,
			   "Boot a real-time guest and measure timer latency on its isolated "
			   "vCPUs: one thread on each sleeps to the points of an absolute grid. A "
			   "histogram leaves the guest every slice, so that a guest that breaks "
			   "costs one at most.",
			   1000, 60, 95 },
	[GUEST_OSLAT] = { oslat_rows, ARRAY_SIZE(oslat_rows), true,
			  "Boot a real-time guest and run oslat on its isolated vCPUs: busy loops "
			  "that find every gap, whoever makes it. With --host, the same on "
			  "CPUs of this host.",
			  0, 30, 1 },
	[GUEST_HWLAT] = { hwlat_rows, ARRAY_SIZE(hwlat_rows), false,
			  "Boot a real-time guest and run rtkvm hwlat on its isolated vCPUs: every "
			  "moment in which one was taken away, and who took it: the guest's own "
			  "kernel, or the host.",
			  0, 60, 10 },
};

/* An instrument's own options and those of every guest, for argp. */
static void join_rows(struct argp_option *rows, enum guest_instrument instrument)
{
	const struct {
		const struct argp_option *rows;
		size_t n;
	} parts[] = {
		{ host_rows, instruments[instrument].on_host ? ARRAY_SIZE(host_rows) : 0 },
		{ instruments[instrument].rows, instruments[instrument].n },
		{ guest_rows, ARRAY_SIZE(guest_rows) },
		{ common_rows, ARRAY_SIZE(common_rows) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		memcpy(rows, parts[i].rows, parts[i].n * sizeof(*rows));
		rows += parts[i].n;
	}
}

enum {
	OWN_ROWS = 7, /* the longest: checked below */
	ROWS = OWN_ROWS + ARRAY_SIZE(host_rows) + ARRAY_SIZE(guest_rows) + ARRAY_SIZE(common_rows) +
	       1,
};

_Static_assert(ARRAY_SIZE(cyclictest_rows) <= OWN_ROWS && ARRAY_SIZE(oslat_rows) <= OWN_ROWS &&
		       ARRAY_SIZE(sample_rows) <= OWN_ROWS && ARRAY_SIZE(hwlat_rows) <= OWN_ROWS,
	       "OWN_ROWS is for the longest");

int ctopts_parse(struct ctopts *o, enum guest_instrument instrument, int argc, char **argv,
		 bool emulated, struct err *e)
{
	struct argp_option rows[ROWS] = { 0 };
	const struct argp argp = { .options = rows,
				   .parser = parse_one,
				   .doc = instruments[instrument].doc };
	struct parse p = { .o = o, .e = e };
	int ret;

	*o = (struct ctopts){
		.instrument = instrument,
		.guest = "build/guests/debian-rt",
		.cpus = "auto",
		.name = guest_tool(instrument)->name,
		.memory_bytes = 512 << 20,
		.interval_us = instruments[instrument].interval_us,
		.duration_s = instruments[instrument].duration_s,
		.slice_ns = 10 * NSEC_PER_SEC,
		.priority = instruments[instrument].priority,
		.threshold_ns = CTOPTS_HWLAT_THRESHOLD_NS,
	};
	o->duration_ns = o->duration_s * NSEC_PER_SEC;
	join_rows(rows, instrument);
	ret = opt_parse(&argp, argc, argv, false, &p, e);
	if (!ret && o->host && p.for_guest)
		ret = err_set(e, -EINVAL, "--host measures in no guest: --%s does not apply",
			      p.for_guest);
	return ret < 0 ? ret : settle(o, emulated, e);
}

int ctopts_cpus(const struct ctopts *o, const struct hostcpus *host, struct cpumap *map,
		struct err *e)
{
	struct cpulist isolated = cpulist_and(&host->isolated, &host->online);
	int ret;

	*map = (struct cpumap){ 0 };
	if (strcmp(o->cpus, "auto") != 0) {
		ret = opt_cpumap("--cpus", o->cpus, map, e);
		if (!ret && map->n < 2)
			ret = err_set(e, -EINVAL,
				      "--cpus %s is one vCPU; two are needed: vCPU 0 does the "
				      "guest's housekeeping, the others are measured",
				      o->cpus);
		return ret;
	}
	cpulist_for_each(cpu, &isolated)
		if (map->n < CPUMAP_VCPUS)
			map->host[map->n++] = cpu;
	if (map->n < 2)
		return err_set(e, -EINVAL,
			       "choosing CPUs failed: %d isolated on this host, two are needed; "
			       "isolate some (rtkvm doctor tells how), or name CPUs with --cpus "
			       "and --allow-shared",
			       map->n);
	return 0;
}
