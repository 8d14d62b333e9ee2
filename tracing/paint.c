// SPDX-License-Identifier: GPL-2.0-only
/*
 * paint - divide the time from due to running
 *
 * [due, ran] is cut wherever a lane changes state or a milestone passes; each piece then has one
 * state of the vCPU, of its host CPU and of the guest, and gets one cause. Outside the guest the
 * innermost host activity counts: NMI, interrupt, softirq, other thread, then the exit's reason or
 * the VMM. Inside, the same order for the guest's own activity. Until the vCPU's timer has fired
 * the question is another: what kept the CPU that runs KVM's timer from taking an interrupt?
 */
#include <string.h>

#include "tracing/model.h"

enum {
	/* No idle state takes longer to leave: the deepest ones of today's tables take 0.9 ms. */
	IDLE_EXIT_MAX_NS = 1000000,
	/* Delivering an injected interrupt, or switching threads, takes microseconds. */
	PATH_MAX_NS = 100000,
	/* From its being posted until a guest with interrupts on has it: an interrupt between CPUs. */
	POSTED_MAX_NS = 10000,
	/* KVM lets its timer fire early by up to 5 us (lapic_timer_advance_ns) */
	FIRE_EARLY_NS = 10000,
};

/* The sample and the marks on the host that belong to it. */
struct story {
	const struct model *m;
	const struct sampler *s;
	const struct vcpu *vcpu; /* of the CPU whose timer it is */
	uint64_t programmed, fired, accepted, injected; /* UINT64_MAX: not seen */
	uint32_t fire_cpu;
	bool fired_in_guest; /* by the CPU's own timer, which counts in the guest only */
	bool posted, kept_off; /* "injected" is when it was left to the CPU to give */
	bool window; /* the guest let interrupts in late */
	uint32_t ran_cpu;
	uint64_t ran;
};

/* One piece: the states in force from t until its end. */
struct piece {
	uint64_t t, end;
	const struct vcpu_state *vcpu;
	const struct cpu_state *host, *fire_host, *guest;
	uint64_t host_from, guest_from, vcpu_from; /* since when */
};

struct verdict_of {
	enum cause cause;
	uint32_t detail;
};

static const struct cpu_state *cpu_at(const struct side *side, uint32_t cpu, struct piece *p,
				      uint64_t *from)
{
	const struct step *s;
	uint64_t until = UINT64_MAX;

	if (cpu >= side->n_cpus || !side->cpus[cpu].lane.room)
		return NULL;
	s = lane_at(&side->cpus[cpu].lane, p->t, &until);
	if (until < p->end)
		p->end = until;
	if (s)
		*from = s->ts;
	return s ? &s->cpu : NULL;
}

static void cut(struct piece *p, uint64_t at)
{
	if (at > p->t && at < p->end)
		p->end = at;
}

static struct piece piece_at(const struct story *st, uint64_t t)
{
	const struct side *host = &st->m->side[HOST], *guest = &st->m->side[GUEST];
	uint32_t gcpu = t < st->s->ready   ? st->s->armed_cpu
			: t < st->s->woken ? st->s->timer_cpu
			: t < st->s->back  ? st->ran_cpu
					   : st->s->back_cpu;
	const struct vcpu *vcpu = &st->m->vcpus[gcpu];
	struct piece p = { .t = t, .end = st->ran };
	uint64_t until = UINT64_MAX, ignored;
	const struct step *s;

	cut(&p, st->s->ready);
	cut(&p, st->programmed);
	cut(&p, st->fired);
	cut(&p, st->accepted);
	cut(&p, st->injected);
	cut(&p, st->s->taken);
	cut(&p, st->s->woken);
	cut(&p, st->s->ran);
	cut(&p, st->s->back);
	cut(&p, st->m->host_end);
	p.guest = cpu_at(guest, gcpu, &p, &p.guest_from);
	if (!host->present)
		return p;
	s = lane_at(&vcpu->lane, t, &until);
	cut(&p, until);
	if (s) {
		p.vcpu = &s->vcpu;
		p.vcpu_from = s->ts;
		p.host = cpu_at(host, s->vcpu.cpu, &p, &p.host_from);
	}
	if (st->fired != UINT64_MAX && t < st->fired)
		p.fire_host = cpu_at(host, st->fire_cpu, &p, &ignored);
	return p;
}

/*
 * Was every traced CPU of the host without an event for nearly all of this time? With only_stalls:
 * and is it certain that some would have been?
 */
static bool host_silent(const struct model *m, uint64_t from, uint64_t to, bool only_stalls)
{
	for (uint64_t i = m->n_gaps > GAPS ? m->n_gaps - GAPS : 0; i < m->n_gaps; i++) {
		const struct gap *g = &m->gaps[i % GAPS];
		uint64_t a = g->from > from ? g->from : from, b = g->to < to ? g->to : to;

		if (b > a && b - a > (to - from) / 10 * 9 && (g->stall || !only_stalls))
			return true;
	}
	return false;
}

static uint64_t ns_between(const struct story *st, uint64_t from, uint64_t to)
{
	return to > from ? clock_ns(st->m->opts.rate, to - from) : 0;
}

static bool interrupted(const struct cpu_state *c, bool guest, struct verdict_of *v)
{
	if (c->nmi) {
		*v = (struct verdict_of){ guest ? CAUSE_GUEST_IRQ : CAUSE_HOST_IRQ, NAME_NMI };
		return true;
	}
	if (c->irqs) {
		*v = (struct verdict_of){ guest ? CAUSE_GUEST_IRQ : CAUSE_HOST_IRQ, c->irq };
		return true;
	}
	if (c->softirq != NO_SOFTIRQ) {
		*v = (struct verdict_of){ guest ? CAUSE_GUEST_SOFTIRQ : CAUSE_HOST_SOFTIRQ,
					  c->softirq };
		return true;
	}
	return false;
}

static struct verdict_of exit_or_user(const struct vcpu_state *v)
{
	return (struct verdict_of){ v->mode == VCPU_USER ? CAUSE_VMM_USER : CAUSE_VMEXIT,
				    v->reason | (uint32_t)v->isa << 30 };
}

static struct verdict_of in_host(const struct story *st, const struct piece *p);

/* The timer of an idle CPU is late: an idle state's exit, unless that took longer than any can. */
static struct verdict_of late_in_idle(const struct story *st, const struct cpu_state *c)
{
	if (ns_between(st, st->s->due, st->fired) > IDLE_EXIT_MAX_NS)
		return (struct verdict_of){ CAUSE_HARDWARE, 0 };
	return (struct verdict_of){ CAUSE_HOST_IDLE, c->idle };
}

/* Before KVM's timer has fired: what kept its CPU from taking the interrupt? */
static struct verdict_of before_fire(const struct story *st, const struct piece *p)
{
	const struct cpu_state *c = p->fire_host;
	struct verdict_of v;

	if (st->fired_in_guest && (p->vcpu->sched != VCPU_ON || p->vcpu->mode != VCPU_GUEST))
		return in_host(st, p);
	if (!c)
		return (struct verdict_of){ CAUSE_UNEXPLAINED, WHY_HISTORY };
	if (c->lost)
		return (struct verdict_of){ CAUSE_UNEXPLAINED, WHY_LOST };
	if (interrupted(c, false, &v))
		return v;
	if (c->idle != NOT_IDLE)
		return late_in_idle(st, c);
	if (p->vcpu && p->vcpu->sched == VCPU_ON && p->vcpu->cpu == st->fire_cpu) {
		if (p->vcpu->mode == VCPU_GUEST)
			return (struct verdict_of){ CAUSE_HARDWARE, 0 };
		if (p->vcpu->mode == VCPU_UNKNOWN)
			return (struct verdict_of){ CAUSE_GUEST_OR_EXIT, 0 };
		return exit_or_user(p->vcpu);
	}
	/*
	 * A thread cannot hold an interrupt back: it was masked, or the machine stood still. In the latter
	 * case every CPU is silent; but so are CPUs that have nothing to do. The flag for interrupts off
	 * tells nothing of what comes after its event, and most events are recorded with them off.
	 */
	if (host_silent(st->m, st->s->due, st->fired, true))
		return (struct verdict_of){ CAUSE_HARDWARE, 0 };
	if (host_silent(st->m, st->s->due, st->fired, false))
		return (struct verdict_of){ CAUSE_HOST_OFF_OR_HARDWARE, c->pid };
	return (struct verdict_of){ CAUSE_HOST_IRQS_OFF, c->pid };
}

/*
 * The interrupt was left to the CPU, which gives it to the guest as soon as that lets interrupts in
 * (APICv, AVIC): no exit tells when that is. But a guest that has run with it, has been left without
 * having taken it, and when it runs again still does not take it, keeps interrupts off: else the
 * machine would have to stand still twice.
 */
static bool kept_off(const struct story *st)
{
	uint64_t t = st->injected, until, taken = st->s->taken;
	bool left = false;

	for (; t < taken; t = until) {
		const struct step *s = lane_at(&st->vcpu->lane, t, &until);
		bool inside = s && s->vcpu.sched == VCPU_ON && s->vcpu.mode == VCPU_GUEST;

		if (!s || !s->vcpu.known)
			return false;
		if (until >= taken)
			return inside && left && ns_between(st, t, taken) > PATH_MAX_NS;
		left |= inside && ns_between(st, t, until) > POSTED_MAX_NS;
	}
	return false;
}

static struct verdict_of not_taken_posted(const struct story *st, const struct piece *p)
{
	uint64_t last = p->vcpu_from > st->injected ? p->vcpu_from : st->injected;

	if (st->kept_off)
		return (struct verdict_of){ CAUSE_GUEST_IRQS_OFF, p->guest ? p->guest->pid : 0 };
	if (ns_between(st, last, st->s->taken) > POSTED_MAX_NS)
		return (struct verdict_of){ CAUSE_GUEST_OFF_OR_HARDWARE, 0 };
	return (struct verdict_of){ CAUSE_LATE_INJECTION, 0 };
}

/* The guest is running and its timer has fired on the host, but it has not taken the interrupt. */
static struct verdict_of not_taken(const struct story *st, const struct piece *p)
{
	const struct cpu_state *g = p->guest;
	struct verdict_of v;

	if (g && !g->lost && (g->nmi || g->irqs) && interrupted(g, true, &v))
		return v;
	if (st->fired == UINT64_MAX && p->t < st->accepted)
		return (struct verdict_of){ CAUSE_GUEST_UNKNOWN, 0 };
	/* fired on another CPU, which kicks this one: nothing in a guest can hold that up */
	if (st->accepted != UINT64_MAX && p->t < st->accepted)
		return (struct verdict_of){ ns_between(st, p->t, p->end) > PATH_MAX_NS
						    ? CAUSE_HARDWARE
						    : CAUSE_LATE_INJECTION,
					    0 };
	if (p->t < st->injected) {
		if (st->window)
			return (struct verdict_of){ CAUSE_GUEST_IRQS_OFF, g ? g->pid : 0 };
		if (st->injected == UINT64_MAX)
			return (struct verdict_of){ CAUSE_GUEST_OFF_OR_HARDWARE, 0 };
		return (struct verdict_of){ CAUSE_LATE_INJECTION, 0 };
	}
	if (st->posted)
		return not_taken_posted(st, p);
	/* injected and in the guest: the CPU takes it at its first instruction */
	if (ns_between(st, p->vcpu_from > st->injected ? p->vcpu_from : st->injected,
		       st->s->taken) > PATH_MAX_NS)
		return (struct verdict_of){ CAUSE_HARDWARE, 0 };
	return (struct verdict_of){ CAUSE_LATE_INJECTION, 0 };
}

/* The guest has taken its timer interrupt: what ran in it before the thread did? */
static struct verdict_of in_guest(const struct story *st, const struct piece *p)
{
	const struct cpu_state *g = p->guest;
	const struct thread *other;
	struct verdict_of v;

	if (!g)
		return (struct verdict_of){ CAUSE_UNEXPLAINED, WHY_HISTORY };
	if (g->lost)
		return (struct verdict_of){ CAUSE_UNEXPLAINED, WHY_LOST };
	if (interrupted(g, true, &v))
		return v;
	if (g->pid == st->s->thread->tid && p->t >= st->s->ran)
		return (struct verdict_of){ CAUSE_GUEST_RETURN, 0 };
	if (g->throttled)
		return (struct verdict_of){ CAUSE_GUEST_THROTTLED, 0 };
	/* switching to a woken thread cannot take that long; the vCPU did not leave its guest */
	if ((!g->pid || g->pid == st->s->thread->tid) && p->vcpu && p->vcpu->mode == VCPU_GUEST &&
	    ns_between(st, p->t, p->end) > IDLE_EXIT_MAX_NS)
		return (struct verdict_of){ CAUSE_HARDWARE, 0 };
	if (!g->pid || g->pid == st->s->thread->tid)
		return (struct verdict_of){ CAUSE_GUEST_WAKEUP, 0 };
	other = threads_find(&st->m->side[GUEST].threads, g->pid);
	if (p->t < st->s->woken || (other && other->prio <= st->s->thread->prio))
		return (struct verdict_of){ CAUSE_GUEST_THREAD, g->pid };
	/* a less urgent thread keeps the CPU: it may not be preempted, or the switch is under way */
	if (g->preempt || ns_between(st, p->guest_from, st->s->ran) > PATH_MAX_NS)
		return (struct verdict_of){ CAUSE_GUEST_IRQS_OFF, g->pid };
	return (struct verdict_of){ CAUSE_GUEST_WAKEUP, 0 };
}

static struct verdict_of guest_part(const struct story *st, const struct piece *p)
{
	return p->t < st->s->taken ? not_taken(st, p) : in_guest(st, p);
}

/* The vCPU's thread is off its CPU, or in the host on it. */
static struct verdict_of in_host(const struct story *st, const struct piece *p)
{
	const struct cpu_state *c = p->host;
	const struct vcpu_state *vcpu = p->vcpu;
	struct verdict_of v;

	if (!c)
		return (struct verdict_of){ CAUSE_UNEXPLAINED, WHY_HISTORY };
	if (c->lost)
		return (struct verdict_of){ CAUSE_UNEXPLAINED, WHY_LOST };
	if (interrupted(c, false, &v))
		return v;
	if (vcpu->sched == VCPU_ON)
		return exit_or_user(vcpu);
	if (vcpu->sched == VCPU_SLEEPING && vcpu->mode == VCPU_USER)
		return exit_or_user(vcpu);
	/* what keeps the timer is unknown, and it need not be this CPU's; an idle state is likely */
	if (vcpu->sched == VCPU_SLEEPING && st->fired == UINT64_MAX) {
		if (c->idle == NOT_IDLE || ns_between(st, p->t, p->end) > IDLE_EXIT_MAX_NS)
			return (struct verdict_of){ CAUSE_UNEXPLAINED, WHY_TIMER };
		return (struct verdict_of){ CAUSE_HOST_IDLE, c->idle };
	}
	if (vcpu->sched == VCPU_RUNNABLE && c->throttled)
		return (struct verdict_of){ CAUSE_HOST_THROTTLED, 0 };
	if (vcpu->sched == VCPU_RUNNABLE && c->pid)
		return (struct verdict_of){ CAUSE_HOST_THREAD, c->pid };
	/* an idle CPU with a thread to run takes it as soon as it has left its idle state */
	if (vcpu->sched == VCPU_RUNNABLE && ns_between(st, p->t, p->end) > IDLE_EXIT_MAX_NS)
		return (struct verdict_of){ CAUSE_HARDWARE, 0 };
	if (vcpu->sched == VCPU_RUNNABLE && c->idle != NOT_IDLE && !c->awake)
		return (struct verdict_of){ CAUSE_HOST_IDLE, c->idle };
	return (struct verdict_of){ CAUSE_HOST_WAKEUP, 0 };
}

/* The timer is due, and the thread that wants it has not come so far: was it kept from that? */
static struct verdict_of arming(const struct story *st, const struct piece *p)
{
	const struct vcpu_state *v = p->vcpu;
	bool on = v && v->known && v->sched == VCPU_ON;

	if (v && v->known && p->host &&
	    (v->sched == VCPU_RUNNABLE || v->mode == VCPU_USER || (on && v->mode == VCPU_EXIT)))
		return in_host(st, p);
	return (struct verdict_of){ CAUSE_ARMED_LATE, 0 };
}

/* Whatever was interrupted by that took so long for no reason of its own. */
static bool stood_still(const struct story *st, const struct piece *p)
{
	return st->m->side[HOST].present && ns_between(st, p->t, p->end) > IDLE_EXIT_MAX_NS &&
	       host_silent(st->m, p->t, p->end, true);
}

static struct verdict_of judge(const struct story *st, const struct piece *p)
{
	struct verdict_of v;

	if (stood_still(st, p))
		return (struct verdict_of){ CAUSE_HARDWARE, 0 };
	if (p->t < st->s->ready)
		return arming(st, p);
	if (!st->m->side[HOST].present) {
		if (p->t >= st->s->taken)
			return in_guest(st, p);
		if (p->guest && !p->guest->lost && (p->guest->nmi || p->guest->irqs) &&
		    interrupted(p->guest, true, &v))
			return v;
		return (struct verdict_of){ CAUSE_BELOW_GUEST, 0 };
	}
	if (p->t >= st->m->host_end || !p->vcpu)
		return (struct verdict_of){ CAUSE_UNEXPLAINED, WHY_HISTORY };
	if (!p->vcpu->known)
		return (struct verdict_of){ CAUSE_UNEXPLAINED, WHY_LOST };
	if (p->t < st->programmed && st->programmed != UINT64_MAX && p->vcpu->mode == VCPU_GUEST &&
	    p->vcpu->sched == VCPU_ON)
		return (struct verdict_of){ CAUSE_ARMED_LATE, 0 };
	if (st->fired != UINT64_MAX && p->t < st->fired)
		return before_fire(st, p);
	if (p->vcpu->sched != VCPU_ON || p->vcpu->mode == VCPU_EXIT || p->vcpu->mode == VCPU_USER)
		return in_host(st, p);
	if (p->vcpu->mode == VCPU_GUEST)
		return guest_part(st, p);
	/* no kvm_entry and kvm_exit: host interrupts and the guest's own doings are still seen */
	if (p->host && !p->host->lost && interrupted(p->host, false, &v))
		return v;
	if (p->t >= st->s->taken)
		return in_guest(st, p);
	if (p->guest && !p->guest->lost && (p->guest->nmi || p->guest->irqs) &&
	    interrupted(p->guest, true, &v))
		return v;
	return (struct verdict_of){ CAUSE_GUEST_OR_EXIT, 0 };
}

/* The first mark between two milestones, NULL when there is none. */
static const struct mark *mark_in(const struct marks *k, uint64_t from, uint64_t to)
{
	const struct mark *found = model_marks_from(k, from);

	return found && found->ts <= to ? found : NULL;
}

/* The timer went off for an earlier deadline, and its interrupt is still under way at this time. */
static const struct mark *pending_before(const struct vcpu *v, uint64_t ts)
{
	const struct mark *fired = model_marks_before(&v->fired, ts);
	const struct mark *accepted = model_marks_before(&v->accepted, ts);

	return fired && (!accepted || accepted->ts < fired->ts) ? fired : NULL;
}

/* Find the marks that belong to this sample: those from its deadline on, before the guest's own. */
static void find_marks(struct story *st)
{
	uint64_t early = clock_ticks(st->m->opts.rate, FIRE_EARLY_NS), taken = st->s->taken;
	uint64_t from = st->s->due > early ? st->s->due - early : 0;
	const struct vcpu *v = &st->m->vcpus[st->s->timer_cpu];
	const struct mark *k = mark_in(&v->fired, from, taken);

	st->programmed = st->fired = st->accepted = st->injected = UINT64_MAX;
	if (!k)
		k = pending_before(v, from);
	if (k) {
		st->fired = from = k->ts;
		st->fire_cpu = k->cpu;
		st->fired_in_guest = k->in_guest;
	}
	k = mark_in(&v->programmed, st->s->armed, taken);
	if (k)
		st->programmed = k->ts;
	k = mark_in(&v->accepted, from, taken);
	if (k)
		st->accepted = from = k->ts;
	k = mark_in(&v->injected, from, taken);
	if (!k) {
		k = mark_in(&v->posted, from, taken);
		st->posted = k != NULL;
	}
	if (k)
		st->injected = k->ts;
	st->vcpu = v;
	st->kept_off = st->posted && kept_off(st);
	st->window = mark_in(&v->window, from, taken) != NULL;
}

static void note_stages(struct spike *spike, const struct story *st)
{
	const uint64_t at[STAGES] = {
		[STAGE_FIRED] = st->fired,	 [STAGE_ACCEPTED] = st->accepted,
		[STAGE_INJECTED] = st->injected, [STAGE_TAKEN] = st->s->taken,
		[STAGE_WOKEN] = st->s->woken,	 [STAGE_ON_CPU] = st->s->ran,
	};

	memcpy(spike->stage, at, sizeof(at));
}

/* The cells whose middle lies before to, from *cell on: pieces come in order, without a gap. */
static void draw(struct spike *s, unsigned int *cell, uint64_t to, enum cause cause)
{
	enum { HALVES = 2 * PICTURE_CELLS };
	uint64_t span = s->ran - s->due, half = span / HALVES, rest = span % HALVES;

	for (; *cell < PICTURE_CELLS; (*cell)++) {
		unsigned int i = 2 * *cell + 1;

		if (s->due + half * i + rest * i / HALVES >= to)
			break;
		s->picture[*cell] = cause;
	}
}

void paint(const struct model *m, const struct sampler *s, struct spike *spike)
{
	struct story st = { .m = m, .s = s, .ran_cpu = spike->guest_cpu, .ran = spike->ran };
	struct clock_rate rate = m->opts.rate;
	unsigned int cell = 0;

	find_marks(&st);
	note_stages(spike, &st);
	for (uint64_t t = s->due; t < spike->ran;) {
		struct piece p = piece_at(&st, t);
		struct verdict_of v = judge(&st, &p);

		if (p.vcpu && p.vcpu->known)
			spike->host_cpu = p.vcpu->cpu;
		/* differences of rounded stamps, not rounded differences: they add up exactly */
		budget_add(&spike->budget, v.cause, v.detail,
			   clock_ns(rate, p.end) - clock_ns(rate, t));
		draw(spike, &cell, p.end, v.cause);
		t = p.end;
	}
}
