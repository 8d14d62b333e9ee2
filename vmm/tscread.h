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

/* From one reading to another the vCPU's TSC ran off_ppm faster than the host's, give or take bound_ppm. */
struct tsc_scale {
	bool known; /* KVM gives readings */
	double off_ppm,
		bound_ppm; /* millionths; the bound is what the readings took, of the time between */
};

/*
 * tsc_check_scale - did the vCPU's TSC run at the host's rate from one reading to another? Not by KVM's
 * own word for its rate: that is the host kernel's number, whatever runs. KVM scales from a difference
 * of 250 ppm on (arch/x86/kvm/x86.c, tsc_tolerance_ppm); so one that is off by half of it for certain
 * is scaled. The shorter the time, the less is certain: *s tells. What is not known is not judged.
 * -EIO: scaled, or the host's own stood still
 */
enum { TSC_TOLERANCE_PPM = 125 };
int tsc_check_scale(struct tsc_scale *s, int index, const struct tsc_read *from,
		    const struct tsc_read *to, struct err *e);

#endif
