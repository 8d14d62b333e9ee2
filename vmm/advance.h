/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * advance - how much earlier than asked KVM fires the local APIC's timer, to hide its own latency
 *
 * Until Linux 6.9 or so the kvm module has lapic_timer_advance_ns (-1: adapts itself, 0: off, N: so
 * many ns), which a vCPU copies when it is created: it is set for that moment and put back. Later
 * ones have lapic_timer_advance (Y, N), read-only. What a vCPU has come to is in debugfs.
 */
#ifndef RTKVM_VMM_ADVANCE_H
#define RTKVM_VMM_ADVANCE_H

#include <stdint.h>

#include "lib/err.h"
#include "lib/knob.h"

enum advance_mode { ADVANCE_KEEP, ADVANCE_AUTO, ADVANCE_OFF, ADVANCE_NS };

enum { ADVANCE_MAX_NS = 100000 }; /* the vCPU spins so long with interrupts off */

struct advance_opts {
	enum advance_mode mode; /* ADVANCE_KEEP: as the host has it */
	uint32_t ns; /* with ADVANCE_NS */
};

struct advance {
	struct knob knob;
	char want[16], journal[64];
	int root, lock; /* -1: nothing was set */
};

/*
 * advance_begin - set the parameter below the root directory ("/"), under a lock that keeps other
 * VMs from being created meanwhile, with a journal in dir ("/run/rtkvm") for knobs_recover; refuses
 * with the reason what this kernel has no parameter for. advance_end puts it back; harmless when
 * nothing was set.
 */
int advance_begin(struct advance *a, const struct advance_opts *o, const char *root,
		  const char *dir, struct err *e);
int advance_end(struct advance *a, struct err *e);

/*
 * advance_recover - put back what killed runs left in dir, under the same lock; how many journals
 */
int advance_recover(const char *root, const char *dir, struct err *e);

/* advance_read_ns - a vCPU's value now, below debugfs ("/sys/kernel/debug"); -1: not to be read */
int64_t advance_read_ns(const char *debugfs, int vm_fd, int vcpu);

#endif
