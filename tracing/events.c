// SPDX-License-Identifier: GPL-2.0-only
#include "tracing/events.h"

#include "lib/cleanup.h"

const struct record_event host_events[] = {
	{ "sched", "sched_switch", NULL, true },
	{ "sched", "sched_waking", NULL, true },
	{ "sched", "sched_migrate_task", NULL, false },
	{ "irq_vectors", NULL, NULL, false },
	{ "irq", "irq_handler_entry", NULL, false },
	{ "irq", "irq_handler_exit", NULL, false },
	{ "irq", "softirq_entry", NULL, false },
	{ "irq", "softirq_exit", NULL, false },
	{ "nmi", "nmi_handler", NULL, false },
	{ "power", "cpu_idle", NULL, false },
	{ "timer", "hrtimer_start", NULL, true },
	{ "timer", "hrtimer_expire_entry", NULL, true },
	{ "kvm", "kvm_entry", NULL, true },
	{ "kvm", "kvm_exit", NULL, true },
	{ "kvm", "kvm_userspace_exit", NULL, true },
	/* the guest's TSC deadline: the only MSR that matters here */
	{ "kvm", "kvm_msr", "ecx==0x6e0", false },
	{ "kvm", "kvm_apic_accept_irq", NULL, false },
	{ "kvm", "kvm_apicv_accept_irq", NULL, false },
	{ "kvm", "kvm_inj_virq", NULL, false },
	/* which of the host's timers is KVM's for a vCPU */
	{ "kvm", "kvm_hv_timer_state", NULL, false },
};
const size_t n_host_events = ARRAY_SIZE(host_events);

const struct record_event guest_events[] = {
	{ "sched", "sched_switch", NULL, true },
	{ "sched", "sched_waking", NULL, true },
	{ "timer", "hrtimer_start", NULL, true },
	{ "timer", "hrtimer_expire_entry", NULL, true },
	{ "timer", "hrtimer_expire_exit", NULL, false },
	{ "syscalls", "sys_exit_clock_nanosleep", NULL, false },
	{ "irq_vectors", NULL, NULL, false },
	{ "irq", "irq_handler_entry", NULL, false },
	{ "irq", "irq_handler_exit", NULL, false },
	{ "irq", "softirq_entry", NULL, false },
	{ "irq", "softirq_exit", NULL, false },
	{ "nmi", "nmi_handler", NULL, false },
};
const size_t n_guest_events = ARRAY_SIZE(guest_events);
