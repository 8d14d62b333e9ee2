/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tscread - a vCPU's TSC, read between two readings of the host's
 */
#ifndef RTKVM_VMM_TSCREAD_H
#define RTKVM_VMM_TSCREAD_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The guest's TSC was what it says at some moment from before to after: how far it is ahead of the
 * host's lies between guest - after and guest - before. All 0: KVM does not give it.
 */
struct tsc_read {
	uint64_t before, guest, after;
};

/* tsc_read - the closest of some tries; vcpu_fd is not running */
struct tsc_read tsc_read(int vcpu_fd);

#endif
