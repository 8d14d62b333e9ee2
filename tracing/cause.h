/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cause - where the time of a late wake-up can go, as a table
 *
 * A spike's budget is a list of parts, one for each cause and detail (which interrupt, which
 * thread, which exit reason). The parts of a spike add up to its latency to the nanosecond.
 */
#ifndef RTKVM_TRACING_CAUSE_H
#define RTKVM_TRACING_CAUSE_H

#include <stddef.h>
#include <stdint.h>

enum cause {
	CAUSE_HARDWARE,
	CAUSE_HOST_IRQ,
	CAUSE_HOST_SOFTIRQ,
	CAUSE_HOST_THREAD,
	CAUSE_HOST_IRQS_OFF,
	CAUSE_HOST_IDLE,
	CAUSE_HOST_WAKEUP,
	CAUSE_HOST_THROTTLED,
	CAUSE_VMEXIT,
	CAUSE_VMM_USER,
	CAUSE_LATE_INJECTION,
	CAUSE_GUEST_IRQ,
	CAUSE_GUEST_SOFTIRQ,
	CAUSE_GUEST_THREAD,
	CAUSE_GUEST_IRQS_OFF,
	CAUSE_GUEST_WAKEUP,
	CAUSE_GUEST_RETURN,
	CAUSE_GUEST_THROTTLED,
	CAUSE_ARMED_LATE,
	/* coarse: the events that would tell more are not in the trace */
	CAUSE_GUEST_OR_EXIT,
	CAUSE_GUEST_UNKNOWN,
	CAUSE_BELOW_GUEST,
	/* either of two: no event tells one from the other */
	CAUSE_HOST_OFF_OR_HARDWARE,
	CAUSE_GUEST_OFF_OR_HARDWARE,
	CAUSE_UNEXPLAINED,
	CAUSE_COUNT,
};

/* What the detail of a part is. DETAIL_EXIT: a reason of kvm_exit, its isa in the top two bits. */
enum detail_kind {
	DETAIL_NONE,
	DETAIL_NAME,
	DETAIL_SOFTIRQ,
	DETAIL_THREAD,
	DETAIL_IDLE,
	DETAIL_EXIT,
	DETAIL_WHY
};

/* Why something stays unexplained (DETAIL_WHY). */
enum why { WHY_OTHER, WHY_LOST, WHY_HISTORY, WHY_TIMER, WHY_COUNT };

/* Whose doing it is: the lanes of a picture. */
enum layer { LAYER_MACHINE, LAYER_HOST, LAYER_KVM, LAYER_GUEST, LAYER_UNKNOWN, LAYERS };

struct cause_info {
	const char *key; /* in spikes.jsonl and run.json, where results/ knows it */
	const char *title;
	enum detail_kind detail; /* names and threads of causes guest_* are the guest's */
	char letter; /* in the timeline of text */
	enum layer layer;
	const char *colour; /* Okabe and Ito's: told apart with any colour vision */
};

extern const struct cause_info cause_info[CAUSE_COUNT];
extern const char *const cause_why[WHY_COUNT];

struct part {
	enum cause cause;
	uint32_t detail;
	uint64_t ns;
};

enum { BUDGET_PARTS = 44 };

#define DETAIL_SEVERAL UINT32_MAX /* several details in one part: there was no place for each */

struct budget {
	struct part parts[BUDGET_PARTS];
	size_t n;
};

/*
 * budget_add - add ns to the part of that cause and detail. When places run short, the cause's
 * first part takes it as DETAIL_SEVERAL: detail may be lost, time never.
 */
void budget_add(struct budget *b, enum cause cause, uint32_t detail, uint64_t ns);

/* budget_sort - largest first */
void budget_sort(struct budget *b);

/* budget_sum - ns in all parts */
uint64_t budget_sum(const struct budget *b);

/* budget_verdict - the cause (details together) that took most */
enum cause budget_verdict(const struct budget *b);

/* cause_softirq_name - "TIMER", "NET_RX" (include/linux/interrupt.h) */
const char *cause_softirq_name(uint32_t vec);

#endif
