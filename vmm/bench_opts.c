// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/cpulist.h"
#include "lib/opt.h"
#include "vmm/bench.h"

enum {
	OPT_VMM = 0x100,
	OPT_CPU,
	OPT_DURATION,
	OPT_FIFO,
	OPT_ALLOW_SHARED,
	OPT_ALLOW_TICK,
	OPT_THRESHOLD,
	OPT_PERIOD,
	OPT_JSON,
	OPT_OUT,
	OPT_LAST = OPT_OUT,
	FIFO_MAX = 98,
};

#define MIN_DURATION_NS (NSEC_PER_SEC / 10)
#define MAX_DURATION_NS (24 * 3600 * NSEC_PER_SEC)

static const char *const payloads[] = {
	[BENCH_GAP] = "gap", [BENCH_TIMER] = "timer", [BENCH_EXITS] = "exits"
};
static const char *const vmms[] = { [BENCH_RTKVM] = "rtkvm", [BENCH_QEMU] = "qemu" };

static const struct argp_option options[] = {
	{ "vmm", OPT_VMM, "rtkvm|qemu", 0, "what runs the payload (default rtkvm)" },
	{ "cpu", OPT_CPU, "N", 0, "host CPU of the vCPU (default: the first isolated one)" },
	{ "duration", OPT_DURATION, "DURATION", 0, "how long it measures (default 10s)" },
	{ "fifo", OPT_FIFO, "PRIO", 0,
	  "SCHED_FIFO priority of the vCPU's thread (default 1; 0: SCHED_OTHER)" },
	{ "allow-shared", OPT_ALLOW_SHARED, 0, 0,
	  "accept a CPU that is not isolated or not nohz_full: no latency is promised" },
	{ "allow-tick", OPT_ALLOW_TICK, 0, 0,
	  "accept a CPU that is isolated but not nohz_full: the host's tick shows" },
	{ "threshold", OPT_THRESHOLD, "DURATION", 0,
	  "gap: gaps of at least this are listed (default 10us)" },
	{ "period", OPT_PERIOD, "LIST", 0,
	  "timer: times between deadlines (default 50us,200us,1ms), each in HLT and in a loop" },
	{ "json", OPT_JSON, 0, 0, "machine-readable result on stdout" },
	{ "out", OPT_OUT, "DIR", 0, "leave a run directory there, for rtkvm report" },
	{ 0 },
};

const char *bench_payload_name(enum bench_payload p)
{
	return payloads[p];
}

const char *bench_vmm_name(enum bench_vmm v)
{
	return vmms[v];
}

static int pick(const char *what, const char *text, const char *const *names, size_t n,
		struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], text))
			return i;
	return err_set(e, -EINVAL, "%s \"%s\" is unknown; see --help", what, text);
}

static int set_periods(struct bench_opts *o, const char *text, struct err *e)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *word;
	int ret = 0;

	o->n_periods = 0;
	while (!ret && rest && (word = strsep(&rest, ","))) {
		if (o->n_periods == BENCH_PERIODS)
			return err_set(e, -EINVAL, "--period: at most %d are taken", BENCH_PERIODS);
		ret = opt_latency_in("--period", word, 10000, NSEC_PER_SEC,
				     &o->period_ns[o->n_periods], e);
		if (!ret && o->period_ns[o->n_periods++] % 1000)
			ret = err_set(e, -EINVAL, "--period: \"%s\" is no whole number of us",
				      word);
		for (size_t i = 0; !ret && i + 1 < o->n_periods; i++)
			if (o->period_ns[i] == o->period_ns[o->n_periods - 1])
				ret = err_set(e, -EINVAL, "--period: \"%s\" is given twice", word);
	}
	return copy ? ret : err_set(e, -ENOMEM, "no memory");
}

static int set(struct bench_opts *o, int key, const char *arg, struct err *e)
{
	int ret;

	switch (key) {
	case OPT_VMM:
		ret = pick("--vmm:", arg, vmms, BENCH_VMMS, e);
		o->vmm = ret < 0 ? BENCH_RTKVM : ret;
		return ret < 0 ? ret : 0;
	case OPT_CPU:
		return opt_int("--cpu", arg, 0, CPULIST_CPUS - 1, &o->cpu, e);
	case OPT_DURATION:
		return opt_duration_in("--duration", arg, MIN_DURATION_NS, MAX_DURATION_NS,
				       &o->duration_ns, e);
	case OPT_FIFO:
		return opt_int("--fifo", arg, 0, FIFO_MAX, &o->fifo, e);
	case OPT_ALLOW_SHARED:
		o->allow_shared = true;
		return 0;
	case OPT_ALLOW_TICK:
		o->allow_tick = true;
		return 0;
	case OPT_THRESHOLD:
		return opt_latency_in("--threshold", arg, 100, NSEC_PER_SEC, &o->threshold_ns, e);
	case OPT_PERIOD:
		return set_periods(o, arg, e);
	case OPT_JSON:
		o->json = true;
		return 0;
	default:
		o->out = arg;
		return 0;
	}
}

struct parse {
	struct bench_opts *o;
	struct err *e;
	bool named;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct parse *p = state->input;
	uint64_t bit;
	int ret;

	if (key == ARGP_KEY_ARG) {
		ret = p->named ? err_set(p->e, -EINVAL, "one payload at a time: \"%s\"", arg)
			       : pick("payload", arg, payloads, BENCH_PAYLOADS, p->e);
		p->named = true;
		p->o->payload = ret < 0 ? BENCH_GAP : ret;
		return ret < 0 ? EINVAL : 0;
	}
	if (key < OPT_VMM || key > OPT_LAST)
		return ARGP_ERR_UNKNOWN;
	bit = 1ull << (key - OPT_VMM);
	if (p->o->given & bit) {
		err_set(p->e, -EINVAL, "--%s is given twice", options[key - OPT_VMM].name);
		return EINVAL;
	}
	p->o->given |= bit;
	return set(p->o, key, arg, p->e) < 0 ? EINVAL : 0;
}

static bool given(const struct bench_opts *o, int key)
{
	return o->given >> (key - OPT_VMM) & 1;
}

static int check(const struct bench_opts *o, struct err *e)
{
	if (given(o, OPT_THRESHOLD) && o->payload != BENCH_GAP)
		return err_set(e, -EINVAL, "--threshold is for the payload gap");
	if (given(o, OPT_PERIOD) && o->payload != BENCH_TIMER)
		return err_set(e, -EINVAL, "--period is for the payload timer");
	for (size_t i = 0; i < o->n_periods && o->payload == BENCH_TIMER; i++)
		if (o->duration_ns / (2 * o->n_periods) < 2 * o->period_ns[i])
			return err_set(e, -EINVAL,
				       "--duration: too short for two deadlines of %" PRIu64
				       " us in each of %zu rows",
				       o->period_ns[i] / 1000, 2 * o->n_periods);
	return 0;
}

size_t bench_rows(const struct bench_opts *o)
{
	static const size_t fixed[BENCH_PAYLOADS] = {
		[BENCH_GAP] = 2, [BENCH_EXITS] = ABI_BENCH_DEADLINE - ABI_BENCH_NOTHING + 1
	};

	return o->payload == BENCH_TIMER ? 2 * o->n_periods : fixed[o->payload];
}

uint32_t bench_kind(const struct bench_opts *o, size_t i)
{
	switch (o->payload) {
	case BENCH_GAP:
		return ABI_BENCH_LOOP + i;
	case BENCH_TIMER:
		return ABI_BENCH_HLT + i % 2;
	default:
		return ABI_BENCH_NOTHING + i;
	}
}

int bench_opts_parse(struct bench_opts *o, int argc, char **argv, struct err *e)
{
	static const struct argp argp = {
		options, parse, "gap|timer|exits",
		"Measure this host's KVM with a guest that is nothing but the measurement.\v"
		"gap: what takes the vCPU away while it spins with interrupts off. timer: how "
		"late TSC-deadline interrupts come. exits: what instructions cost that leave the "
		"guest. Exit codes: 0 measured, 2 usage or "
		"environment, 3 interrupted. See rtkvm-bench(1)."
	};
	struct parse p = { .o = o, .e = e };
	int ret;

	*o = (struct bench_opts){
		.cpu = -1,
		.fifo = 1,
		.duration_ns = 10 * NSEC_PER_SEC,
		.threshold_ns = 10000,
		.period_ns = { 50000, 200000, 1000000 },
		.n_periods = 3,
	};
	ret = opt_parse(&argp, argc, argv, false, &p, e);
	if (ret < 0)
		return ret;
	if (!p.named)
		return err_set(e, -EINVAL, "name a payload: gap, timer or exits");
	return check(o, e);
}
