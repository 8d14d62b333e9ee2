// SPDX-License-Identifier: GPL-2.0-only
/* cpu - what a CPU of either kernel runs: interrupts, softirqs, threads, idle */
#include <string.h>

#include "lib/cleanup.h"
#include "tracing/model.h"

static void irq_begin(const struct side *s, struct cpu *c, const struct said *v, uint16_t name)
{
	struct cpu_state *now = model_cpu_from(c, v->ts);

	if (now->irqs < IRQ_DEPTH)
		c->irq_stack[now->irqs] = name;
	if (now->irqs < UINT8_MAX)
		now->irqs++;
	if (now->irqs == 1)
		now->preempt = said_preempt(s, v);
	now->irq = name;
	now->awake = 1;
	if (name == NAME_LOCAL_TIMER)
		c->timer_irq = v->ts;
}

static void irq_end(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	struct cpu_state *now = model_cpu_from(c, v->ts);
	struct thread *t = c->thread;

	if (now->irqs)
		now->irqs--;
	if (now->irqs && now->irqs <= IRQ_DEPTH)
		now->irq = c->irq_stack[now->irqs - 1];
	c->expiring = false;
	/* a thread whose timer expires before it has left its CPU goes on without a switch */
	if (s == &m->side[GUEST] && !now->irqs && t && t->sampler != NO_INDEX)
		model_ran(m, &m->samplers[t->sampler], v->cpu, v->ts);
}

static void vector_entry(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	(void)m;
	(void)s;
	irq_begin(s, c, v, v->b->name);
}

static void vector_exit(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	irq_end(m, s, c, v);
}

/* "__data_loc char[] name": its place within the record and its length in one word */
static uint16_t said_name(struct side *s, const struct said *v, uint32_t loc)
{
	uint32_t at = loc & 0xffff, n = loc >> 16;

	if (at > v->len || n > v->len - at)
		return 0;
	return names_id(&s->names, (const char *)v->rec + at, n);
}

static void irq_entry(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	(void)m;
	irq_begin(s, c, v, said_name(s, v, said(v, 1)));
}

static void irq_exit(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	irq_end(m, s, c, v);
}

static void softirq_entry(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	uint64_t vec = said(v, 0);

	(void)m;
	(void)s;
	model_cpu_from(c, v->ts)->softirq = vec < NO_SOFTIRQ ? vec : NO_SOFTIRQ - 1;
}

static void softirq_exit(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	(void)m;
	(void)s;
	model_cpu_from(c, v->ts)->softirq = NO_SOFTIRQ;
}

static void cpu_idle(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	struct cpu_state *now = model_cpu_from(c, v->ts);
	uint32_t state = said(v, 0);

	(void)m;
	(void)s;
	if (state == UINT32_MAX)
		now->idle = NOT_IDLE;
	else
		now->idle = state < NOT_IDLE ? state : NOT_IDLE - 1;
	now->awake = 0;
}

/* The event comes when the handler is done and says how long it took. */
static void nmi_handler(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	uint64_t took = clock_ticks(m->opts.rate, said(v, 0));

	(void)s;
	model_cpu_from(c, took < v->ts ? v->ts - took : 0)->nmi = 1;
	model_cpu_from(c, v->ts)->nmi = 0;
}

void model_note(struct model *m, struct side *s, struct thread *t, const uint8_t *comm)
{
	if (!memcmp(t->comm, comm, COMM_BYTES))
		return;
	memcpy(t->comm, comm, COMM_BYTES);
	if (s != &m->side[GUEST] || t->sampler != NO_INDEX || !model_measured(m, t) ||
	    m->n_samplers >= SAMPLERS_MAX)
		return;
	m->samplers[m->n_samplers] = (struct sampler){ .thread = t, .min_ns = UINT64_MAX };
	t->sampler = m->n_samplers++;
}

/*
 * A softirq that is still running when its thread is switched out belongs to that thread: kernels
 * with PREEMPT_RT run softirqs in threads that can be preempted.
 */
static void carry_softirq(const struct cpu *c, struct thread *prev, const struct thread *next)
{
	if (prev) {
		prev->softirq = c->now->softirq;
		prev->losses = c->losses;
	}
	c->now->softirq = model_carried_softirq(c, next);
}

/* Mostly the one that is known to run there. */
static struct thread *thread_of(struct side *s, const struct cpu *c, uint32_t tid)
{
	return c->thread && c->thread->tid == tid ? c->thread : threads_get(&s->threads, tid);
}

static void sched_switch(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	/*
	 * 0: it can go on. Above the lowest eight bits is only that it was preempted: 0x100 in Linux
	 * 4.14 and later, other bits before.
	 */
	bool sleeps = said(v, 1) & 0xff;
	struct thread *prev = thread_of(s, c, said(v, 0));
	struct thread *next = threads_get(&s->threads, said(v, 2));
	struct cpu_state *now = model_cpu_from(c, v->ts);

	if (next) {
		next->prio = (int32_t)said(v, 3);
		model_note(m, s, next, v->rec + v->b->field[4].offset);
	}
	carry_softirq(c, prev, next);
	c->thread = next;
	now->pid = said(v, 2);
	/* sched_rt_runtime_us: real-time threads have used up their share of the second */
	now->throttled = !now->pid && said(v, 0) && !sleeps;
	now->irqs = 0; /* no switch happens inside an interrupt */
	now->preempt = 0;
	now->idle = NOT_IDLE;
	if (s == &m->side[HOST]) {
		model_vcpu_switch(m, s, c, v, prev, next);
		return;
	}
	if (prev && prev->sampler != NO_INDEX && sleeps) {
		model_slept(m, &m->samplers[prev->sampler]);
		m->samplers[prev->sampler].slept = v->ts;
		m->samplers[prev->sampler].slept_cpu = v->cpu;
	}
	if (next && next->sampler != NO_INDEX)
		model_ran(m, &m->samplers[next->sampler], v->cpu, v->ts);
}

static void vcpu_waking(struct model *m, struct vcpu *vcpu, const struct said *v)
{
	bool slept = vcpu->now->sched == VCPU_SLEEPING;

	vcpu->woken = vcpu->now->sched == VCPU_ON;
	if (slept) {
		struct vcpu_state *now = model_vcpu_from(vcpu, v->ts);

		now->sched = VCPU_RUNNABLE;
		now->cpu = said(v, 2);
	}
	/* while nothing is known of its timer, that is what wakes it, if it is due */
	if (!m->fires || (!vcpu->hrtimer && slept))
		model_marks_add(&vcpu->fired, v->ts, v->cpu);
}

static void sched_waking(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	struct thread *t = threads_get(&s->threads, said(v, 0));

	if (!t)
		return;
	t->prio = (int32_t)said(v, 1);
	model_note(m, s, t, v->rec + v->b->field[3].offset);
	if (s == &m->side[HOST] && t->vcpu != NO_INDEX)
		vcpu_waking(m, &m->vcpus[t->vcpu], v);
	else if (s == &m->side[GUEST] && t->sampler != NO_INDEX)
		model_woken(m, c, v, t);
}

enum { BOTH = 1 << HOST | 1 << GUEST };

const struct event_row cpu_rows[] = {
	{ "sched",
	  "sched_switch",
	  BOTH,
	  sched_switch,
	  { "prev_pid", "prev_state", "next_pid", "next_prio", "next_comm" } },
	{ "sched", "sched_waking", BOTH, sched_waking, { "pid", "prio", "target_cpu", "comm" } },
	{ "irq", "irq_handler_entry", BOTH, irq_entry, { "irq", "name" } },
	{ "irq", "irq_handler_exit", BOTH, irq_exit, { "irq" } },
	{ "irq", "softirq_entry", BOTH, softirq_entry, { "vec" } },
	{ "irq", "softirq_exit", BOTH, softirq_exit, { "vec" } },
	{ "power", "cpu_idle", BOTH, cpu_idle, { "state" } },
	{ "nmi", "nmi_handler", BOTH, nmi_handler, { "delta_ns" } },
};
const size_t n_cpu_rows = ARRAY_SIZE(cpu_rows);

const struct event_row vector_rows[] = {
	{ "irq_vectors", "_entry", BOTH, vector_entry, { 0 } },
	{ "irq_vectors", "_exit", BOTH, vector_exit, { 0 } },
};
const size_t n_vector_rows = ARRAY_SIZE(vector_rows);

/* Between the last event and this one some are missing: the state is known again from here. */
void cpu_lost(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	struct cpu_state *now = model_cpu_from(c, c->last_ts + 1);

	s->lost_gaps++;
	c->losses++;
	c->fires = NULL;
	*now = (struct cpu_state){ .softirq = NO_SOFTIRQ, .idle = NOT_IDLE, .lost = 1 };
	now = model_cpu_from(c, v->ts);
	now->lost = 0;
	now->pid = said_pid(s, v);
	c->thread = threads_get(&s->threads, said_pid(s, v));
	if (said_flags(s, v) & FLAG_HARDIRQ)
		now->irqs = 1;
	now->irq = c->irq_stack[0] = 0;
	c->expiring = false;
	for (size_t i = 0; s == &m->side[HOST] && i < m->n_vcpus; i++) {
		struct vcpu *vcpu = &m->vcpus[i];

		if (!vcpu->now->known || vcpu->now->cpu != v->cpu)
			continue;
		model_vcpu_from(vcpu, c->last_ts + 1)->known = 0;
		clock_bound_lost(&vcpu->bound);
	}
}
