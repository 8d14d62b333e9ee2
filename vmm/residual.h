/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * residual - where the guest's timer is, seen from its deadline, once KVM has advanced it
 *
 * KVM fires a deadline timer early (advance.h) and waits for the rest on its way into the guest.
 * Before it waits it traces how far it is from the deadline (kvm:kvm_wait_lapic_expire, delta in
 * cycles of the guest's TSC; arch/x86/kvm/lapic.c): below 0 the guest gets its interrupt in time
 * and the CPU has spun so long, else it is that much late. Hist triggers in a trace instance of our
 * own add this up in the kernel; nothing goes through a ring buffer, and no vCPU leaves the guest.
 * While KVM waits anyway, the event costs the guest nothing.
 */
#ifndef RTKVM_VMM_RESIDUAL_H
#define RTKVM_VMM_RESIDUAL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/err.h"
#include "lib/tracefs.h"

/* Of one vCPU: how often, and cycles in all. */
struct residual_counts {
	uint64_t early, early_cycles;
	uint64_t late, late_cycles;
};

struct residual {
	struct tfs trace;
	bool on;
	char *text; /* what the kernel last told */
};

/*
 * residual_open - count for these n vCPU threads from now on; needs root. A kernel without the event
 * or without hist triggers: -ENOTSUP with the reason
 */
int residual_open(struct residual *r, const pid_t *tids, int n, struct err *e);

/* residual_close - remove the instance; harmless when nothing was opened */
void residual_close(struct residual *r);

/* residual_read - ask the kernel; residual_of tells what it said about a thread: zeros when nothing */
int residual_read(struct residual *r, struct err *e);
struct residual_counts residual_of(const struct residual *r, pid_t tid);

/* residual_parse - the row of a thread in the text of the event's hist file */
struct residual_counts residual_parse(const char *text, pid_t tid);

/*
 * residual_json - {"early","early_mean_ns","late","late_mean_ns"} of what came between the two; a
 * mean of none is null
 */
json_object *residual_json(const struct residual_counts *from, const struct residual_counts *to,
			   uint32_t tsc_khz);

#endif
