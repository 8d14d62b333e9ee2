// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/ctopts.h"

#include <errno.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/opt.h"

enum {
	HISTOGRAM_US = 10000,
	HISTOGRAM_EMULATED_US = 100000, /* a busy machine stalls its emulated CPUs that long */
	BOOT_S = 180, /* an emulated guest boots in 20 s on an idle machine */
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
	OPT_GUEST_LOAD,
};

static const struct argp_option rows[] = {
	{ "guest", OPT_GUEST, "DIR", 0, "guest image (default build/guests/debian-rt)", 0 },
	{ "cpus", OPT_CPUS, "LIST|MAP|auto", 0,
	  "host CPUs of the vCPUs: 2-3, or 0:2,1:3 (default auto: the isolated ones)", 0 },
	{ "allow-shared", OPT_ALLOW_SHARED, NULL, 0, "take CPUs that are not isolated", 0 },
	{ "allow-tick", OPT_ALLOW_TICK, NULL, 0, "take isolated CPUs that are not nohz_full", 0 },
	{ "memory", OPT_MEMORY, "SIZE", 0, "the guest's memory (default 512M)", 0 },
	{ "vmm", OPT_VMM, "rtkvm|qemu|PATH", 0,
	  "rtkvm run, QEMU microvm, or another build of rtkvm (default rtkvm)", 0 },
	{ "interval", 'i', "TIME", 0, "cyclictest's interval (default 200us)", 1 },
	{ "duration", 'D', "TIME", 0, "cyclictest's duration, whole seconds (default 30s)", 1 },
	{ "histogram", OPT_HISTOGRAM, "TIME", 0,
	  "range of its histogram (default 10ms; 100ms on an emulated machine)", 1 },
	{ "priority", OPT_PRIORITY, "N", 0, "its SCHED_FIFO priority (default 95)", 1 },
	{ "guest-load", OPT_GUEST_LOAD, "fork|hackbench|memory", 0,
	  "load the guest's vCPU 0 meanwhile (default none)", 1 },
	{ "timeout", OPT_TIMEOUT, "TIME", 0, "end the guest then (default duration + 3m)", 1 },
	{ "limit", OPT_LIMIT, "TIME", 0,
	  "largest latency that passes (default 40us; with --smoke none)", 2 },
	{ "smoke", OPT_SMOKE, NULL, 0, "judge function only: any machine, few samples", 2 },
	{ "no-trace", OPT_NO_TRACE, NULL, 0, "do not count VM exits", 2 },
	{ "name", OPT_NAME, "NAME", 0, "of the run (default cyclictest)", 3 },
	{ "out", OPT_OUT, "DIR", 0, "run directory (default runs/TIME-NAME)", 3 },
	{ "no-report", OPT_NO_REPORT, NULL, 0, "leave out the report", 3 },
	{ "json", OPT_JSON, NULL, 0, "print run.json instead of text", 3 },
	{ 0 },
};

struct parse {
	struct ctopts *o;
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

/* No quotes in them: they travel on the kernel's command line. */
static const struct guest_load guest_loads[] = {
	{ "fork", "/bin/true" }, /* busybox: a fork and an exec a round */
	{ "hackbench", "hackbench -g 1 -l 100" },
	{ "memory", "dd if=/dev/zero of=/dev/null bs=16M count=8" },
};

const struct guest_load *guest_load_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(guest_loads); i++)
		if (!strcmp(guest_loads[i].name, name))
			return &guest_loads[i];
	return NULL;
}

static int parse_guest_load(struct ctopts *o, const char *arg, struct err *e)
{
	o->load = guest_load_find(arg);
	if (!o->load)
		return err_set(e, -EINVAL,
			       "--guest-load: \"%s\" is none of fork, hackbench, memory", arg);
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
	int ret = opt_duration("--limit", arg, &o->limit_ns, e);

	o->limit_given = true;
	if (!ret && !o->limit_ns)
		ret = err_set(e, -EINVAL, "--limit: 0 cannot be met");
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
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static error_t parse_one(int key, char *arg, struct argp_state *state)
{
	struct parse *p = state->input;
	struct ctopts *o = p->o;

	switch (key) {
	case 'i':
		return -whole("--interval", arg, 1000, "microseconds", 10, 10000000,
			      &o->interval_us, p->e);
	case 'D': /* the job reads its threads' policy back after one second */
		return -whole("--duration", arg, NSEC_PER_SEC, "seconds", 2, 30 * 86400,
			      &o->duration_s, p->e);
	case OPT_HISTOGRAM:
		return -whole("--histogram", arg, 1000, "microseconds", 1, 1000000,
			      &o->histogram_us, p->e);
	case OPT_TIMEOUT:
		return -whole("--timeout", arg, NSEC_PER_SEC, "seconds", 1, 60 * 86400,
			      &o->timeout_s, p->e);
	case OPT_PRIORITY:
		return -opt_u64("--priority", arg, 1, 99, &o->priority, p->e);
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

int ctopts_parse(struct ctopts *o, int argc, char **argv, bool emulated, struct err *e)
{
	static const struct argp argp = {
		.options = rows,
		.parser = parse_one,
		.doc = "Boot a real-time guest, run cyclictest on its isolated vCPUs, record the "
		       "result in a run directory.",
	};
	struct parse p = { .o = o, .e = e };
	int ret;

	*o = (struct ctopts){
		.guest = "build/guests/debian-rt",
		.cpus = "auto",
		.name = "cyclictest",
		.memory_bytes = 512 << 20,
		.interval_us = 200,
		.duration_s = 30,
		.priority = 95,
	};
	ret = opt_parse(&argp, argc, argv, false, &p, e);
	if (ret < 0)
		return ret;
	if (!o->limit_given && !o->smoke)
		o->limit_ns = CTOPTS_LIMIT_NS;
	if (!o->histogram_us)
		o->histogram_us = emulated ? HISTOGRAM_EMULATED_US : HISTOGRAM_US;
	if (!o->timeout_s)
		o->timeout_s = o->duration_s + BOOT_S;
	return 0;
}

int ctopts_cpus(const struct ctopts *o, const struct hostcpus *host, struct cpumap *map,
		struct err *e)
{
	struct cpulist isolated = cpulist_and(&host->isolated, &host->online);
	int ret;

	*map = (struct cpumap){ 0 };
	if (strcmp(o->cpus, "auto") != 0) {
		ret = cpumap_parse(map, o->cpus, e);
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

/*
 * Facts and threads are read in the guest, so that run.json tells what was in force. Of the text
 * output the comments come back: they hold what the JSON omits (overflows, their cycles, breaks),
 * while its histogram has a row for every empty bin and each byte costs a VM exit.
 */
static const char job[] =
	"grep -H '' /proc/version /proc/cmdline /sys/devices/system/cpu/isolated "
	"/sys/devices/system/cpu/nohz_full /sys/kernel/realtime "
	"/sys/devices/system/clocksource/clocksource0/current_clocksource "
	">/out/guest-facts 2>/dev/null; "
	"%s"
	"cyclictest -m -q -p%ju --policy=fifo -a 1-%d -t %d -i %ju -h %ju -D %ju "
	"--json=/out/cyclictest.json >/tmp/text & "
	"p=$!; until sleep 1; cat /proc/$p/task/*/stat >/out/guest-threads "
	"2>/dev/null; [ $(grep -c . /out/guest-threads) -gt %d -o ! -e /proc/$p ]; "
	"do :; done; "
	"wait $p; r=$?; %sgrep ^# /tmp/text >/out/cyclictest.txt; exit $r";

/* The rounds so far are a file, replaced each time: in 24 hours a line a round would fill memory. */
static const char load_start[] = "(n=0; while %s; do n=$((n+1)); echo $n >/tmp/load; done) "
				 ">/dev/null 2>&1 & l=$!; ";
static const char load_end[] = "kill $l; cat /tmp/load >/out/guest-load 2>/dev/null; ";

int ctopts_append(const struct ctopts *o, int vcpus, char *buf, size_t size, struct err *e)
{
	char list[16], command[1024], load[256] = "";
	int n;

	snprintf(list, sizeof(list), vcpus > 2 ? "1-%d" : "%d", vcpus - 1);
	if (o->load)
		snprintf(load, sizeof(load), load_start, o->load->command);
	n = snprintf(command, sizeof(command), job, load, (uintmax_t)o->priority, vcpus - 1,
		     vcpus - 1, (uintmax_t)o->interval_us, (uintmax_t)o->histogram_us,
		     (uintmax_t)o->duration_s, vcpus - 1, o->load ? load_end : "");
	if (n > 0 && (size_t)n < sizeof(command))
		n = snprintf(buf, size,
			     "console=ttyS0 quiet isolcpus=managed_irq,domain,%s nohz_full=%s "
			     "rcu_nocbs=%s rcu_nocb_poll irqaffinity=0 skew_tick=1 tsc=reliable "
			     "nosoftlockup nmi_watchdog=0 mce=ignore_ce panic=-1 rtkvm.exec=\"%s\"",
			     list, list, list, command);
	if (n < 0 || (size_t)n >= size)
		return err_set(e, -E2BIG, "the guest's command line is too long");
	return 0;
}
