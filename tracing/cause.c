// SPDX-License-Identifier: GPL-2.0-only
#include "tracing/cause.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/cleanup.h"

const struct cause_info cause_info[CAUSE_COUNT] = {
	[CAUSE_HARDWARE] = { "hardware", "hardware, SMI or outer hypervisor", DETAIL_NONE, 'H' },
	[CAUSE_HOST_IRQ] = { "host_irq", "host interrupt", DETAIL_NAME, 'I' },
	[CAUSE_HOST_SOFTIRQ] = { "host_softirq", "host softirq", DETAIL_SOFTIRQ, 'S' },
	[CAUSE_HOST_THREAD] = { "host_thread", "host thread", DETAIL_THREAD, 'T' },
	[CAUSE_HOST_IRQS_OFF] = { "host_irqs_off", "host interrupts off", DETAIL_THREAD, 'O' },
	[CAUSE_HOST_IDLE] = { "host_idle", "host idle-state exit", DETAIL_IDLE, 'C' },
	[CAUSE_HOST_WAKEUP] = { "host_wakeup", "wake-up path of the vCPU", DETAIL_NONE, 'W' },
	[CAUSE_VMEXIT] = { "vmexit", "VM exit handling", DETAIL_EXIT, 'X' },
	[CAUSE_VMM_USER] = { "vmm_user", "VMM user space", DETAIL_EXIT, 'U' },
	[CAUSE_LATE_INJECTION] = { "late_injection", "late injection", DETAIL_NONE, 'J' },
	[CAUSE_GUEST_IRQ] = { "guest_irq", "guest interrupt", DETAIL_NAME, 'i' },
	[CAUSE_GUEST_SOFTIRQ] = { "guest_softirq", "guest softirq", DETAIL_SOFTIRQ, 's' },
	[CAUSE_GUEST_THREAD] = { "guest_thread", "guest thread", DETAIL_THREAD, 't' },
	[CAUSE_GUEST_IRQS_OFF] = { "guest_irqs_off", "guest interrupts or preemption off",
				   DETAIL_THREAD, 'o' },
	[CAUSE_GUEST_WAKEUP] = { "guest_wakeup", "wake-up path in the guest", DETAIL_NONE, 'w' },
	[CAUSE_ARMED_LATE] = { "armed_late", "timer armed after its deadline", DETAIL_NONE, 'a' },
	[CAUSE_GUEST_OR_EXIT] = { "guest_or_exit", "guest or exit handling (no kvm_entry/kvm_exit)",
				  DETAIL_NONE, '?' },
	[CAUSE_GUEST_UNKNOWN] = { "guest_unknown",
				  "in the guest before its timer interrupt (no kvm_apic_accept_irq)",
				  DETAIL_NONE, '?' },
	[CAUSE_BELOW_GUEST] = { "below_guest", "host, VMM or hardware (no host trace)", DETAIL_NONE,
				'?' },
	[CAUSE_UNEXPLAINED] = { "unexplained", "unexplained", DETAIL_WHY, '?' },
};

const char *const cause_why[WHY_COUNT] = {
	[WHY_OTHER] = "",
	[WHY_LOST] = "events lost",
	[WHY_HISTORY] = "before the history kept",
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

struct exit_name {
	uint32_t reason;
	const char *name;
};

/* arch/x86/include/uapi/asm/vmx.h */
static const struct exit_name vmx[] = {
	{ 0, "EXCEPTION_NMI" },
	{ 1, "EXTERNAL_INTERRUPT" },
	{ 2, "TRIPLE_FAULT" },
	{ 7, "INTERRUPT_WINDOW" },
	{ 8, "NMI_WINDOW" },
	{ 10, "CPUID" },
	{ 12, "HLT" },
	{ 14, "INVLPG" },
	{ 15, "RDPMC" },
	{ 16, "RDTSC" },
	{ 18, "VMCALL" },
	{ 28, "CR_ACCESS" },
	{ 29, "DR_ACCESS" },
	{ 30, "IO_INSTRUCTION" },
	{ 31, "MSR_READ" },
	{ 32, "MSR_WRITE" },
	{ 36, "MWAIT" },
	{ 40, "PAUSE" },
	{ 43, "TPR_BELOW_THRESHOLD" },
	{ 44, "APIC_ACCESS" },
	{ 45, "EOI_INDUCED" },
	{ 48, "EPT_VIOLATION" },
	{ 49, "EPT_MISCONFIG" },
	{ 52, "PREEMPTION_TIMER" },
	{ 54, "WBINVD" },
	{ 55, "XSETBV" },
	{ 56, "APIC_WRITE" },
	{ 74, "BUS_LOCK" },
	{ 75, "NOTIFY" },
};

/* arch/x86/include/uapi/asm/svm.h */
static const struct exit_name svm[] = {
	{ 0x60, "interrupt" },
	{ 0x61, "nmi" },
	{ 0x62, "smi" },
	{ 0x64, "vintr" },
	{ 0x6e, "rdtsc" },
	{ 0x6f, "rdpmc" },
	{ 0x72, "cpuid" },
	{ 0x77, "pause" },
	{ 0x78, "hlt" },
	{ 0x79, "invlpg" },
	{ 0x7b, "io" },
	{ 0x7c, "msr" },
	{ 0x7f, "shutdown" },
	{ 0x81, "hypercall" },
	{ 0x87, "rdtscp" },
	{ 0x89, "wbinvd" },
	{ 0x8a, "monitor" },
	{ 0x8b, "mwait" },
	{ 0x8d, "xsetbv" },
	{ 0x400, "npf" },
	{ 0x401, "avic_incomplete_ipi" },
	{ 0x402, "avic_unaccelerated_access" },
};

const char *cause_exit_name(unsigned int isa, uint32_t reason, char *buf, size_t size)
{
	const struct exit_name *names = isa == 2 ? svm : vmx;
	size_t n = isa == 2 ? ARRAY_SIZE(svm) : isa == 1 ? ARRAY_SIZE(vmx) : 0;

	for (size_t i = 0; i < n; i++)
		if (names[i].reason == reason)
			return names[i].name;
	if (isa == 2 && reason < 0x60)
		snprintf(buf, size, "%s %u", reason < 0x40 ? "cr or dr" : "exception",
			 reason & 0x1f);
	else
		snprintf(buf, size, "%u", reason);
	return buf;
}

const char *cause_softirq_name(uint32_t vec)
{
	static const char *const names[] = { "HI",	 "TIMER",   "NET_TX", "NET_RX",	 "BLOCK",
					     "IRQ_POLL", "TASKLET", "SCHED",  "HRTIMER", "RCU" };

	return vec < ARRAY_SIZE(names) ? names[vec] : "?";
}
