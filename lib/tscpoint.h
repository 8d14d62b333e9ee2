/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tscpoint - the time-stamp counter beside the kernel's clocks, and its rate by them
 */
#ifndef RTKVM_LIB_TSCPOINT_H
#define RTKVM_LIB_TSCPOINT_H

#include <stdint.h>

/* One instant on three clocks; error_tsc bounds how far apart the readings can be. */
struct tsc_point {
	uint64_t tsc, mono_ns, wall_ns, raw_ns, error_tsc;
};

/* tsc_point - read the clocks together, the closest of several tries */
void tsc_point(struct tsc_point *p);

/*
 * tsc_measured_hz - the counter's rate by CLOCK_MONOTONIC_RAW, which nobody adjusts: 50 ms, up to 1 s
 * on a disturbed machine, until reading the clocks matters by 10 ppm at most. 0: that clock stands still
 */
uint64_t tsc_measured_hz(void);

#endif
