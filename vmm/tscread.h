/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tscread - a vCPU's TSC, read between two readings of the host's; and whether both run at one rate
 */
#ifndef RTKVM_VMM_TSCREAD_H
#define RTKVM_VMM_TSCREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

/*
 * The guest's TSC was what it says at some moment from before to after: how far it is ahead of the
 * host's lies between guest - after and guest - before. All 0: KVM does not give it.
 */
struct tsc_read {
	uint64_t before, guest, after;
};

/* tsc_read - the closest of some tries; vcpu_fd is not running */
struct tsc_read tsc_read(int vcpu_fd);

/* The host's TSC and CLOCK_MONOTONIC_RAW at one instant; error_tsc: how far apart they may be. */
struct tsc_instant {
	uint64_t tsc, raw_ns, error_tsc;
};

/* What the kernel's own clock says of the host's TSC, and by how many millionths it may be off. */
struct tsc_rate {
	uint32_t khz, error_ppm;
};

/* tsc_instant - the closest of some tries; nothing but readings of clocks */
struct tsc_instant tsc_instant(void);

/*
 * tsc_rate - between two points, the second later than the first. -EIO when one clock stood still, or
 * they lie so near each other that the rate says nothing (over TSC_ERROR_MAX_PPM)
 */
int tsc_rate(struct tsc_rate *r, const struct tsc_instant *from, const struct tsc_instant *to,
	     struct err *e);

/*
 * tsc_check_scale - did the vCPU's TSC run at the host's rate from one reading to another? Not by KVM's
 * own word for its rate: that is the host kernel's number, whatever runs. KVM scales from a difference
 * of 250 ppm on (arch/x86/kvm/x86.c, tsc_tolerance_ppm); how finely it shows depends on the time between
 * the readings and on how long they took. Nothing is known, and 0, where KVM gives no reading. -EIO: no
 */
enum { TSC_TOLERANCE_PPM = 250, TSC_ERROR_MAX_PPM = 2000 };
int tsc_check_scale(int index, const struct tsc_read *from, const struct tsc_read *to,
		    struct err *e);

#endif
