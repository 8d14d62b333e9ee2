// SPDX-License-Identifier: GPL-2.0-only
#include "hwlat/tsc.h"

#include <cpuid.h>
#include <errno.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/file.h"

#define CLOCKSOURCES "/sys/devices/system/clocksource/clocksource0/available_clocksource"

enum { REBASE_NS = 10000 }; /* a point this good always does */

uint64_t tsc_ns(uint64_t hz, uint64_t cycles)
{
	return (unsigned __int128)cycles * NSEC_PER_SEC / hz;
}

uint64_t tsc_cycles(uint64_t hz, uint64_t ns)
{
	return (unsigned __int128)ns * hz / NSEC_PER_SEC;
}

void tsc_rebase(struct tsc *t, const struct tsc_point *p)
{
	uint64_t usual = 2 * t->base.error_tsc, least = tsc_cycles(t->hz, REBASE_NS);

	if (p->error_tsc <= (usual > least ? usual : least))
		t->base = *p;
}

/* ECX is the crystal in Hz, EBX/EAX the ratio; a processor that leaves one out cannot be used. */
static uint64_t crystal_hz(void)
{
	unsigned int a, b, c, d;

	if (!__get_cpuid_count(0x15, 0, &a, &b, &c, &d) || !a || !b || !c)
		return 0;
	return (uint64_t)c * b / a;
}

static uint64_t hypervisor_hz(bool hypervisor)
{
	unsigned int a, b, c, d;

	if (!hypervisor)
		return 0;
	__cpuid(0x40000000, a, b, c, d);
	if (a < 0x40000010 || a > 0x400000ff)
		return 0;
	__cpuid(0x40000010, a, b, c, d);
	return (uint64_t)a * 1000;
}

int tsc_probe(struct tsc *t, struct err *e)
{
	unsigned int a, b, c, d;
	char sources[256];

	*t = (struct tsc){ 0 };
	if (!__get_cpuid(1, &a, &b, &c, &d) || !(d & 1u << 4))
		return err_set(e, -ENOTSUP, "this CPU has no time-stamp counter");
	t->hypervisor = c & 1u << 31;
	if (__get_cpuid(0x80000007, &a, &b, &c, &d))
		t->invariant = d & 1u << 8;
	file_read_line(CLOCKSOURCES, sources, sizeof(sources));
	for (char *save, *word = strtok_r(sources, " ", &save); word;
	     word = strtok_r(NULL, " ", &save))
		t->kernel_trusts |= !strcmp(word, "tsc");
	t->source = TSC_FROM_CRYSTAL;
	t->hz = crystal_hz();
	if (!t->hz) {
		t->source = TSC_FROM_HYPERVISOR;
		t->hz = hypervisor_hz(t->hypervisor);
	}
	if (!t->hz) {
		t->source = TSC_MEASURED;
		t->hz = tsc_measured_hz();
	}
	if (!t->hz)
		return err_set(e, -EIO,
			       "measuring the rate of the time-stamp counter failed: "
			       "CLOCK_MONOTONIC_RAW stands still");
	tsc_point(&t->base);
	return 0;
}

int tsc_trust(const struct tsc *t, struct err *e)
{
	if (!t->kernel_trusts)
		return err_set(
			e, -ENOTSUP,
			"the kernel has given up the time-stamp counter as unstable (it jumps, "
			"or differs between CPUs): gaps in it may be its own; see dmesg for "
			"\"tsc\", or take --allow-unstable-tsc");
	if (!t->invariant)
		return err_set(
			e, -ENOTSUP,
			"the time-stamp counter is not invariant (CPUID 0x80000007 EDX[8]): it "
			"changes its rate or stops with the CPU's frequency and sleep states, so "
			"lengths would be wrong; --allow-unstable-tsc measures all the same");
	return 0;
}

const char *tsc_source_name(enum tsc_source s)
{
	static const char *const names[] = {
		[TSC_FROM_CRYSTAL] = "CPUID 0x15",
		[TSC_FROM_HYPERVISOR] = "CPUID 0x40000010",
		[TSC_MEASURED] = "measured against CLOCK_MONOTONIC_RAW",
	};

	return names[s];
}

static uint64_t shift(uint64_t clock_ns, const struct tsc *t, uint64_t tsc)
{
	if (tsc >= t->base.tsc)
		return clock_ns + tsc_ns(t->hz, tsc - t->base.tsc);
	return clock_ns - tsc_ns(t->hz, t->base.tsc - tsc);
}

uint64_t tsc_wall_ns(const struct tsc *t, uint64_t tsc)
{
	return shift(t->base.wall_ns, t, tsc);
}

uint64_t tsc_mono_ns(const struct tsc *t, uint64_t tsc)
{
	return shift(t->base.mono_ns, t, tsc);
}

double tsc_drift_ppm(uint64_t hz, const struct tsc_point *a, const struct tsc_point *b,
		     double *error_ppm)
{
	double ns = (double)(b->raw_ns - a->raw_ns);
	double by_tsc = (double)(b->tsc - a->tsc) * 1e9 / hz;

	if (error_ppm)
		*error_ppm = (a->error_tsc + b->error_tsc) * 1e9 / hz / ns * 1e6;
	return (by_tsc - ns) / ns * 1e6;
}
