// SPDX-License-Identifier: GPL-2.0-only
#include "tracing/cause.h"

#include <stdlib.h>

#include "lib/cleanup.h"

const struct cause_info cause_info[CAUSE_COUNT] = {
	[CAUSE_HARDWARE] = { "hardware", "hardware, SMI or outer hypervisor", DETAIL_NONE, 'H',
			     LAYER_MACHINE, "#000000" },
	[CAUSE_HOST_IRQ] = { "host-irq", "host interrupt", DETAIL_NAME, 'I', LAYER_HOST,
			     "#0072b2" },
	[CAUSE_HOST_SOFTIRQ] = { "host-softirq", "host softirq", DETAIL_SOFTIRQ, 'S', LAYER_HOST,
				 "#56b4e9" },
	[CAUSE_HOST_THREAD] = { "host-thread", "host thread", DETAIL_THREAD, 'T', LAYER_HOST,
				"#d55e00" },
	[CAUSE_HOST_IRQS_OFF] = { "host-off", "host interrupts off", DETAIL_THREAD, 'O', LAYER_HOST,
				  "#cc79a7" },
	[CAUSE_HOST_IDLE] = { "host-idle", "host idle-state exit", DETAIL_IDLE, 'C', LAYER_HOST,
			      "#e69f00" },
	[CAUSE_HOST_WAKEUP] = { "wakeup", "wake-up path of the vCPU", DETAIL_NONE, 'W', LAYER_HOST,
				"#999999" },
	[CAUSE_HOST_THROTTLED] = { "host-throttled", "host real-time throttling", DETAIL_NONE, 'Q',
				   LAYER_HOST, "#8b6914" },
	[CAUSE_VMEXIT] = { "vmexit", "VM exit handling", DETAIL_EXIT, 'X', LAYER_KVM, "#009e73" },
	[CAUSE_VMM_USER] = { "vmm", "VMM user space", DETAIL_EXIT, 'U', LAYER_KVM, "#d55e00" },
	[CAUSE_LATE_INJECTION] = { "injection", "late injection", DETAIL_NONE, 'J', LAYER_KVM,
				   "#cc79a7" },
	[CAUSE_GUEST_IRQ] = { "guest-irq", "guest interrupt", DETAIL_NAME, 'i', LAYER_GUEST,
			      "#0072b2" },
	[CAUSE_GUEST_SOFTIRQ] = { "guest-softirq", "guest softirq", DETAIL_SOFTIRQ, 's',
				  LAYER_GUEST, "#56b4e9" },
	[CAUSE_GUEST_THREAD] = { "guest-thread", "guest thread", DETAIL_THREAD, 't', LAYER_GUEST,
				 "#d55e00" },
	[CAUSE_GUEST_IRQS_OFF] = { "guest-off", "guest interrupts or preemption off", DETAIL_THREAD,
				   'o', LAYER_GUEST, "#cc79a7" },
	[CAUSE_GUEST_WAKEUP] = { "wakeup", "wake-up path in the guest", DETAIL_NONE, 'w',
				 LAYER_GUEST, "#999999" },
	[CAUSE_GUEST_RETURN] = { "return", "return into the measured thread", DETAIL_NONE, 'r',
				 LAYER_GUEST, "#009e73" },
	[CAUSE_GUEST_THROTTLED] = { "guest-throttled", "guest real-time throttling", DETAIL_NONE,
				    'q', LAYER_GUEST, "#8b6914" },
	[CAUSE_ARMED_LATE] = { "armed-late", "timer armed after its deadline", DETAIL_NONE, 'a',
			       LAYER_GUEST, "#e69f00" },
	[CAUSE_GUEST_OR_EXIT] = { "guest-or-exit", "guest or exit handling (no kvm_entry/kvm_exit)",
				  DETAIL_NONE, '?', LAYER_UNKNOWN, "#666666" },
	[CAUSE_GUEST_UNKNOWN] = { "guest-unknown", "in the guest, its timer's state unknown",
				  DETAIL_NONE, '?', LAYER_UNKNOWN, "#666666" },
	[CAUSE_BELOW_GUEST] = { "below-guest", "host, VMM or hardware (no host trace)", DETAIL_NONE,
				'?', LAYER_UNKNOWN, "#666666" },
	[CAUSE_HOST_OFF_OR_HARDWARE] = { "host-off-or-hw", "host interrupts off, or hardware",
					 DETAIL_THREAD, '?', LAYER_UNKNOWN, "#666666" },
	[CAUSE_GUEST_OFF_OR_HARDWARE] = { "guest-off-or-hw", "guest interrupts off, or hardware",
					  DETAIL_NONE, '?', LAYER_UNKNOWN, "#666666" },
	[CAUSE_UNEXPLAINED] = { "unexplained", "unexplained", DETAIL_WHY, '?', LAYER_UNKNOWN,
				"#bbbbbb" },
};

const char *const cause_why[WHY_COUNT] = {
	[WHY_OTHER] = "",
	[WHY_LOST] = "events lost",
	[WHY_HISTORY] = "before the history kept",
	[WHY_TIMER] = "KVM's timer was not seen to fire",
};

void budget_add(struct budget *b, enum cause cause, uint32_t detail, uint64_t ns)
{
	struct part *same = NULL;

	if (!ns)
		return;
	for (size_t i = 0; i < b->n; i++) {
		struct part *p = &b->parts[i];

		if (p->cause != cause)
			continue;
		if (p->detail == detail) {
			p->ns += ns;
			return;
		}
		if (!same)
			same = p;
	}
	/* as many places are kept free as there are causes: each one's first part finds one */
	if (!same || b->n < BUDGET_PARTS - CAUSE_COUNT) {
		b->parts[b->n++] = (struct part){ cause, detail, ns };
		return;
	}
	same->detail = DETAIL_SEVERAL;
	same->ns += ns;
}

static int by_size(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	return (x->ns < y->ns) - (x->ns > y->ns);
}

void budget_sort(struct budget *b)
{
	qsort(b->parts, b->n, sizeof(b->parts[0]), by_size);
}

uint64_t budget_sum(const struct budget *b)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < b->n; i++)
		sum += b->parts[i].ns;
	return sum;
}

enum cause budget_verdict(const struct budget *b)
{
	uint64_t by_cause[CAUSE_COUNT] = { 0 };
	enum cause most = CAUSE_UNEXPLAINED;

	for (size_t i = 0; i < b->n; i++)
		by_cause[b->parts[i].cause] += b->parts[i].ns;
	for (int c = 0; c < CAUSE_COUNT; c++)
		if (by_cause[c] > by_cause[most])
			most = c;
	return most;
}

const char *cause_softirq_name(uint32_t vec)
{
	static const char *const names[] = { "HI",	 "TIMER",   "NET_TX", "NET_RX",	 "BLOCK",
					     "IRQ_POLL", "TASKLET", "SCHED",  "HRTIMER", "RCU" };

	return vec < ARRAY_SIZE(names) ? names[vec] : "?";
}
