// SPDX-License-Identifier: GPL-2.0-only
#include "tests/gen/sim_step.h"

/* Another guest's timer interrupt: its vCPU is number 0, too. */
static void other_guest(struct sim *s, struct sim_vcpu *v)
{
	if (!s->o.other_guest)
		return;
	sim_host_as(s, 0, v->t, OTHER_GUEST, 0, G_KVM_ACCEPT, V(0, 0, 0, VECTOR));
	sim_host_as(s, 0, v->t, OTHER_GUEST, 0, G_KVM_POSTED, V(0, 0, 0, VECTOR));
	sim_host_as(s, 0, v->t, OTHER_GUEST, 0, G_KVM_ENTRY, V(0, 0xffffffff81000000));
}

/*
 * KVM's timer has moved to another CPU: the vCPU goes on in its guest until a kick comes, which
 * takes its CPU out by an interrupt that is traced before the exit.
 */
static void kick_from_elsewhere(struct sim *s, struct sim_vcpu *v)
{
	unsigned int rest = sim_elsewhere(s, v), own = v->cpu;

	v->t = s->cur.due;
	v->cpu = rest;
	sim_fire(s, v, 0, false);
	v->cpu = own;
	other_guest(s, v);
	sim_pass(s, v, sim_injected(s), CAUSE_HARDWARE, 0);
	sim_host(s, v, sim_tid(s, v), GEN_FLAG_IRQS_OFF, G_RESCHED_ENTRY, V(0xfd));
	sim_spend(s, v, 100, 900, CAUSE_HOST_IRQ, SIM_RESCHEDULE);
	sim_host(s, v, sim_tid(s, v), GEN_FLAG_HARDIRQ, G_RESCHED_EXIT, V(0xfd));
	sim_handle_exit(s, v, 100, 900, EXIT_EXTINT);
	sim_leave(s, v, EXIT_EXTINT);
	sim_handle_exit(s, v, 100, 900, EXIT_EXTINT);
}

/*
 * What keeps the vCPU from its guest at the deadline is over: its timer fires, here while that is
 * going on, or, kept by the CPU, when the guest would run again.
 */
static void overdue(struct sim *s, struct sim_vcpu *v)
{
	sim_enter(s, v);
	sim_spend(s, v, 30, 90, CAUSE_HARDWARE, 0); /* the exit's own way */
	sim_leave(s, v, EXIT_PREEMPTION_TIMER);
	sim_handle_exit(s, v, 300, 900, EXIT_PREEMPTION_TIMER);
}

/* An exit that begins before the deadline and holds the interrupt up. */
static void long_exit(struct sim *s, struct sim_vcpu *v, enum sim_case kind)
{
	enum cause cause = kind == SIM_EXIT ? CAUSE_VMEXIT : CAUSE_VMM_USER;
	uint32_t reason = kind == SIM_EXIT ? EXIT_NPF : EXIT_IO;

	v->t = s->cur.due - sim_span(s, 2000, 9000);
	sim_leave(s, v, reason);
	if (kind == SIM_VMM_USER)
		sim_host(s, v, sim_tid(s, v), 0, G_KVM_USER, V(2, 0));
	sim_pass(s, v, s->cur.due - v->t + 1, cause, sim_exit_detail(reason));
	if (!s->o.hv_timer)
		sim_fire(s, v, sim_tid(s, v), false);
	sim_pass(s, v, sim_injected(s), cause, sim_exit_detail(reason));
	if (s->o.hv_timer)
		overdue(s, v);
}

/* A host thread has the vCPU's CPU before the deadline and after. */
static void preempted_at_deadline(struct sim *s, struct sim_vcpu *v)
{
	v->t = s->cur.due - sim_span(s, 2000, 9000);
	sim_leave(s, v, EXIT_EXTINT);
	v->t += sim_span(s, 300, 900);
	sim_hog_comes(s, v, PREEMPTED);
	if (v->t < s->cur.due)
		v->t = s->cur.due;
	if (!s->o.hv_timer)
		sim_fire(s, v, HOST_HOG, false);
	sim_pass(s, v, sim_injected(s), CAUSE_HOST_THREAD, HOST_HOG);
	sim_hog_goes(s, v);
	sim_handle_exit(s, v, 100, 900, EXIT_EXTINT);
	if (s->o.hv_timer)
		overdue(s, v);
}

/* The timer fires while the vCPU is in its guest, and takes it out. */
static void fire_in_guest(struct sim *s, struct sim_vcpu *v, enum sim_case kind)
{
	uint32_t reason = s->o.hv_timer ? EXIT_PREEMPTION_TIMER : EXIT_EXTINT;

	v->t = s->cur.due;
	if (kind == SIM_STALL_GUEST)
		sim_pass(s, v, sim_injected(s), CAUSE_HARDWARE, 0);
	sim_spend(s, v, 100, 900, CAUSE_HARDWARE, 0); /* the interrupt's own way */
	sim_leave(s, v, reason);
	sim_handle_exit(s, v, 100, 900, reason);
	if (!s->o.hv_timer)
		sim_fire(s, v, sim_tid(s, v), false);
	sim_handle_exit(s, v, 100, 900, reason);
}

/* The CPU is to give the interrupt, once the guest lets it: late, and no exit tells when. */
static void post(struct sim *s, struct sim_vcpu *v, enum sim_case kind)
{
	bool exits = kind == SIM_POSTED_EXITS;
	enum cause cause = exits ? CAUSE_GUEST_IRQS_OFF : CAUSE_GUEST_OFF_OR_HARDWARE;

	sim_host(s, v, sim_tid(s, v), GEN_FLAG_IRQS_OFF, G_KVM_POSTED,
		 V(sim_id(s, v), 0, 0, VECTOR));
	sim_enter(s, v);
	if (exits) {
		sim_pass(s, v, sim_injected(s), cause, GUEST_LOW);
		sim_leave(s, v, EXIT_EXTINT);
		sim_handle_exit(s, v, 100, 900, EXIT_EXTINT);
		sim_enter(s, v);
	}
	sim_pass(s, v, sim_injected(s), cause, exits ? GUEST_LOW : 0);
}

/* The guest keeps its interrupts off, and lets KVM know when it takes them. */
static void guest_irqs_off(struct sim *s, struct sim_vcpu *v)
{
	sim_handle_exit(s, v, 100, 900, s->o.hv_timer ? EXIT_PREEMPTION_TIMER : EXIT_EXTINT);
	sim_enter(s, v);
	sim_guest_time(s, v, sim_injected(s), CAUSE_GUEST_IRQS_OFF, GUEST_LOW);
	sim_leave(s, v, EXIT_WINDOW);
	sim_handle_exit(s, v, 100, 900, EXIT_WINDOW);
}

/* Until KVM has the timer's interrupt for the guest. */
static void until_accepted(struct sim *s, struct sim_vcpu *v, enum sim_case kind)
{
	if (kind == SIM_EXIT || kind == SIM_VMM_USER)
		long_exit(s, v, kind);
	else if (kind == SIM_STALL_KICK)
		kick_from_elsewhere(s, v);
	else if (kind == SIM_HOG_BUSY)
		preempted_at_deadline(s, v);
	else
		fire_in_guest(s, v, kind);
	sim_accept(s, v);
}

void sim_busy(struct sim *s, struct sim_vcpu *v, enum sim_case kind)
{
	bool hog = kind == SIM_GUEST_HOG;

	sim_guest_switch(s, v, "cyclictest", sim_thread(s, v), 1, hog ? "ghog" : "low",
			 hog ? GUEST_HOG : GUEST_LOW, hog ? 1 : 120);
	/* a sleeping lock keeps its owner on this CPU, but nobody waiting */
	if (s->o.rt_guest && v->pid == GUEST_LOW && sim_draw(s, 2))
		v->preempt = 0x10;
	until_accepted(s, v, kind);
	if (kind == SIM_GUEST_IRQS_OFF)
		guest_irqs_off(s, v);
	if (kind == SIM_GUEST_PREEMPT_OFF)
		v->preempt = 1;
	if (kind == SIM_POSTED_OFF || kind == SIM_POSTED_EXITS)
		post(s, v, kind);
	else
		sim_inject(s, v);
	sim_guest_tail(s, v, kind, false);
}
