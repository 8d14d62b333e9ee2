// SPDX-License-Identifier: GPL-2.0-only
#include "tests/gen/sim_step.h"

#include "lib/cleanup.h"

uint64_t sim_draw(struct sim *s, uint64_t below)
{
	s->rng ^= s->rng >> 12;
	s->rng ^= s->rng << 25;
	s->rng ^= s->rng >> 27;
	return s->rng * 2685821657736338717ull % below;
}

uint64_t sim_span(struct sim *s, uint64_t low_ns, uint64_t high_ns)
{
	uint64_t t = clock_ticks(s->rate, low_ns + sim_draw(s, high_ns - low_ns));

	return t ? t : 1;
}

uint64_t sim_injected(struct sim *s)
{
	if (s->o.inject_ns)
		return clock_ticks(s->rate, s->o.inject_ns);
	return sim_span(s, 200000, 20000000);
}

void sim_pass(struct sim *s, struct sim_vcpu *v, uint64_t ticks, enum cause cause, uint32_t detail)
{
	uint64_t from = v->t;

	v->t += ticks;
	if (!s->due_known || v->t <= s->cur.due)
		return;
	if (from < s->cur.due)
		from = s->cur.due;
	budget_add(&s->cur.truth, cause, detail, clock_ns(s->rate, v->t) - clock_ns(s->rate, from));
}

void sim_spend(struct sim *s, struct sim_vcpu *v, uint64_t low_ns, uint64_t high_ns,
	       enum cause cause, uint32_t detail)
{
	sim_pass(s, v, sim_span(s, low_ns, high_ns), cause, detail);
}

uint32_t sim_exit_detail(uint32_t reason)
{
	return reason | 1u << 30;
}

void sim_handle_exit(struct sim *s, struct sim_vcpu *v, uint64_t low_ns, uint64_t high_ns,
		     uint32_t reason)
{
	sim_spend(s, v, low_ns, high_ns, CAUSE_VMEXIT, sim_exit_detail(reason));
}

unsigned int sim_index(const struct sim *s, const struct sim_vcpu *v)
{
	return v - s->vcpu;
}

uint32_t sim_tid(const struct sim *s, const struct sim_vcpu *v)
{
	return 1000 + sim_index(s, v);
}

uint32_t sim_thread(const struct sim *s, const struct sim_vcpu *v)
{
	return 200 + sim_index(s, v);
}

uint32_t sim_prio(const struct sim *s)
{
	return s->o.prio ? s->o.prio : 4;
}

uint32_t sim_id(const struct sim *s, const struct sim_vcpu *v)
{
	unsigned int n = sim_index(s, v);

	return s->o.hole && n >= s->o.hole ? n + 1 : n;
}

unsigned int sim_elsewhere(const struct sim *s, const struct sim_vcpu *v)
{
	return 1 + 2 * s->o.vcpus + sim_index(s, v);
}

void sim_host_as(struct sim *s, unsigned int cpu, uint64_t ts, uint32_t pid, uint8_t flags,
		 enum gen_event ev, const uint64_t *values)
{
	gen_put(&s->host, cpu, ts, (struct gen_common){ .pid = pid, .flags = flags }, ev, values);
}

/* The guest has been left: its last event bounds the clocks' error from below. */
static void out_of_guest(struct sim *s, struct sim_vcpu *v)
{
	if (v->in_guest && v->any && (int64_t)(v->last_guest - v->t) > s->low)
		s->low = v->last_guest - v->t;
	v->in_guest = false;
}

void sim_host(struct sim *s, struct sim_vcpu *v, uint32_t pid, uint8_t flags, enum gen_event ev,
	      const uint64_t *values)
{
	if (pid == sim_tid(s, v))
		out_of_guest(s, v);
	sim_host_as(s, v->cpu, v->t, pid, flags, ev, values);
}

void sim_guest(struct sim *s, struct sim_vcpu *v, uint8_t flags, enum gen_event ev,
	       const uint64_t *values)
{
	struct gen_common c = { .pid = v->pid, .flags = flags, .preempt = v->preempt };

	gen_put(&s->guest, sim_index(s, v), clock_to_guest(&s->o.map, v->t), c, ev, values);
	if (ev == G_OTHER)
		return; /* nobody looks at it, so it bounds nothing */
	if (v->in_guest && !v->any && (int64_t)(v->t - v->entry) < s->high)
		s->high = v->t - v->entry;
	v->any = v->in_guest;
	v->last_guest = v->t;
}

void sim_enter(struct sim *s, struct sim_vcpu *v)
{
	sim_host(s, v, sim_tid(s, v), GEN_FLAG_IRQS_OFF, G_KVM_ENTRY,
		 V(sim_id(s, v), 0xffffffff81000000));
	v->in_guest = true;
	v->any = !v->entry; /* the first: the guest may have run before it, untraced */
	v->entry = v->t;
}

void sim_leave(struct sim *s, struct sim_vcpu *v, uint32_t reason)
{
	sim_host(s, v, sim_tid(s, v), GEN_FLAG_IRQS_OFF, G_KVM_EXIT,
		 V(reason, 0xffffffff81000000, 1, 0, 0, sim_id(s, v)));
}

void sim_host_switch(struct sim *s, struct sim_vcpu *v, const char *from, uint32_t from_pid,
		     uint64_t state, const char *to, uint32_t to_pid, uint32_t to_prio)
{
	sim_host(s, v, from_pid, GEN_FLAG_IRQS_OFF, G_SWITCH,
		 V(S(from), from_pid, 120, state, S(to), to_pid, to_prio));
}

void sim_guest_switch(struct sim *s, struct sim_vcpu *v, const char *from, uint32_t from_pid,
		      uint64_t state, const char *to, uint32_t to_pid, uint32_t to_prio)
{
	sim_guest(s, v, GEN_FLAG_IRQS_OFF, G_SWITCH,
		  V(S(from), from_pid, 120, state, S(to), to_pid, to_prio));
	v->pid = to_pid;
}

void sim_hog_comes(struct sim *s, struct sim_vcpu *v, uint64_t state)
{
	sim_host_switch(s, v, "vcpu", sim_tid(s, v), state, "hog", HOST_HOG, 49);
}

void sim_hog_goes(struct sim *s, struct sim_vcpu *v)
{
	sim_host_switch(s, v, "hog", HOST_HOG, 1, "vcpu", sim_tid(s, v), 98);
}

void sim_device_irq(struct sim *s, struct sim_vcpu *v, uint32_t pid, uint64_t ticks)
{
	sim_host(s, v, pid, GEN_FLAG_IRQS_OFF, G_IRQ_ENTRY, V(24, S("eth0")));
	sim_pass(s, v, ticks, CAUSE_HOST_IRQ, SIM_DEVICE);
	sim_host(s, v, pid, GEN_FLAG_HARDIRQ, G_IRQ_EXIT, V(24, 1));
}

void sim_softirq(struct sim *s, struct sim_vcpu *v, uint32_t pid, uint64_t ticks)
{
	sim_host(s, v, pid, GEN_FLAG_SOFTIRQ, G_SOFTIRQ_ENTRY, V(SOFTIRQ_NET_RX));
	sim_pass(s, v, ticks, CAUSE_HOST_SOFTIRQ, SOFTIRQ_NET_RX);
	sim_host(s, v, pid, GEN_FLAG_SOFTIRQ, G_SOFTIRQ_EXIT, V(SOFTIRQ_NET_RX));
}

void sim_stall(struct sim *s, struct sim_vcpu *v)
{
	sim_pass(s, v, clock_ticks(s->rate, 1100000) + sim_injected(s), CAUSE_HARDWARE, 0);
}

/* The vCPU's thread goes on at its other CPU, which has been idle. */
static void moved(struct sim *s, struct sim_vcpu *v)
{
	unsigned int old = v->cpu, own = 1 + sim_index(s, v), spare = own + s->o.vcpus;

	v->cpu = old == spare ? own : spare;
	sim_host_as(s, v->cpu, v->t, 0, GEN_FLAG_IRQS_OFF, G_MIGRATE,
		    V(S("vcpu"), sim_tid(s, v), 98, old, v->cpu));
	sim_spend(s, v, 100, 2000, CAUSE_HOST_IDLE, 1);
	sim_host_as(s, v->cpu, v->t, 0, GEN_FLAG_IRQS_OFF, G_IDLE, V(UINT32_MAX, v->cpu));
	sim_spend(s, v, 100, 2000, CAUSE_HOST_WAKEUP, 0);
	sim_host_switch(s, v, "swapper", 0, 0, "vcpu", sim_tid(s, v), 98);
	sim_host_as(s, old, v->t, HOST_HOG, GEN_FLAG_IRQS_OFF, G_SWITCH,
		    V(S("hog"), HOST_HOG, 49, 1, S("swapper"), 0, 120));
	sim_host_as(s, old, v->t, 0, GEN_FLAG_IRQS_OFF, G_IDLE, V(1, old));
}

/* The host thread is put off its CPU by a more urgent one, perhaps to go on elsewhere. */
static void preempted(struct sim *s, struct sim_vcpu *v)
{
	bool move = sim_draw(s, 2);

	sim_hog_comes(s, v, PREEMPTED);
	sim_spend(s, v, 1000, 50000, CAUSE_HOST_THREAD, HOST_HOG);
	if (move)
		moved(s, v);
	else
		sim_hog_goes(s, v);
}

void sim_nested_interrupts(struct sim *s, struct sim_vcpu *v, uint32_t pid)
{
	sim_host(s, v, pid, GEN_FLAG_IRQS_OFF, G_IRQ_ENTRY, V(24, S("eth0")));
	sim_spend(s, v, 200, 5000, CAUSE_HOST_IRQ, SIM_DEVICE);
	sim_host(s, v, pid, GEN_FLAG_HARDIRQ, G_RESCHED_ENTRY, V(0xfd));
	sim_spend(s, v, 200, 3000, CAUSE_HOST_IRQ, SIM_RESCHEDULE);
	sim_host(s, v, pid, GEN_FLAG_HARDIRQ, G_RESCHED_EXIT, V(0xfd));
	sim_spend(s, v, 200, 5000, CAUSE_HOST_IRQ, SIM_DEVICE);
	sim_host(s, v, pid, GEN_FLAG_HARDIRQ, G_IRQ_EXIT, V(24, 1));
	if (sim_draw(s, 2))
		sim_softirq(s, v, pid, sim_span(s, 200, 9000));
}

/* An exit of the guest, with what may happen during one; ends in the guest again. */
static void excursion(struct sim *s, struct sim_vcpu *v)
{
	static const uint32_t reasons[] = { EXIT_NPF, EXIT_IO, EXIT_MSR, EXIT_EXTINT };
	uint32_t reason = reasons[sim_draw(s, ARRAY_SIZE(reasons))];

	sim_leave(s, v, reason);
	sim_handle_exit(s, v, 100, 4000, reason);
	switch (sim_draw(s, 4)) {
	case 0:
		sim_nested_interrupts(s, v, sim_tid(s, v));
		break;
	case 1:
		preempted(s, v);
		break;
	case 2:
		sim_host(s, v, sim_tid(s, v), 0, G_KVM_USER, V(2, 0));
		sim_host(s, v, sim_tid(s, v), GEN_FLAG_IRQS_OFF, G_HRTIMER_START,
			 V(VMM_TIMER, 0xffffffff81300000, clock_ns(s->rate, v->t), 0, 0));
		sim_spend(s, v, 300, 9000, CAUSE_VMM_USER, sim_exit_detail(reason));
		break;
	default:
		break;
	}
	/* a return to user space ends with the next entry, so nothing else may follow it here */
	sim_enter(s, v);
}

void sim_guest_time(struct sim *s, struct sim_vcpu *v, uint64_t ticks, enum cause cause,
		    uint32_t detail)
{
	while (s->o.noise && sim_draw(s, 3) == 0 && ticks > 4) {
		uint64_t part = 1 + sim_draw(s, ticks / 2);

		sim_pass(s, v, part, cause, detail);
		excursion(s, v);
		sim_pass(s, v, 1, cause, detail);
		ticks -= part + 1;
	}
	sim_pass(s, v, ticks, cause, detail);
}
