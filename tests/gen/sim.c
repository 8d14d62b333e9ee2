// SPDX-License-Identifier: GPL-2.0-only
#include "lib/cleanup.h"
#include "tests/gen/sim_step.h"

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

const char *sim_irq(uint32_t which, bool guest)
{
	return which == SIM_LOCAL_TIMER	 ? "local_timer"
	       : which == SIM_RESCHEDULE ? "reschedule"
	       : guest			 ? "virtio0"
					 : "eth0";
}

static void chatter(struct sim *s, struct sim_vcpu *v)
{
	for (unsigned int i = 0; i < s->o.chatter; i++) {
		v->t += clock_ticks(s->rate, 150) + 1;
		sim_guest(s, v, 0, G_OTHER, V(i, 1));
	}
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
	s->cur.due = v->t + sim_span(s, 200000, 900000);
	if (kind == SIM_ARMED_LATE || kind == SIM_HOG_ARMING) {
		s->due_known = true;
		s->cur.due = v->t;
		sim_late(s, v, kind);
	} else if (kind == SIM_IRQ_ARMING) {
		sim_irq_arming(s, v);
	} else {
		sim_arm(s, v);
		s->due_known = true;
		if (kind == SIM_WAKE_RACE)
			sim_wake_race(s, v);
		else if (is_busy(kind) || (kind == SIM_GUEST_HOG && sim_draw(s, 2)))
			sim_busy(s, v, kind);
		else
			sim_halted(s, v, kind);
	}
	s->cur.ran = v->t;
	if (s->on_spike)
		s->on_spike(s->arg, &s->cur);
	v->t += sim_span(s, 2000, 9000);
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
		sim_host_as(s, 1 + o->vcpus + i, v->t, 0, 0, G_IDLE, V(1, 1 + o->vcpus + i));
		sim_host_switch(s, v, "swapper", 0, 0, "vcpu", sim_tid(s, v), 98);
		v->t += 10;
		sim_enter(s, v);
		v->t += 10;
		sim_guest_switch(s, v, "swapper", 0, 0, "cyclictest", sim_thread(s, v),
				 sim_prio(s));
		v->t += 10;
	}
}

void sim_tick(struct sim *s, uint64_t from, uint64_t to)
{
	for (uint64_t t = from; t < to; t += clock_ticks(s->rate, 4000000)) {
		sim_host_as(s, 0, t, 0, GEN_FLAG_IRQS_OFF, G_TIMER_ENTRY, V(VECTOR));
		sim_host_as(s, 0, t + clock_ticks(s->rate, 1000), 0, GEN_FLAG_HARDIRQ,
			    G_HRTIMER_EXPIRE,
			    V(TICK_TIMER, clock_ns(s->rate, t), 0xffffffff81200000));
		sim_host_as(s, 0, t + clock_ticks(s->rate, 2000), 0, GEN_FLAG_HARDIRQ, G_TIMER_EXIT,
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
		sim_leave(s, &s->vcpu[i], EXIT_EXTINT);
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
	struct datw_vcpu vcpus[ARRAY_SIZE(s->vcpu)];
	struct gen_save h = { .clock = clock,
			      .trace_id = 11,
			      .guest_id = 12,
			      .vcpus = vcpus,
			      .n_vcpus = s->o.told ? s->o.vcpus : 0 };
	struct gen_save g = { .clock = clock,
			      .trace_id = 12,
			      .shifted = true,
			      .peer_id = 11,
			      .ratio = s->o.map.ratio,
			      .offset = s->o.map.offset,
			      .frac = s->o.map.frac };
	int ret;

	for (unsigned int i = 0; i < h.n_vcpus; i++)
		vcpus[i] =
			(struct datw_vcpu){ i, s->o.untold >> i & 1 ? 0 : sim_tid(s, &s->vcpu[i]) };
	if (s->o.hz != 1e9) {
		h.tsc_shift = g.tsc_shift = 31;
		h.tsc_mult = g.tsc_mult = s->rate.mult >> (s->rate.shift - 31);
	}
	ret = gen_save(&s->host, &h, host_path, e);
	return ret < 0 ? ret : gen_save(&s->guest, &g, guest_path, e);
}
