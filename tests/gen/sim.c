// SPDX-License-Identifier: GPL-2.0-only
#include "tests/gen/sim.h"

#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

const char *const sim_case_name[SIM_CASES] = {
	"plain",	   "stall-idle",     "stall-guest",	  "stall-wake",
	"stall-kick",	   "stall-switch",   "host-irq",	  "host-softirq",
	"host-hog",	   "host-throttled", "host-irqs-off",	  "exit",
	"vmm-user",	   "guest-irq",	     "guest-softirq",	  "guest-hog",
	"guest-throttled", "guest-irqs-off", "guest-preempt-off", "armed-late",
	"hog-arming",	   "irq-arming",     "wake-race",	  "hog-busy",
	"idle-elsewhere",  "posted-off",     "posted-exits",	  "guest-preempted",
	"irqs-off-quiet",
};

const enum cause sim_case_cause[SIM_CASES] = {
	[SIM_PLAIN] = CAUSE_COUNT, /* nothing in particular */
	[SIM_STALL_IDLE] = CAUSE_HARDWARE,
	[SIM_STALL_GUEST] = CAUSE_HARDWARE,
	[SIM_STALL_WAKE] = CAUSE_HARDWARE,
	[SIM_STALL_KICK] = CAUSE_HARDWARE,
	[SIM_STALL_SWITCH] = CAUSE_HARDWARE,
	[SIM_HOST_IRQ] = CAUSE_HOST_IRQ,
	[SIM_HOST_SOFTIRQ] = CAUSE_HOST_SOFTIRQ,
	[SIM_HOST_HOG] = CAUSE_HOST_THREAD,
	[SIM_HOST_THROTTLED] = CAUSE_HOST_THROTTLED,
	[SIM_HOST_IRQS_OFF] = CAUSE_HOST_IRQS_OFF,
	[SIM_EXIT] = CAUSE_VMEXIT,
	[SIM_VMM_USER] = CAUSE_VMM_USER,
	[SIM_GUEST_IRQ] = CAUSE_GUEST_IRQ,
	[SIM_GUEST_SOFTIRQ] = CAUSE_GUEST_SOFTIRQ,
	[SIM_GUEST_HOG] = CAUSE_GUEST_THREAD,
	[SIM_GUEST_THROTTLED] = CAUSE_GUEST_THROTTLED,
	[SIM_GUEST_IRQS_OFF] = CAUSE_GUEST_IRQS_OFF,
	[SIM_GUEST_PREEMPT_OFF] = CAUSE_GUEST_IRQS_OFF,
	[SIM_ARMED_LATE] = CAUSE_ARMED_LATE,
	[SIM_HOG_ARMING] = CAUSE_HOST_THREAD,
	[SIM_IRQ_ARMING] = CAUSE_HOST_IRQ,
	[SIM_WAKE_RACE] = CAUSE_HOST_THREAD,
	[SIM_HOG_BUSY] = CAUSE_HOST_THREAD,
	[SIM_IDLE_ELSEWHERE] = CAUSE_HOST_IDLE,
	[SIM_POSTED_OFF] = CAUSE_GUEST_OFF_OR_HARDWARE,
	[SIM_POSTED_EXITS] = CAUSE_GUEST_IRQS_OFF,
	[SIM_GUEST_PREEMPTED] = CAUSE_GUEST_THREAD,
	[SIM_IRQS_OFF_QUIET] = CAUSE_HOST_OFF_OR_HARDWARE,
};

enum {
	EXIT_MSR = 32,
	EXIT_HLT = 12,
	EXIT_EXTINT = 1,
	EXIT_WINDOW = 7,
	EXIT_NPF = 48,
	EXIT_IO = 30,
	EXIT_PREEMPTION_TIMER = 52,
	VECTOR = 0xec,
	HOST_HOG = 500,
	GUEST_HOG = 90,
	GUEST_LOW = 91,
	OTHER_GUEST = 2000,
	KVM_TIMER = 0x10000,
	GUEST_TIMER = 0x20000,
	TICK_TIMER = 0x30000,
	VMM_TIMER = 0x40000,
	PREEMPTED = 0x100, /* prev_state: TASK_REPORT_MAX of Linux 4.14 and later */
	SOFTIRQ_NET_RX = 3,
	SOFTIRQ_RCU = 9,
};

const char *sim_irq(uint32_t which, bool guest)
{
	return which == SIM_LOCAL_TIMER	 ? "local_timer"
	       : which == SIM_RESCHEDULE ? "reschedule"
	       : guest			 ? "virtio0"
					 : "eth0";
}

static uint64_t draw(struct sim *s, uint64_t below)
{
	s->rng ^= s->rng >> 12;
	s->rng ^= s->rng << 25;
	s->rng ^= s->rng >> 27;
	return s->rng * 2685821657736338717ull % below;
}

/* Ticks of low to high nanoseconds. */
static uint64_t span(struct sim *s, uint64_t low_ns, uint64_t high_ns)
{
	uint64_t t = clock_ticks(s->rate, low_ns + draw(s, high_ns - low_ns));

	return t ? t : 1;
}

/* Time passes, for this reason. */
static void pass(struct sim *s, struct sim_vcpu *v, uint64_t ticks, enum cause cause,
		 uint32_t detail)
{
	uint64_t from = v->t;

	v->t += ticks;
	if (!s->due_known || v->t <= s->cur.due)
		return;
	if (from < s->cur.due)
		from = s->cur.due;
	budget_add(&s->cur.truth, cause, detail, clock_ns(s->rate, v->t) - clock_ns(s->rate, from));
}

#define V(...)	((const uint64_t[]){ __VA_ARGS__ })
#define S(text) ((uint64_t)(uintptr_t)(text))

static void host_as(struct sim *s, unsigned int cpu, uint64_t ts, uint32_t pid, uint8_t flags,
		    enum gen_event ev, const uint64_t *values)
{
	gen_put(&s->host, cpu, ts, (struct gen_common){ .pid = pid, .flags = flags }, ev, values);
}

static uint32_t tid_of(const struct sim *s, const struct sim_vcpu *v)
{
	return 1000 + (v - s->vcpu);
}

static uint32_t prio_of(const struct sim *s)
{
	return s->o.prio ? s->o.prio : 4;
}

/* KVM's number of it. */
static uint32_t id_of(const struct sim *s, const struct sim_vcpu *v)
{
	uint32_t n = v - s->vcpu;

	return s->o.hole && n >= s->o.hole ? n + 1 : n;
}

/* The guest has been left: its last event bounds the clocks' error from below. */
static void out_of_guest(struct sim *s, struct sim_vcpu *v)
{
	if (v->in_guest && v->any && (int64_t)(v->last_guest - v->t) > s->low)
		s->low = v->last_guest - v->t;
	v->in_guest = false;
}

static void host(struct sim *s, struct sim_vcpu *v, uint32_t pid, uint8_t flags, enum gen_event ev,
		 const uint64_t *values)
{
	if (pid == tid_of(s, v))
		out_of_guest(s, v);
	host_as(s, v->cpu, v->t, pid, flags, ev, values);
}

static void guest(struct sim *s, struct sim_vcpu *v, uint8_t flags, enum gen_event ev,
		  const uint64_t *values)
{
	struct gen_common c = { .pid = v->pid, .flags = flags, .preempt = v->preempt };

	gen_put(&s->guest, v - s->vcpu, clock_to_guest(&s->o.map, v->t), c, ev, values);
	if (ev == G_OTHER)
		return; /* nobody looks at it, so it bounds nothing */
	if (v->in_guest && !v->any && (int64_t)(v->t - v->entry) < s->high)
		s->high = v->t - v->entry;
	v->any = v->in_guest;
	v->last_guest = v->t;
}

static void enter(struct sim *s, struct sim_vcpu *v)
{
	host(s, v, tid_of(s, v), GEN_FLAG_IRQS_OFF, G_KVM_ENTRY,
	     V(id_of(s, v), 0xffffffff81000000));
	v->in_guest = true;
	v->any = !v->entry; /* the first: the guest may have run before it, untraced */
	v->entry = v->t;
}

static void leave(struct sim *s, struct sim_vcpu *v, uint32_t reason)
{
	host(s, v, tid_of(s, v), GEN_FLAG_IRQS_OFF, G_KVM_EXIT,
	     V(reason, 0xffffffff81000000, 1, 0, 0, id_of(s, v)));
}

static void host_switch(struct sim *s, struct sim_vcpu *v, const char *from, uint32_t from_pid,
			uint64_t state, const char *to, uint32_t to_pid, uint32_t to_prio)
{
	host(s, v, from_pid, GEN_FLAG_IRQS_OFF, G_SWITCH,
	     V(S(from), from_pid, 120, state, S(to), to_pid, to_prio));
}

static void guest_switch(struct sim *s, struct sim_vcpu *v, const char *from, uint32_t from_pid,
			 uint64_t state, const char *to, uint32_t to_pid, uint32_t to_prio)
{
	guest(s, v, GEN_FLAG_IRQS_OFF, G_SWITCH,
	      V(S(from), from_pid, 120, state, S(to), to_pid, to_prio));
	v->pid = to_pid;
}

static uint32_t exit_detail(uint32_t reason)
{
	return reason | 1u << 30;
}

/* The host thread is put off its CPU by a more urgent one, perhaps to go on elsewhere. */
static void preempted(struct sim *s, struct sim_vcpu *v)
{
	bool move = draw(s, 2);
	unsigned int old = v->cpu, other = 1 + s->o.vcpus + (v - s->vcpu);

	host_switch(s, v, "vcpu", tid_of(s, v), PREEMPTED, "hog", HOST_HOG, 49);
	pass(s, v, span(s, 1000, 50000), CAUSE_HOST_THREAD, HOST_HOG);
	if (move) {
		/* its spare CPU has been idle */
		v->cpu = old == other ? 1 + (v - s->vcpu) : other;
		host_as(s, v->cpu, v->t, 0, GEN_FLAG_IRQS_OFF, G_MIGRATE,
			V(S("vcpu"), tid_of(s, v), 98, old, v->cpu));
		pass(s, v, span(s, 100, 2000), CAUSE_HOST_IDLE, 1);
		host_as(s, v->cpu, v->t, 0, GEN_FLAG_IRQS_OFF, G_IDLE, V(UINT32_MAX, v->cpu));
		pass(s, v, span(s, 100, 2000), CAUSE_HOST_WAKEUP, 0);
		host_switch(s, v, "swapper", 0, 0, "vcpu", tid_of(s, v), 98);
		host_as(s, old, v->t, HOST_HOG, GEN_FLAG_IRQS_OFF, G_SWITCH,
			V(S("hog"), HOST_HOG, 49, 1, S("swapper"), 0, 120));
		host_as(s, old, v->t, 0, GEN_FLAG_IRQS_OFF, G_IDLE, V(1, old));
		return;
	}
	host_switch(s, v, "hog", HOST_HOG, 1, "vcpu", tid_of(s, v), 98);
}

/* A host interrupt with another one inside it, and a softirq behind. */
static void nested_interrupts(struct sim *s, struct sim_vcpu *v, uint32_t pid)
{
	host(s, v, pid, GEN_FLAG_IRQS_OFF, G_IRQ_ENTRY, V(24, S("eth0")));
	pass(s, v, span(s, 200, 5000), CAUSE_HOST_IRQ, SIM_DEVICE);
	host(s, v, pid, GEN_FLAG_HARDIRQ, G_RESCHED_ENTRY, V(0xfd));
	pass(s, v, span(s, 200, 3000), CAUSE_HOST_IRQ, SIM_RESCHEDULE);
	host(s, v, pid, GEN_FLAG_HARDIRQ, G_RESCHED_EXIT, V(0xfd));
	pass(s, v, span(s, 200, 5000), CAUSE_HOST_IRQ, SIM_DEVICE);
	host(s, v, pid, GEN_FLAG_HARDIRQ, G_IRQ_EXIT, V(24, 1));
	if (draw(s, 2)) {
		host(s, v, pid, GEN_FLAG_SOFTIRQ, G_SOFTIRQ_ENTRY, V(SOFTIRQ_NET_RX));
		pass(s, v, span(s, 200, 9000), CAUSE_HOST_SOFTIRQ, SOFTIRQ_NET_RX);
		host(s, v, pid, GEN_FLAG_SOFTIRQ, G_SOFTIRQ_EXIT, V(SOFTIRQ_NET_RX));
	}
}

/* An exit of the guest, with what may happen during one; ends in the guest again. */
static void excursion(struct sim *s, struct sim_vcpu *v)
{
	static const uint32_t reasons[] = { EXIT_NPF, EXIT_IO, EXIT_MSR, EXIT_EXTINT };
	uint32_t reason = reasons[draw(s, ARRAY_SIZE(reasons))];

	leave(s, v, reason);
	pass(s, v, span(s, 100, 4000), CAUSE_VMEXIT, exit_detail(reason));
	switch (draw(s, 4)) {
	case 0:
		nested_interrupts(s, v, tid_of(s, v));
		break;
	case 1:
		preempted(s, v);
		break;
	case 2:
		host(s, v, tid_of(s, v), 0, G_KVM_USER, V(2, 0));
		host(s, v, tid_of(s, v), GEN_FLAG_IRQS_OFF, G_HRTIMER_START,
		     V(VMM_TIMER, 0xffffffff81300000, clock_ns(s->rate, v->t), 0, 0));
		pass(s, v, span(s, 300, 9000), CAUSE_VMM_USER, exit_detail(reason));
		break;
	default:
		break;
	}
	/* a return to user space ends with the next entry, so nothing else may follow it here */
	enter(s, v);
}

/* Guest time of some kind, with excursions in it when there is noise. */
static void guest_time(struct sim *s, struct sim_vcpu *v, uint64_t ticks, enum cause cause,
		       uint32_t detail, bool noise)
{
	while (noise && s->o.noise && draw(s, 3) == 0 && ticks > 4) {
		uint64_t part = 1 + draw(s, ticks / 2);

		pass(s, v, part, cause, detail);
		excursion(s, v);
		pass(s, v, 1, cause, detail);
		ticks -= part + 1;
	}
	pass(s, v, ticks, cause, detail);
}

static void chatter(struct sim *s, struct sim_vcpu *v)
{
	for (unsigned int i = 0; i < s->o.chatter; i++) {
		v->t += clock_ticks(s->rate, 150) + 1;
		guest(s, v, 0, G_OTHER, V(i, 1));
	}
}

/* KVM keeps the guest's deadline by a timer of the host. */
static void start_sw_timer(struct sim *s, struct sim_vcpu *v)
{
	unsigned int n = v - s->vcpu;
	uint64_t due_ns = clock_ns(s->rate, s->cur.due);

	host(s, v, tid_of(s, v), GEN_FLAG_IRQS_OFF, G_HRTIMER_START,
	     V(KVM_TIMER + n * 64, 0xffffffffc0100000, due_ns, due_ns, 0));
	host(s, v, tid_of(s, v), GEN_FLAG_IRQS_OFF, G_HV_STATE, V(id_of(s, v), 0));
}

/* The host ticks meanwhile: a timer is started while this thread is on the CPU, but not by it. */
static void tick_within(struct sim *s, struct sim_vcpu *v)
{
	uint32_t pid = tid_of(s, v);

	host(s, v, pid, GEN_FLAG_IRQS_OFF, G_TIMER_ENTRY, V(VECTOR));
	host(s, v, pid, GEN_FLAG_HARDIRQ, G_HRTIMER_EXPIRE,
	     V(TICK_TIMER, clock_ns(s->rate, v->t), 0xffffffff81200000));
	host(s, v, pid, GEN_FLAG_HARDIRQ | GEN_FLAG_IRQS_OFF, G_HRTIMER_START,
	     V(TICK_TIMER, 0xffffffff81200000, clock_ns(s->rate, v->t) + 4000000, 0, 0));
	host(s, v, pid, GEN_FLAG_HARDIRQ, G_TIMER_EXIT, V(VECTOR));
}

/* Arm the guest's timer; leaves the vCPU in the guest. */
static void arm(struct sim *s, struct sim_vcpu *v)
{
	uint64_t due_ns = clock_ns(s->rate, s->cur.due);
	unsigned int n = v - s->vcpu;

	guest(s, v, GEN_FLAG_IRQS_OFF, G_HRTIMER_START,
	      V(GUEST_TIMER + n * 64, 0xffffffff81100000, due_ns, due_ns, 0));
	guest_time(s, v, span(s, 300, 900), CAUSE_GUEST_WAKEUP, 0, false);
	leave(s, v, EXIT_MSR);
	v->t += span(s, 300, 900);
	if (s->o.hv_timer)
		host(s, v, tid_of(s, v), GEN_FLAG_IRQS_OFF, G_HV_STATE, V(id_of(s, v), 1));
	else
		start_sw_timer(s, v);
	if (s->o.noise && draw(s, 4) == 0)
		tick_within(s, v);
	host(s, v, tid_of(s, v), GEN_FLAG_IRQS_OFF, G_KVM_MSR,
	     V(1, 0x6e0, clock_to_guest(&s->o.map, s->cur.due), 0));
	v->t += span(s, 300, 900);
	enter(s, v);
	v->t += span(s, 300, 900);
}

/* The guest goes idle and the vCPU halts; the host CPU idles. */
static void halt(struct sim *s, struct sim_vcpu *v)
{
	uint32_t me = 200 + (v - s->vcpu);

	guest_switch(s, v, "cyclictest", me, 1, "swapper", 0, 120);
	v->t += span(s, 300, 900);
	guest(s, v, GEN_FLAG_IRQS_OFF, G_IDLE, V(1, v - s->vcpu));
	v->t += span(s, 300, 900);
	leave(s, v, EXIT_HLT);
	v->t += span(s, 300, 900);
	if (s->o.hv_timer)
		start_sw_timer(s, v);
	host_switch(s, v, "vcpu", tid_of(s, v), 1, "swapper", 0, 120);
}

/* The host's timer interrupt that fires KVM's timer; pid is what it interrupts. */
static void fire(struct sim *s, struct sim_vcpu *v, uint32_t pid, bool wakes)
{
	unsigned int n = v - s->vcpu;
	/* from its expiry on, one that fires on another CPU waits for the kick */
	enum cause after = v->in_guest ? CAUSE_HARDWARE : CAUSE_HOST_IRQ;

	host(s, v, pid, GEN_FLAG_IRQS_OFF, G_TIMER_ENTRY, V(VECTOR));
	pass(s, v, span(s, 300, 900), CAUSE_HOST_IRQ, SIM_LOCAL_TIMER);
	host(s, v, pid, GEN_FLAG_HARDIRQ, G_HRTIMER_EXPIRE,
	     V(KVM_TIMER + n * 64, clock_ns(s->rate, v->t), 0xffffffffc0100000));
	pass(s, v, span(s, 300, 900), after, SIM_LOCAL_TIMER);
	if (wakes)
		host(s, v, pid, GEN_FLAG_HARDIRQ, G_WAKING, V(S("vcpu"), tid_of(s, v), 98, v->cpu));
	host(s, v, pid, GEN_FLAG_HARDIRQ, G_HRTIMER_DONE, V(KVM_TIMER + n * 64));
	pass(s, v, span(s, 300, 900), after, SIM_LOCAL_TIMER);
	host(s, v, pid, GEN_FLAG_HARDIRQ, G_TIMER_EXIT, V(VECTOR));
}

/* Another guest's timer interrupt: its vCPU is number 0, too. */
static void other_guest(struct sim *s, struct sim_vcpu *v)
{
	if (!s->o.other_guest)
		return;
	host_as(s, 0, v->t, OTHER_GUEST, 0, G_KVM_ACCEPT, V(0, 0, 0, VECTOR));
	host_as(s, 0, v->t, OTHER_GUEST, 0, G_KVM_POSTED, V(0, 0, 0, VECTOR));
	host_as(s, 0, v->t, OTHER_GUEST, 0, G_KVM_ENTRY, V(0, 0xffffffff81000000));
}

static void accept_irq(struct sim *s, struct sim_vcpu *v)
{
	host(s, v, tid_of(s, v), 0, G_KVM_ACCEPT, V(id_of(s, v), 0, 0, VECTOR));
}

static void inject(struct sim *s, struct sim_vcpu *v)
{
	host(s, v, tid_of(s, v), GEN_FLAG_IRQS_OFF, G_KVM_INJ, V(VECTOR, 0));
	enter(s, v);
	pass(s, v, span(s, 300, 900), CAUSE_LATE_INJECTION, 0);
}

static uint64_t injected_length(struct sim *s)
{
	if (s->o.inject_ns)
		return clock_ticks(s->rate, s->o.inject_ns);
	return span(s, 200000, 20000000);
}

/* The guest's timer interrupt, which wakes the thread. */
static void timer_interrupt(struct sim *s, struct sim_vcpu *v)
{
	unsigned int n = v - s->vcpu;
	uint32_t me = 200 + n;

	guest(s, v, GEN_FLAG_IRQS_OFF, G_TIMER_ENTRY, V(VECTOR));
	guest_time(s, v, span(s, 300, 2000), CAUSE_GUEST_IRQ, SIM_LOCAL_TIMER, true);
	guest(s, v, GEN_FLAG_HARDIRQ, G_HRTIMER_EXPIRE,
	      V(GUEST_TIMER + n * 64, clock_ns(s->rate, v->t), 0xffffffff81100000));
	guest_time(s, v, span(s, 300, 2000), CAUSE_GUEST_IRQ, SIM_LOCAL_TIMER, true);
	guest(s, v, GEN_FLAG_HARDIRQ, G_WAKING, V(S("cyclictest"), me, prio_of(s), n));
	guest(s, v, GEN_FLAG_HARDIRQ, G_HRTIMER_DONE, V(GUEST_TIMER + n * 64));
	guest_time(s, v, span(s, 300, 2000), CAUSE_GUEST_IRQ, SIM_LOCAL_TIMER, true);
	guest(s, v, GEN_FLAG_HARDIRQ, G_TIMER_EXIT, V(VECTOR));
}

/* Back into the thread's own code. */
static void wake_up_returns(struct sim *s, struct sim_vcpu *v)
{
	if (s->o.without_guest & 1ull << G_NANOSLEEP_EXIT)
		return;
	guest_time(s, v, span(s, 300, 3000), CAUSE_GUEST_RETURN, 0, true);
	guest(s, v, 0, G_NANOSLEEP_EXIT, V(230, 0));
}

/* From the guest's timer interrupt to the thread: cases of the guest happen here. */
static void guest_tail(struct sim *s, struct sim_vcpu *v, enum sim_case kind, bool idle)
{
	uint32_t me = 200 + (v - s->vcpu);

	timer_interrupt(s, v);
	if (kind == SIM_GUEST_IRQ) {
		guest(s, v, GEN_FLAG_IRQS_OFF, G_IRQ_ENTRY, V(11, S("virtio0")));
		guest_time(s, v, injected_length(s), CAUSE_GUEST_IRQ, SIM_DEVICE, true);
		guest(s, v, GEN_FLAG_HARDIRQ, G_IRQ_EXIT, V(11, 1));
	}
	if (kind == SIM_GUEST_SOFTIRQ) {
		guest(s, v, GEN_FLAG_SOFTIRQ, G_SOFTIRQ_ENTRY, V(SOFTIRQ_RCU));
		guest_time(s, v, injected_length(s), CAUSE_GUEST_SOFTIRQ, SOFTIRQ_RCU, true);
		guest(s, v, GEN_FLAG_SOFTIRQ, G_SOFTIRQ_EXIT, V(SOFTIRQ_RCU));
	}
	if (kind == SIM_GUEST_PREEMPT_OFF)
		guest_time(s, v, injected_length(s), CAUSE_GUEST_IRQS_OFF, GUEST_LOW, true);
	if (kind == SIM_GUEST_THROTTLED) {
		guest_switch(s, v, "swapper", 0, 0, "ghog", GUEST_HOG, 1);
		guest_time(s, v, span(s, 300, 900), CAUSE_GUEST_THREAD, GUEST_HOG, false);
		guest_switch(s, v, "ghog", GUEST_HOG, PREEMPTED, "swapper", 0, 120);
		guest_time(s, v, injected_length(s), CAUSE_GUEST_THROTTLED, 0, true);
	} else if (kind == SIM_GUEST_HOG) {
		if (idle)
			guest_switch(s, v, "swapper", 0, 0, "ghog", GUEST_HOG, 1);
		guest_time(s, v, injected_length(s), CAUSE_GUEST_THREAD, GUEST_HOG, true);
	} else if (v->pid == GUEST_LOW && kind != SIM_GUEST_PREEMPT_OFF) {
		guest_time(s, v, span(s, 300, 3000), CAUSE_GUEST_WAKEUP, 0, false);
	} else if (kind == SIM_STALL_SWITCH) {
		guest_time(s, v, clock_ticks(s->rate, 1100000) + injected_length(s), CAUSE_HARDWARE,
			   0, false);
	} else if (!v->pid) {
		guest_time(s, v, span(s, 300, 3000), CAUSE_GUEST_WAKEUP, 0, true);
	}
	v->preempt = 0;
	guest_switch(s, v, v->pid ? "other" : "swapper", v->pid, v->pid ? PREEMPTED : 0,
		     "cyclictest", me, prio_of(s));
	if (kind == SIM_GUEST_PREEMPTED && !(s->o.without_guest & 1ull << G_NANOSLEEP_EXIT)) {
		guest_time(s, v, span(s, 300, 900), CAUSE_GUEST_RETURN, 0, true);
		guest_switch(s, v, "cyclictest", me, PREEMPTED, "ghog", GUEST_HOG, 1);
		guest_time(s, v, injected_length(s), CAUSE_GUEST_THREAD, GUEST_HOG, true);
		guest_switch(s, v, "ghog", GUEST_HOG, 1, "cyclictest", me, prio_of(s));
	}
	wake_up_returns(s, v);
}

/* Interrupts are off on this CPU; the rest of the machine goes on, or has nothing to do. */
static void irqs_off(struct sim *s, struct sim_vcpu *v, bool quiet)
{
	unsigned int rest = 1 + 2 * s->o.vcpus + (v - s->vcpu);
	uint64_t left = injected_length(s), step;

	if (quiet)
		pass(s, v, left, CAUSE_HOST_OFF_OR_HARDWARE, HOST_HOG);
	for (; left && !quiet; left -= step) {
		step = clock_ticks(s->rate, 50000);
		if (step > left)
			step = left;
		pass(s, v, step, CAUSE_HOST_IRQS_OFF, HOST_HOG);
		host_as(s, rest, v->t, 7, 0, G_OTHER, V(1, 2));
		host_as(s, rest, v->t, 7, GEN_FLAG_IRQS_OFF, G_IDLE, V(UINT32_MAX, rest));
	}
}

/* KVM's timer has moved to another CPU, whose interrupt wakes the vCPU; its CPU sleeps deeply. */
static void woken_from_elsewhere(struct sim *s, struct sim_vcpu *v)
{
	unsigned int n = v - s->vcpu, rest = 1 + 2 * s->o.vcpus + n;

	v->t = s->cur.due;
	host_as(s, rest, v->t, 0, GEN_FLAG_IRQS_OFF, G_TIMER_ENTRY, V(VECTOR));
	pass(s, v, span(s, 300, 900), CAUSE_HOST_IRQ, SIM_LOCAL_TIMER);
	host_as(s, rest, v->t, 0, GEN_FLAG_HARDIRQ, G_HRTIMER_EXPIRE,
		V(KVM_TIMER + n * 64, clock_ns(s->rate, v->t), 0xffffffffc0100000));
	pass(s, v, span(s, 300, 900), CAUSE_HOST_WAKEUP, 0);
	host_as(s, rest, v->t, 0, GEN_FLAG_HARDIRQ, G_WAKING,
		V(S("vcpu"), tid_of(s, v), 98, v->cpu));
	host_as(s, rest, v->t, 0, GEN_FLAG_HARDIRQ, G_TIMER_EXIT, V(VECTOR));
	pass(s, v, span(s, 300000, 900000), CAUSE_HOST_IDLE, 2);
	host_as(s, v->cpu, v->t, 0, GEN_FLAG_IRQS_OFF, G_IDLE, V(UINT32_MAX, v->cpu));
	pass(s, v, span(s, 500, 2500), CAUSE_HOST_WAKEUP, 0);
	host_switch(s, v, "swapper", 0, 0, "vcpu", tid_of(s, v), 98);
}

/* After it has slept: out of the exit by HLT, and with the interrupt into the guest. */
static void halt_ends(struct sim *s, struct sim_vcpu *v, enum sim_case kind)
{
	pass(s, v, span(s, 300, 2000), CAUSE_VMEXIT, exit_detail(EXIT_HLT));
	accept_irq(s, v);
	pass(s, v, span(s, 300, 2000), CAUSE_VMEXIT, exit_detail(EXIT_HLT));
	inject(s, v);
	guest_tail(s, v, kind, true);
}

/* The vCPU halts until its timer: the cases in which it sleeps on the host at the deadline. */
static void halted_cycle(struct sim *s, struct sim_vcpu *v, enum sim_case kind)
{
	uint32_t waiting = 0;

	halt(s, v);
	host_as(s, v->cpu, v->t, 0, GEN_FLAG_IRQS_OFF, G_IDLE, V(2, v->cpu));
	if (kind == SIM_IDLE_ELSEWHERE) {
		woken_from_elsewhere(s, v);
		halt_ends(s, v, kind);
		return;
	}
	if (kind == SIM_HOST_IRQS_OFF || kind == SIM_IRQS_OFF_QUIET || kind == SIM_HOST_HOG ||
	    kind == SIM_HOST_THROTTLED) {
		/* another thread takes the CPU before the deadline */
		v->t = s->cur.due - span(s, 20000, 60000);
		host_as(s, v->cpu, v->t, 0, GEN_FLAG_IRQS_OFF, G_IDLE, V(UINT32_MAX, v->cpu));
		host_switch(s, v, "swapper", 0, 0, "hog", HOST_HOG, 49);
		waiting = HOST_HOG;
	}
	if (kind == SIM_HOST_IRQ) {
		v->t = s->cur.due - span(s, 1000, 9000);
		host_as(s, v->cpu, v->t, 0, GEN_FLAG_IRQS_OFF, G_IDLE, V(UINT32_MAX, v->cpu));
		host(s, v, 0, GEN_FLAG_IRQS_OFF, G_IRQ_ENTRY, V(24, S("eth0")));
		pass(s, v, s->cur.due - v->t + injected_length(s), CAUSE_HOST_IRQ, SIM_DEVICE);
		host(s, v, 0, GEN_FLAG_HARDIRQ, G_IRQ_EXIT, V(24, 1));
	} else if (kind == SIM_STALL_IDLE) {
		/* longer than any idle state takes to leave */
		v->t = s->cur.due;
		pass(s, v, clock_ticks(s->rate, 1100000) + injected_length(s), CAUSE_HARDWARE, 0);
	} else if (kind == SIM_HOST_IRQS_OFF || kind == SIM_IRQS_OFF_QUIET) {
		v->t = s->cur.due;
		irqs_off(s, v, kind == SIM_IRQS_OFF_QUIET);
	} else if (kind == SIM_HOST_HOG || kind == SIM_HOST_THROTTLED) {
		v->t = s->cur.due;
	} else {
		v->t = s->cur.due;
		pass(s, v, span(s, 500, 90000), CAUSE_HOST_IDLE, 2);
	}
	fire(s, v, waiting, true);
	if (kind == SIM_HOST_SOFTIRQ) {
		host(s, v, waiting, GEN_FLAG_SOFTIRQ, G_SOFTIRQ_ENTRY, V(SOFTIRQ_NET_RX));
		pass(s, v, injected_length(s), CAUSE_HOST_SOFTIRQ, SOFTIRQ_NET_RX);
		host(s, v, waiting, GEN_FLAG_SOFTIRQ, G_SOFTIRQ_EXIT, V(SOFTIRQ_NET_RX));
	}
	if (s->o.noise && draw(s, 4) == 0)
		nested_interrupts(s, v, waiting);
	if (waiting) {
		pass(s, v, kind == SIM_HOST_HOG ? injected_length(s) : span(s, 300, 900),
		     CAUSE_HOST_THREAD, HOST_HOG);
		if (kind == SIM_HOST_THROTTLED) {
			host_switch(s, v, "hog", HOST_HOG, PREEMPTED, "swapper", 0, 120);
			pass(s, v, injected_length(s), CAUSE_HOST_THROTTLED, 0);
			host_switch(s, v, "swapper", 0, 0, "hog", HOST_HOG, 49);
		}
		host_switch(s, v, "hog", HOST_HOG, 1, "vcpu", tid_of(s, v), 98);
	} else {
		if (kind == SIM_STALL_WAKE)
			pass(s, v, clock_ticks(s->rate, 1100000) + injected_length(s),
			     CAUSE_HARDWARE, 0);
		else
			pass(s, v, span(s, 500, 2500), CAUSE_HOST_WAKEUP, 0);
		host_as(s, v->cpu, v->t, 0, GEN_FLAG_IRQS_OFF, G_IDLE, V(UINT32_MAX, v->cpu));
		host_switch(s, v, "swapper", 0, 0, "vcpu", tid_of(s, v), 98);
	}
	halt_ends(s, v, kind);
}

/*
 * KVM's timer has moved to another CPU: the vCPU goes on in its guest until a kick comes, which
 * takes its CPU out by an interrupt that is traced before the exit.
 */
static void kick_from_elsewhere(struct sim *s, struct sim_vcpu *v)
{
	unsigned int rest = 1 + 2 * s->o.vcpus + (v - s->vcpu), own = v->cpu;

	v->t = s->cur.due;
	v->cpu = rest;
	fire(s, v, 0, false);
	v->cpu = own;
	other_guest(s, v);
	pass(s, v, injected_length(s), CAUSE_HARDWARE, 0);
	host(s, v, tid_of(s, v), GEN_FLAG_IRQS_OFF, G_RESCHED_ENTRY, V(0xfd));
	pass(s, v, span(s, 100, 900), CAUSE_HOST_IRQ, SIM_RESCHEDULE);
	host(s, v, tid_of(s, v), GEN_FLAG_HARDIRQ, G_RESCHED_EXIT, V(0xfd));
	pass(s, v, span(s, 100, 900), CAUSE_VMEXIT, exit_detail(EXIT_EXTINT));
	leave(s, v, EXIT_EXTINT);
	pass(s, v, span(s, 100, 900), CAUSE_VMEXIT, exit_detail(EXIT_EXTINT));
}

/*
 * What keeps the vCPU from its guest at the deadline is over: its timer fires, here while that is
 * going on, or, kept by the CPU, when the guest would run again.
 */
static void overdue(struct sim *s, struct sim_vcpu *v)
{
	enter(s, v);
	pass(s, v, span(s, 30, 90), CAUSE_HARDWARE, 0); /* the exit's own way */
	leave(s, v, EXIT_PREEMPTION_TIMER);
	pass(s, v, span(s, 300, 900), CAUSE_VMEXIT, exit_detail(EXIT_PREEMPTION_TIMER));
}

/* An exit that begins before the deadline and holds the interrupt up. */
static void long_exit(struct sim *s, struct sim_vcpu *v, enum sim_case kind)
{
	enum cause cause = kind == SIM_EXIT ? CAUSE_VMEXIT : CAUSE_VMM_USER;
	uint32_t reason = kind == SIM_EXIT ? EXIT_NPF : EXIT_IO;

	v->t = s->cur.due - span(s, 2000, 9000);
	leave(s, v, reason);
	if (kind == SIM_VMM_USER)
		host(s, v, tid_of(s, v), 0, G_KVM_USER, V(2, 0));
	pass(s, v, s->cur.due - v->t + 1, cause, exit_detail(reason));
	if (!s->o.hv_timer)
		fire(s, v, tid_of(s, v), false);
	pass(s, v, injected_length(s), cause, exit_detail(reason));
	if (s->o.hv_timer)
		overdue(s, v);
}

/* A host thread has the vCPU's CPU before the deadline and after. */
static void preempted_at_deadline(struct sim *s, struct sim_vcpu *v)
{
	v->t = s->cur.due - span(s, 2000, 9000);
	leave(s, v, EXIT_EXTINT);
	v->t += span(s, 300, 900);
	host_switch(s, v, "vcpu", tid_of(s, v), PREEMPTED, "hog", HOST_HOG, 49);
	if (v->t < s->cur.due)
		v->t = s->cur.due;
	if (!s->o.hv_timer)
		fire(s, v, HOST_HOG, false);
	pass(s, v, injected_length(s), CAUSE_HOST_THREAD, HOST_HOG);
	host_switch(s, v, "hog", HOST_HOG, 1, "vcpu", tid_of(s, v), 98);
	pass(s, v, span(s, 100, 900), CAUSE_VMEXIT, exit_detail(EXIT_EXTINT));
	if (s->o.hv_timer)
		overdue(s, v);
}

/* The timer fires while the vCPU is in its guest, and takes it out. */
static void fire_in_guest(struct sim *s, struct sim_vcpu *v, enum sim_case kind)
{
	uint32_t reason = s->o.hv_timer ? EXIT_PREEMPTION_TIMER : EXIT_EXTINT;

	v->t = s->cur.due;
	if (kind == SIM_STALL_GUEST)
		pass(s, v, injected_length(s), CAUSE_HARDWARE, 0);
	pass(s, v, span(s, 100, 900), CAUSE_HARDWARE, 0); /* the interrupt's own way */
	leave(s, v, reason);
	pass(s, v, span(s, 100, 900), CAUSE_VMEXIT, exit_detail(reason));
	if (!s->o.hv_timer)
		fire(s, v, tid_of(s, v), false);
	pass(s, v, span(s, 100, 900), CAUSE_VMEXIT, exit_detail(reason));
}

/* The CPU is to give the interrupt, once the guest lets it: late, and no exit tells when. */
static void post(struct sim *s, struct sim_vcpu *v, enum sim_case kind)
{
	bool exits = kind == SIM_POSTED_EXITS;
	enum cause cause = exits ? CAUSE_GUEST_IRQS_OFF : CAUSE_GUEST_OFF_OR_HARDWARE;

	host(s, v, tid_of(s, v), GEN_FLAG_IRQS_OFF, G_KVM_POSTED, V(id_of(s, v), 0, 0, VECTOR));
	enter(s, v);
	if (exits) {
		pass(s, v, injected_length(s), cause, GUEST_LOW);
		leave(s, v, EXIT_EXTINT);
		pass(s, v, span(s, 100, 900), CAUSE_VMEXIT, exit_detail(EXIT_EXTINT));
		enter(s, v);
	}
	pass(s, v, injected_length(s), cause, exits ? GUEST_LOW : 0);
}

/* The vCPU is busy at the deadline: a less urgent guest thread computes. */
static void busy_cycle(struct sim *s, struct sim_vcpu *v, enum sim_case kind)
{
	uint32_t me = 200 + (v - s->vcpu);

	guest_switch(s, v, "cyclictest", me, 1, kind == SIM_GUEST_HOG ? "ghog" : "low",
		     kind == SIM_GUEST_HOG ? GUEST_HOG : GUEST_LOW,
		     kind == SIM_GUEST_HOG ? 1 : 120);
	/* a sleeping lock keeps its owner on this CPU, but nobody waiting */
	if (s->o.rt_guest && v->pid == GUEST_LOW && draw(s, 2))
		v->preempt = 0x10;
	if (kind == SIM_EXIT || kind == SIM_VMM_USER)
		long_exit(s, v, kind);
	else if (kind == SIM_STALL_KICK)
		kick_from_elsewhere(s, v);
	else if (kind == SIM_HOG_BUSY)
		preempted_at_deadline(s, v);
	else
		fire_in_guest(s, v, kind);
	accept_irq(s, v);
	if (kind == SIM_GUEST_IRQS_OFF) {
		pass(s, v, span(s, 100, 900), CAUSE_VMEXIT,
		     exit_detail(s->o.hv_timer ? EXIT_PREEMPTION_TIMER : EXIT_EXTINT));
		enter(s, v);
		guest_time(s, v, injected_length(s), CAUSE_GUEST_IRQS_OFF, GUEST_LOW, true);
		leave(s, v, EXIT_WINDOW);
		pass(s, v, span(s, 100, 900), CAUSE_VMEXIT, exit_detail(EXIT_WINDOW));
	}
	if (kind == SIM_GUEST_PREEMPT_OFF)
		v->preempt = 1;
	if (kind == SIM_POSTED_OFF || kind == SIM_POSTED_EXITS)
		post(s, v, kind);
	else
		inject(s, v);
	guest_tail(s, v, kind, false);
}

/* KVM is told of a deadline that has passed: its timer fires at once. */
static void program_late(struct sim *s, struct sim_vcpu *v)
{
	leave(s, v, EXIT_MSR);
	pass(s, v, span(s, 300, 900), CAUSE_VMEXIT, exit_detail(EXIT_MSR));
	accept_irq(s, v);
	host(s, v, tid_of(s, v), GEN_FLAG_IRQS_OFF, G_KVM_MSR,
	     V(1, 0x6e0, clock_to_guest(&s->o.map, s->cur.due), 0));
	pass(s, v, span(s, 300, 900), CAUSE_VMEXIT, exit_detail(EXIT_MSR));
	inject(s, v);
}

/* A host thread or interrupt takes the vCPU's CPU while its thread computes in the guest. */
static void taken_away(struct sim *s, struct sim_vcpu *v, enum sim_case kind, uint64_t ticks)
{
	leave(s, v, EXIT_EXTINT);
	pass(s, v, span(s, 100, 900), CAUSE_VMEXIT, exit_detail(EXIT_EXTINT));
	if (kind == SIM_HOG_ARMING) {
		host_switch(s, v, "vcpu", tid_of(s, v), PREEMPTED, "hog", HOST_HOG, 49);
		pass(s, v, ticks, CAUSE_HOST_THREAD, HOST_HOG);
		host_switch(s, v, "hog", HOST_HOG, 1, "vcpu", tid_of(s, v), 98);
	} else {
		host(s, v, tid_of(s, v), GEN_FLAG_IRQS_OFF, G_IRQ_ENTRY, V(24, S("eth0")));
		pass(s, v, ticks, CAUSE_HOST_IRQ, SIM_DEVICE);
		host(s, v, tid_of(s, v), GEN_FLAG_HARDIRQ, G_IRQ_EXIT, V(24, 1));
	}
	pass(s, v, span(s, 100, 900), CAUSE_VMEXIT, exit_detail(EXIT_EXTINT));
	enter(s, v);
}

/* The guest has started its timer, but KVM hears of it when it is over and the thread asleep. */
static void irq_arming_cycle(struct sim *s, struct sim_vcpu *v)
{
	unsigned int n = v - s->vcpu;
	uint64_t due_ns = clock_ns(s->rate, s->cur.due);

	guest(s, v, GEN_FLAG_IRQS_OFF, G_HRTIMER_START,
	      V(GUEST_TIMER + n * 64, 0xffffffff81100000, due_ns, due_ns, 0));
	v->t += span(s, 300, 900);
	s->due_known = true;
	taken_away(s, v, SIM_IRQ_ARMING, s->cur.due - v->t + injected_length(s));
	pass(s, v, span(s, 300, 900), CAUSE_ARMED_LATE, 0);
	guest_switch(s, v, "cyclictest", 200 + n, 1, "swapper", 0, 120);
	pass(s, v, span(s, 300, 900), CAUSE_ARMED_LATE, 0);
	program_late(s, v);
	guest_tail(s, v, SIM_IRQ_ARMING, true);
}

/*
 * The vCPU is about to sleep when its timer wakes it: the scheduler tells of the wake-up before it
 * tells that the thread has left its CPU, "sleeping", for another one that is more urgent.
 */
static void race_cycle(struct sim *s, struct sim_vcpu *v)
{
	uint32_t me = 200 + (v - s->vcpu);

	guest_switch(s, v, "cyclictest", me, 1, "swapper", 0, 120);
	v->t = s->cur.due - span(s, 2000, 9000);
	leave(s, v, EXIT_HLT);
	if (s->o.hv_timer)
		start_sw_timer(s, v);
	pass(s, v, s->cur.due - v->t + 1, CAUSE_VMEXIT, exit_detail(EXIT_HLT));
	fire(s, v, tid_of(s, v), true);
	pass(s, v, span(s, 300, 900), CAUSE_VMEXIT, exit_detail(EXIT_HLT));
	host_switch(s, v, "vcpu", tid_of(s, v), 1, "hog", HOST_HOG, 49);
	pass(s, v, injected_length(s), CAUSE_HOST_THREAD, HOST_HOG);
	host_switch(s, v, "hog", HOST_HOG, 1, "vcpu", tid_of(s, v), 98);
	pass(s, v, span(s, 300, 2000), CAUSE_VMEXIT, exit_detail(EXIT_HLT));
	accept_irq(s, v);
	pass(s, v, span(s, 300, 2000), CAUSE_VMEXIT, exit_detail(EXIT_HLT));
	inject(s, v);
	guest_tail(s, v, SIM_WAKE_RACE, true);
}

/* The thread asks for a moment that has passed: its timer fires at once, it never leaves the CPU. */
static void late_cycle(struct sim *s, struct sim_vcpu *v, enum sim_case kind)
{
	unsigned int n = v - s->vcpu;
	uint64_t due_ns = clock_ns(s->rate, s->cur.due);

	if (kind == SIM_HOG_ARMING) {
		pass(s, v, span(s, 300, 900), CAUSE_ARMED_LATE, 0);
		taken_away(s, v, kind, injected_length(s));
		pass(s, v, span(s, 300, 900), CAUSE_ARMED_LATE, 0);
	} else {
		pass(s, v, injected_length(s), CAUSE_ARMED_LATE, 0);
	}
	guest(s, v, GEN_FLAG_IRQS_OFF, G_HRTIMER_START,
	      V(GUEST_TIMER + n * 64, 0xffffffff81100000, due_ns, due_ns, 0));
	pass(s, v, span(s, 300, 900), CAUSE_ARMED_LATE, 0);
	program_late(s, v);
	timer_interrupt(s, v);
	wake_up_returns(s, v);
}

static bool is_busy(enum sim_case kind)
{
	return kind == SIM_STALL_GUEST || kind == SIM_STALL_KICK || kind == SIM_EXIT ||
	       kind == SIM_VMM_USER || kind == SIM_GUEST_IRQS_OFF ||
	       kind == SIM_GUEST_PREEMPT_OFF || kind == SIM_HOG_BUSY || kind == SIM_POSTED_OFF ||
	       kind == SIM_POSTED_EXITS;
}

void sim_cycle(struct sim *s, unsigned int vcpu, enum sim_case kind)
{
	struct sim_vcpu *v = &s->vcpu[vcpu];

	s->cur = (struct sim_spike){ .vcpu = vcpu, .kind = kind };
	s->due_known = false;
	chatter(s, v);
	s->cur.due = v->t + span(s, 200000, 900000);
	if (kind == SIM_ARMED_LATE || kind == SIM_HOG_ARMING) {
		s->due_known = true;
		s->cur.due = v->t;
		late_cycle(s, v, kind);
	} else if (kind == SIM_IRQ_ARMING) {
		irq_arming_cycle(s, v);
	} else {
		arm(s, v);
		s->due_known = true;
		if (kind == SIM_WAKE_RACE)
			race_cycle(s, v);
		else if (is_busy(kind) || (kind == SIM_GUEST_HOG && draw(s, 2)))
			busy_cycle(s, v, kind);
		else
			halted_cycle(s, v, kind);
	}
	s->cur.ran = v->t;
	if (s->on_spike)
		s->on_spike(s->arg, &s->cur);
	v->t += span(s, 2000, 9000);
}

void sim_init(struct sim *s, const struct sim_opts *o)
{
	*s = (struct sim){ .o = *o, .rate = clock_rate_hz(o->hz), .rng = o->seed * 2 + 1 };
	s->low = INT64_MIN;
	s->high = INT64_MAX;
	gen_kernel_init(&s->host, 1 + 3 * o->vcpus, o->rt_host, 100);
	gen_kernel_init(&s->guest, o->vcpus, o->rt_guest, 300);
	s->host.absolute = s->guest.absolute = o->absolute;
	s->host.without = o->without_host;
	s->guest.without = o->without_guest;
	for (unsigned int i = 0; i < o->vcpus; i++) {
		struct sim_vcpu *v = &s->vcpu[i];

		v->t = o->start + 1000 * i;
		v->cpu = 1 + i;
		host_as(s, 1 + o->vcpus + i, v->t, 0, 0, G_IDLE, V(1, 1 + o->vcpus + i));
		host_switch(s, v, "swapper", 0, 0, "vcpu", tid_of(s, v), 98);
		v->t += 10;
		enter(s, v);
		v->t += 10;
		guest_switch(s, v, "swapper", 0, 0, "cyclictest", 200 + i, prio_of(s));
		v->t += 10;
	}
}

void sim_tick(struct sim *s, uint64_t from, uint64_t to)
{
	for (uint64_t t = from; t < to; t += clock_ticks(s->rate, 4000000)) {
		host_as(s, 0, t, 0, GEN_FLAG_IRQS_OFF, G_TIMER_ENTRY, V(VECTOR));
		host_as(s, 0, t + clock_ticks(s->rate, 1000), 0, GEN_FLAG_HARDIRQ, G_HRTIMER_EXPIRE,
			V(TICK_TIMER, clock_ns(s->rate, t), 0xffffffff81200000));
		host_as(s, 0, t + clock_ticks(s->rate, 2000), 0, GEN_FLAG_HARDIRQ, G_TIMER_EXIT,
			V(VECTOR));
	}
}

void sim_end(struct sim *s)
{
	uint64_t end = 0;

	for (unsigned int i = 0; i < s->o.vcpus; i++)
		end = s->vcpu[i].t > end ? s->vcpu[i].t : end;
	for (unsigned int i = 0; i < s->o.vcpus; i++) {
		s->vcpu[i].t = end;
		leave(s, &s->vcpu[i], EXIT_EXTINT);
	}
}

void sim_free(struct sim *s)
{
	gen_kernel_free(&s->host);
	gen_kernel_free(&s->guest);
}

int sim_save(const struct sim *s, const char *host_path, const char *guest_path, struct err *e)
{
	const char *clock = s->o.hz == 1e9 ? "mono" : "x86-tsc";
	struct gen_save h = { .clock = clock, .trace_id = 11 };
	struct gen_save g = { .clock = clock,
			      .trace_id = 12,
			      .shifted = true,
			      .peer_id = 11,
			      .ratio = s->o.map.ratio,
			      .offset = s->o.map.offset,
			      .frac = s->o.map.frac };
	int ret;

	if (s->o.hz != 1e9) {
		h.tsc_shift = g.tsc_shift = 31;
		h.tsc_mult = g.tsc_mult = s->rate.mult >> (s->rate.shift - 31);
	}
	ret = gen_save(&s->host, &h, host_path, e);
	return ret < 0 ? ret : gen_save(&s->guest, &g, guest_path, e);
}
