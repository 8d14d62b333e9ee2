// SPDX-License-Identifier: GPL-2.0-only
#include "tests/gen/sim_step.h"

/* KVM is told of a deadline that has passed: its timer fires at once. */
static void program_late(struct sim *s, struct sim_vcpu *v)
{
	sim_leave(s, v, EXIT_MSR);
	sim_handle_exit(s, v, 300, 900, EXIT_MSR);
	sim_accept(s, v);
	sim_program(s, v);
	sim_handle_exit(s, v, 300, 900, EXIT_MSR);
	sim_inject(s, v);
}

/* A host thread or interrupt takes the vCPU's CPU while its thread computes in the guest. */
static void taken_away(struct sim *s, struct sim_vcpu *v, enum sim_case kind, uint64_t ticks)
{
	sim_leave(s, v, EXIT_EXTINT);
	sim_handle_exit(s, v, 100, 900, EXIT_EXTINT);
	if (kind == SIM_HOG_ARMING) {
		sim_hog_comes(s, v, PREEMPTED);
		sim_pass(s, v, ticks, CAUSE_HOST_THREAD, HOST_HOG);
		sim_hog_goes(s, v);
	} else {
		sim_device_irq(s, v, sim_tid(s, v), ticks);
	}
	sim_handle_exit(s, v, 100, 900, EXIT_EXTINT);
	sim_enter(s, v);
}

void sim_irq_arming(struct sim *s, struct sim_vcpu *v)
{
	sim_guest_starts_timer(s, v);
	v->t += sim_span(s, 300, 900);
	s->due_known = true;
	taken_away(s, v, SIM_IRQ_ARMING, s->cur.due - v->t + sim_injected(s));
	sim_spend(s, v, 300, 900, CAUSE_ARMED_LATE, 0);
	sim_guest_switch(s, v, "cyclictest", sim_thread(s, v), 1, "swapper", 0, 120);
	sim_spend(s, v, 300, 900, CAUSE_ARMED_LATE, 0);
	program_late(s, v);
	sim_guest_tail(s, v, SIM_IRQ_ARMING, true);
}

void sim_wake_race(struct sim *s, struct sim_vcpu *v)
{
	sim_guest_switch(s, v, "cyclictest", sim_thread(s, v), 1, "swapper", 0, 120);
	v->t = s->cur.due - sim_span(s, 2000, 9000);
	sim_leave(s, v, EXIT_HLT);
	if (s->o.hv_timer)
		sim_start_sw_timer(s, v);
	sim_pass(s, v, s->cur.due - v->t + 1, CAUSE_VMEXIT, sim_exit_detail(EXIT_HLT));
	sim_fire(s, v, sim_tid(s, v), true);
	sim_handle_exit(s, v, 300, 900, EXIT_HLT);
	sim_hog_comes(s, v, 1);
	sim_pass(s, v, sim_injected(s), CAUSE_HOST_THREAD, HOST_HOG);
	sim_hog_goes(s, v);
	sim_handle_exit(s, v, 300, 2000, EXIT_HLT);
	sim_accept(s, v);
	sim_handle_exit(s, v, 300, 2000, EXIT_HLT);
	sim_inject(s, v);
	sim_guest_tail(s, v, SIM_WAKE_RACE, true);
}

void sim_late(struct sim *s, struct sim_vcpu *v, enum sim_case kind)
{
	if (kind == SIM_HOG_ARMING) {
		sim_spend(s, v, 300, 900, CAUSE_ARMED_LATE, 0);
		taken_away(s, v, kind, sim_injected(s));
		sim_spend(s, v, 300, 900, CAUSE_ARMED_LATE, 0);
	} else {
		sim_pass(s, v, sim_injected(s), CAUSE_ARMED_LATE, 0);
	}
	sim_guest_starts_timer(s, v);
	sim_spend(s, v, 300, 900, CAUSE_ARMED_LATE, 0);
	program_late(s, v);
	sim_timer_interrupt(s, v);
	sim_wake_up_returns(s, v);
}
