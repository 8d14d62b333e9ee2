/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * residual - where the guest's timer is, seen from its deadline, once KVM has advanced it
 *
 * KVM fires a deadline timer early (advance.h) and waits for the rest on its way into the guest.
 * Before it waits it traces how far it is from the deadline (kvm:kvm_wait_lapic_expire, delta in
 * cycles of the guest's TSC; arch/x86/kvm/lapic.c): below 0 the guest gets its interrupt in time
 * and the CPU has spun so long, else it is that much late. While KVM waits anyway, the event costs
 * the guest nothing.
 */
#ifndef RTKVM_VMM_RESIDUAL_H
#define RTKVM_VMM_RESIDUAL_H

#include <json-c/json.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/err.h"
#include "vmm/vcpuhist.h"

/* Of one vCPU: how often, and cycles in all. */
struct residual_counts {
	uint64_t early, early_cycles;
	uint64_t late, late_cycles;
};

/* residual_open - count for these n vCPU threads from now on; needs root */
int residual_open(struct vcpuhist *h, const pid_t *tids, int n, struct err *e);

/* residual_parse - the row of a thread in the text of the event's hist file; zeros when there is none */
struct residual_counts residual_parse(const char *text, pid_t tid);

/*
 * residual_json - {"early","early_mean_ns","late","late_mean_ns"} of what came between the two; a
 * mean of none is null
 */
json_object *residual_json(const struct residual_counts *from, const struct residual_counts *to,
			   uint32_t tsc_khz);

#endif
