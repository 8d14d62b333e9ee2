// SPDX-License-Identifier: GPL-2.0-only
#include "tests/gen/sim_step.h"

void sim_guest_starts_timer(struct sim *s, struct sim_vcpu *v)
{
	uint64_t due_ns = clock_ns(s->rate, s->cur.due);

	sim_guest(s, v, GEN_FLAG_IRQS_OFF, G_HRTIMER_START,
		  V(GUEST_TIMER + sim_index(s, v) * 64, 0xffffffff81100000, due_ns, due_ns, 0));
}

void sim_program(struct sim *s, struct sim_vcpu *v)
{
	sim_host(s, v, sim_tid(s, v), GEN_FLAG_IRQS_OFF, G_KVM_MSR,
		 V(1, 0x6e0, clock_to_guest(&s->o.map, s->cur.due), 0));
}

void sim_start_sw_timer(struct sim *s, struct sim_vcpu *v)
{
	unsigned int n = sim_index(s, v);
	uint64_t due_ns = clock_ns(s->rate, s->cur.due);

	sim_host(s, v, sim_tid(s, v), GEN_FLAG_IRQS_OFF, G_HRTIMER_START,
		 V(KVM_TIMER + n * 64, 0xffffffffc0100000, due_ns, due_ns, 0));
	sim_host(s, v, sim_tid(s, v), GEN_FLAG_IRQS_OFF, G_HV_STATE, V(sim_id(s, v), 0));
}

/* The host ticks meanwhile: a timer is started while this thread is on the CPU, but not by it. */
static void tick_within(struct sim *s, struct sim_vcpu *v)
{
	uint32_t pid = sim_tid(s, v);

	sim_host(s, v, pid, GEN_FLAG_IRQS_OFF, G_TIMER_ENTRY, V(VECTOR));
	sim_host(s, v, pid, GEN_FLAG_HARDIRQ, G_HRTIMER_EXPIRE,
		 V(TICK_TIMER, clock_ns(s->rate, v->t), 0xffffffff81200000));
	sim_host(s, v, pid, GEN_FLAG_HARDIRQ | GEN_FLAG_IRQS_OFF, G_HRTIMER_START,
		 V(TICK_TIMER, 0xffffffff81200000, clock_ns(s->rate, v->t) + 4000000, 0, 0));
	sim_host(s, v, pid, GEN_FLAG_HARDIRQ, G_TIMER_EXIT, V(VECTOR));
}

void sim_arm(struct sim *s, struct sim_vcpu *v)
{
	sim_guest_starts_timer(s, v);
	sim_spend(s, v, 300, 900, CAUSE_GUEST_WAKEUP, 0);
	sim_leave(s, v, EXIT_MSR);
	v->t += sim_span(s, 300, 900);
	if (s->o.hv_timer)
		sim_host(s, v, sim_tid(s, v), GEN_FLAG_IRQS_OFF, G_HV_STATE, V(sim_id(s, v), 1));
	else
		sim_start_sw_timer(s, v);
	if (s->o.noise && sim_draw(s, 4) == 0)
		tick_within(s, v);
	sim_program(s, v);
	v->t += sim_span(s, 300, 900);
	sim_enter(s, v);
	v->t += sim_span(s, 300, 900);
}

void sim_fire(struct sim *s, struct sim_vcpu *v, uint32_t pid, bool wakes)
{
	unsigned int n = sim_index(s, v);
	/* from its expiry on, one that fires on another CPU waits for the kick */
	enum cause after = v->in_guest ? CAUSE_HARDWARE : CAUSE_HOST_IRQ;

	sim_host(s, v, pid, GEN_FLAG_IRQS_OFF, G_TIMER_ENTRY, V(VECTOR));
	sim_spend(s, v, 300, 900, CAUSE_HOST_IRQ, SIM_LOCAL_TIMER);
	sim_host(s, v, pid, GEN_FLAG_HARDIRQ, G_HRTIMER_EXPIRE,
		 V(KVM_TIMER + n * 64, clock_ns(s->rate, v->t), 0xffffffffc0100000));
	sim_spend(s, v, 300, 900, after, SIM_LOCAL_TIMER);
	if (wakes)
		sim_host(s, v, pid, GEN_FLAG_HARDIRQ, G_WAKING,
			 V(S("vcpu"), sim_tid(s, v), 98, v->cpu));
	sim_host(s, v, pid, GEN_FLAG_HARDIRQ, G_HRTIMER_DONE, V(KVM_TIMER + n * 64));
	sim_spend(s, v, 300, 900, after, SIM_LOCAL_TIMER);
	sim_host(s, v, pid, GEN_FLAG_HARDIRQ, G_TIMER_EXIT, V(VECTOR));
}

void sim_accept(struct sim *s, struct sim_vcpu *v)
{
	sim_host(s, v, sim_tid(s, v), 0, G_KVM_ACCEPT, V(sim_id(s, v), 0, 0, VECTOR));
}

void sim_inject(struct sim *s, struct sim_vcpu *v)
{
	sim_host(s, v, sim_tid(s, v), GEN_FLAG_IRQS_OFF, G_KVM_INJ, V(VECTOR, 0));
	sim_enter(s, v);
	sim_spend(s, v, 300, 900, CAUSE_LATE_INJECTION, 0);
}

void sim_timer_interrupt(struct sim *s, struct sim_vcpu *v)
{
	unsigned int n = sim_index(s, v);
	uint32_t me = sim_thread(s, v);

	sim_guest(s, v, GEN_FLAG_IRQS_OFF, G_TIMER_ENTRY, V(VECTOR));
	sim_guest_time(s, v, sim_span(s, 300, 2000), CAUSE_GUEST_IRQ, SIM_LOCAL_TIMER);
	sim_guest(s, v, GEN_FLAG_HARDIRQ, G_HRTIMER_EXPIRE,
		  V(GUEST_TIMER + n * 64, clock_ns(s->rate, v->t), 0xffffffff81100000));
	sim_guest_time(s, v, sim_span(s, 300, 2000), CAUSE_GUEST_IRQ, SIM_LOCAL_TIMER);
	sim_guest(s, v, GEN_FLAG_HARDIRQ, G_WAKING, V(S("cyclictest"), me, sim_prio(s), n));
	sim_guest(s, v, GEN_FLAG_HARDIRQ, G_HRTIMER_DONE, V(GUEST_TIMER + n * 64));
	sim_guest_time(s, v, sim_span(s, 300, 2000), CAUSE_GUEST_IRQ, SIM_LOCAL_TIMER);
	sim_guest(s, v, GEN_FLAG_HARDIRQ, G_TIMER_EXIT, V(VECTOR));
}

void sim_wake_up_returns(struct sim *s, struct sim_vcpu *v)
{
	if (s->o.without_guest & 1ull << G_NANOSLEEP_EXIT)
		return;
	sim_guest_time(s, v, sim_span(s, 300, 3000), CAUSE_GUEST_RETURN, 0);
	sim_guest(s, v, 0, G_NANOSLEEP_EXIT, V(230, 0));
}

/* Interrupts of the guest, and a section in which none can come, before it can switch. */
static void held_up(struct sim *s, struct sim_vcpu *v, enum sim_case kind)
{
	if (kind == SIM_GUEST_IRQ) {
		sim_guest(s, v, GEN_FLAG_IRQS_OFF, G_IRQ_ENTRY, V(11, S("virtio0")));
		sim_guest_time(s, v, sim_injected(s), CAUSE_GUEST_IRQ, SIM_DEVICE);
		sim_guest(s, v, GEN_FLAG_HARDIRQ, G_IRQ_EXIT, V(11, 1));
	}
	if (kind == SIM_GUEST_SOFTIRQ) {
		sim_guest(s, v, GEN_FLAG_SOFTIRQ, G_SOFTIRQ_ENTRY, V(SOFTIRQ_RCU));
		sim_guest_time(s, v, sim_injected(s), CAUSE_GUEST_SOFTIRQ, SOFTIRQ_RCU);
		sim_guest(s, v, GEN_FLAG_SOFTIRQ, G_SOFTIRQ_EXIT, V(SOFTIRQ_RCU));
	}
	if (kind == SIM_GUEST_PREEMPT_OFF)
		sim_guest_time(s, v, sim_injected(s), CAUSE_GUEST_IRQS_OFF, GUEST_LOW);
}

/* What has the guest's CPU until its thread is switched to. */
static void until_switch(struct sim *s, struct sim_vcpu *v, enum sim_case kind, bool idle)
{
	if (kind == SIM_GUEST_THROTTLED) {
		sim_guest_switch(s, v, "swapper", 0, 0, "ghog", GUEST_HOG, 1);
		sim_spend(s, v, 300, 900, CAUSE_GUEST_THREAD, GUEST_HOG);
		sim_guest_switch(s, v, "ghog", GUEST_HOG, PREEMPTED, "swapper", 0, 120);
		sim_guest_time(s, v, sim_injected(s), CAUSE_GUEST_THROTTLED, 0);
	} else if (kind == SIM_GUEST_HOG) {
		if (idle)
			sim_guest_switch(s, v, "swapper", 0, 0, "ghog", GUEST_HOG, 1);
		sim_guest_time(s, v, sim_injected(s), CAUSE_GUEST_THREAD, GUEST_HOG);
	} else if (v->pid == GUEST_LOW && kind != SIM_GUEST_PREEMPT_OFF) {
		sim_spend(s, v, 300, 3000, CAUSE_GUEST_WAKEUP, 0);
	} else if (kind == SIM_STALL_SWITCH) {
		sim_stall(s, v);
	} else if (!v->pid) {
		sim_guest_time(s, v, sim_span(s, 300, 3000), CAUSE_GUEST_WAKEUP, 0);
	}
}

/* The thread has run, and another one takes its CPU before it is back in its own code. */
static void preempted_again(struct sim *s, struct sim_vcpu *v)
{
	uint32_t me = sim_thread(s, v);

	sim_guest_time(s, v, sim_span(s, 300, 900), CAUSE_GUEST_RETURN, 0);
	sim_guest_switch(s, v, "cyclictest", me, PREEMPTED, "ghog", GUEST_HOG, 1);
	sim_guest_time(s, v, sim_injected(s), CAUSE_GUEST_THREAD, GUEST_HOG);
	sim_guest_switch(s, v, "ghog", GUEST_HOG, 1, "cyclictest", me, sim_prio(s));
}

void sim_guest_tail(struct sim *s, struct sim_vcpu *v, enum sim_case kind, bool idle)
{
	sim_timer_interrupt(s, v);
	held_up(s, v, kind);
	until_switch(s, v, kind, idle);
	v->preempt = 0;
	sim_guest_switch(s, v, v->pid ? "other" : "swapper", v->pid, v->pid ? PREEMPTED : 0,
			 "cyclictest", sim_thread(s, v), sim_prio(s));
	if (kind == SIM_GUEST_PREEMPTED && !(s->o.without_guest & 1ull << G_NANOSLEEP_EXIT))
		preempted_again(s, v);
	sim_wake_up_returns(s, v);
}
