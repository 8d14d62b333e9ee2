/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tsc - the time-stamp counter as a clock: its rate, whether to trust it, its place in real time
 */
#ifndef RTKVM_HWLAT_TSC_H
#define RTKVM_HWLAT_TSC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/tscpoint.h"

enum tsc_source {
	TSC_FROM_CRYSTAL, /* CPUID leaf 0x15: crystal and ratio (Intel SDM vol. 2A, CPUID) */
	TSC_FROM_HYPERVISOR, /* CPUID leaf 0x40000010: kHz (VMware's interface, also QEMU, KVM) */
	TSC_MEASURED, /* against CLOCK_MONOTONIC_RAW */
};

struct tsc {
	uint64_t hz;
	enum tsc_source source;
	bool invariant; /* CPUID 0x80000007 EDX[8]: same rate in all P-, C- and T-states */
	bool kernel_trusts; /* "tsc" is among the kernel's clock sources */
	bool hypervisor; /* CPUID 1 ECX[31]: this is a guest */
	struct tsc_point base; /* what stamps are converted by; tsc_rebase moves it */
};

/* tsc_probe - find the rate (50 ms when it has to be measured) and take the first point */
int tsc_probe(struct tsc *t, struct err *e);

/* tsc_trust - -ENOTSUP with the reason when gaps in this counter mean nothing */
int tsc_trust(const struct tsc *t, struct err *e);

/*
 * tsc_rebase - convert by this later point from now on: by an old one the clocks that are told drift
 * away from the kernel's, which it keeps adjusting. A point whose readings lie too far apart is not
 * taken.
 */
void tsc_rebase(struct tsc *t, const struct tsc_point *p);

/* tsc_source_name - for the report */
const char *tsc_source_name(enum tsc_source s);

/* tsc_ns - a length in cycles to nanoseconds; tsc_cycles - the other way; both round down */
uint64_t tsc_ns(uint64_t hz, uint64_t cycles);
uint64_t tsc_cycles(uint64_t hz, uint64_t ns);

/* tsc_wall_ns, tsc_mono_ns - the instant of a reading, before or after the base point */
uint64_t tsc_wall_ns(const struct tsc *t, uint64_t tsc);
uint64_t tsc_mono_ns(const struct tsc *t, uint64_t tsc);

/*
 * tsc_drift_ppm - how far the counter ran from hz between two points, by CLOCK_MONOTONIC_RAW;
 * *error_ppm (may be NULL) is what the readings themselves may be off
 */
double tsc_drift_ppm(uint64_t hz, const struct tsc_point *a, const struct tsc_point *b,
		     double *error_ppm);

#endif
