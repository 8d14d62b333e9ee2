// SPDX-License-Identifier: GPL-2.0-only
#include "tests/gen/sim_step.h"

/* The guest goes idle and the vCPU halts; the host CPU idles. */
static void halt(struct sim *s, struct sim_vcpu *v)
{
	uint32_t me = sim_thread(s, v);

	sim_guest_switch(s, v, "cyclictest", me, 1, "swapper", 0, 120);
	v->t += sim_span(s, 300, 900);
	sim_guest(s, v, GEN_FLAG_IRQS_OFF, G_IDLE, V(1, sim_index(s, v)));
	v->t += sim_span(s, 300, 900);
	sim_leave(s, v, EXIT_HLT);
	v->t += sim_span(s, 300, 900);
	if (s->o.hv_timer)
		sim_start_sw_timer(s, v);
	sim_host_switch(s, v, "vcpu", sim_tid(s, v), 1, "swapper", 0, 120);
	sim_host_as(s, v->cpu, v->t, 0, GEN_FLAG_IRQS_OFF, G_IDLE, V(2, v->cpu));
}

/* Interrupts are off on this CPU; the rest of the machine goes on, or has nothing to do. */
static void irqs_off(struct sim *s, struct sim_vcpu *v, bool quiet)
{
	unsigned int rest = sim_elsewhere(s, v);
	uint64_t left = sim_injected(s), step;

	if (quiet)
		sim_pass(s, v, left, CAUSE_HOST_OFF_OR_HARDWARE, HOST_HOG);
	for (; left && !quiet; left -= step) {
		step = clock_ticks(s->rate, 50000);
		if (step > left)
			step = left;
		sim_pass(s, v, step, CAUSE_HOST_IRQS_OFF, HOST_HOG);
		sim_host_as(s, rest, v->t, 7, 0, G_OTHER, V(1, 2));
		sim_host_as(s, rest, v->t, 7, GEN_FLAG_IRQS_OFF, G_IDLE, V(UINT32_MAX, rest));
	}
}

/* KVM's timer has moved to another CPU, whose interrupt wakes the vCPU; its CPU sleeps deeply. */
static void woken_from_elsewhere(struct sim *s, struct sim_vcpu *v)
{
	unsigned int n = sim_index(s, v), rest = sim_elsewhere(s, v);

	v->t = s->cur.due;
	sim_host_as(s, rest, v->t, 0, GEN_FLAG_IRQS_OFF, G_TIMER_ENTRY, V(VECTOR));
	sim_spend(s, v, 300, 900, CAUSE_HOST_IRQ, SIM_LOCAL_TIMER);
	sim_host_as(s, rest, v->t, 0, GEN_FLAG_HARDIRQ, G_HRTIMER_EXPIRE,
		    V(KVM_TIMER + n * 64, clock_ns(s->rate, v->t), 0xffffffffc0100000));
	sim_spend(s, v, 300, 900, CAUSE_HOST_WAKEUP, 0);
	sim_host_as(s, rest, v->t, 0, GEN_FLAG_HARDIRQ, G_WAKING,
		    V(S("vcpu"), sim_tid(s, v), 98, v->cpu));
	sim_host_as(s, rest, v->t, 0, GEN_FLAG_HARDIRQ, G_TIMER_EXIT, V(VECTOR));
	sim_spend(s, v, 300000, 900000, CAUSE_HOST_IDLE, 2);
	sim_host_as(s, v->cpu, v->t, 0, GEN_FLAG_IRQS_OFF, G_IDLE, V(UINT32_MAX, v->cpu));
	sim_spend(s, v, 500, 2500, CAUSE_HOST_WAKEUP, 0);
	sim_host_switch(s, v, "swapper", 0, 0, "vcpu", sim_tid(s, v), 98);
}

/* A thread of the host has the CPU at the deadline, awake or with interrupts off. */
static bool hog_waits(enum sim_case kind)
{
	return kind == SIM_HOST_IRQS_OFF || kind == SIM_IRQS_OFF_QUIET || kind == SIM_HOST_HOG ||
	       kind == SIM_HOST_THROTTLED;
}

/* The CPU leaves its idle state this long before the deadline. */
static void wake_before(struct sim *s, struct sim_vcpu *v, uint64_t low_ns, uint64_t high_ns)
{
	v->t = s->cur.due - sim_span(s, low_ns, high_ns);
	sim_host_as(s, v->cpu, v->t, 0, GEN_FLAG_IRQS_OFF, G_IDLE, V(UINT32_MAX, v->cpu));
}

/* What the host's CPU does at the deadline, until its timer can interrupt it. */
static void at_deadline(struct sim *s, struct sim_vcpu *v, enum sim_case kind)
{
	if (kind == SIM_HOST_IRQ) {
		wake_before(s, v, 1000, 9000);
		sim_device_irq(s, v, 0, s->cur.due - v->t + sim_injected(s));
		return;
	}
	v->t = s->cur.due;
	if (kind == SIM_STALL_IDLE)
		sim_stall(s, v);
	else if (kind == SIM_HOST_IRQS_OFF || kind == SIM_IRQS_OFF_QUIET)
		irqs_off(s, v, kind == SIM_IRQS_OFF_QUIET);
	else if (!hog_waits(kind))
		sim_spend(s, v, 500, 90000, CAUSE_HOST_IDLE, 2);
}

/* The thread that had the CPU lets it go, in the end. */
static void hog_ends(struct sim *s, struct sim_vcpu *v, enum sim_case kind)
{
	sim_pass(s, v, kind == SIM_HOST_HOG ? sim_injected(s) : sim_span(s, 300, 900),
		 CAUSE_HOST_THREAD, HOST_HOG);
	if (kind == SIM_HOST_THROTTLED) {
		sim_host_switch(s, v, "hog", HOST_HOG, PREEMPTED, "swapper", 0, 120);
		sim_pass(s, v, sim_injected(s), CAUSE_HOST_THROTTLED, 0);
		sim_host_switch(s, v, "swapper", 0, 0, "hog", HOST_HOG, 49);
	}
	sim_hog_goes(s, v);
}

/* The CPU was idle: from the wake-up to the switch. */
static void idle_ends(struct sim *s, struct sim_vcpu *v, enum sim_case kind)
{
	if (kind == SIM_STALL_WAKE)
		sim_stall(s, v);
	else
		sim_spend(s, v, 500, 2500, CAUSE_HOST_WAKEUP, 0);
	sim_host_as(s, v->cpu, v->t, 0, GEN_FLAG_IRQS_OFF, G_IDLE, V(UINT32_MAX, v->cpu));
	sim_host_switch(s, v, "swapper", 0, 0, "vcpu", sim_tid(s, v), 98);
}

/* The vCPU's own CPU fires its timer and wakes it. */
static void woken_here(struct sim *s, struct sim_vcpu *v, enum sim_case kind)
{
	uint32_t running = 0;

	if (hog_waits(kind)) {
		wake_before(s, v, 20000, 60000);
		sim_host_switch(s, v, "swapper", 0, 0, "hog", HOST_HOG, 49);
		running = HOST_HOG;
	}
	at_deadline(s, v, kind);
	sim_fire(s, v, running, true);
	if (kind == SIM_HOST_SOFTIRQ)
		sim_softirq(s, v, running, sim_injected(s));
	if (s->o.noise && sim_draw(s, 4) == 0)
		sim_nested_interrupts(s, v, running);
	if (running)
		hog_ends(s, v, kind);
	else
		idle_ends(s, v, kind);
}

void sim_halted(struct sim *s, struct sim_vcpu *v, enum sim_case kind)
{
	halt(s, v);
	if (kind == SIM_IDLE_ELSEWHERE)
		woken_from_elsewhere(s, v);
	else
		woken_here(s, v, kind);
	sim_handle_exit(s, v, 300, 2000, EXIT_HLT);
	sim_accept(s, v);
	sim_handle_exit(s, v, 300, 2000, EXIT_HLT);
	sim_inject(s, v);
	sim_guest_tail(s, v, kind, true);
}
