// SPDX-License-Identifier: GPL-2.0-only
/* kvm - following vCPU threads through the host's events */
#include <errno.h>

#include "lib/cleanup.h"
#include "tracing/model.h"

enum {
	MSR_TSC_DEADLINE = 0x6e0,
	ISA_VMX = 1,
	ISA_SVM = 2,
	VMX_EXTERNAL_INTERRUPT = 1,
	VMX_INTERRUPT_WINDOW = 7,
	VMX_PREEMPTION_TIMER = 52,
	VMX_HLT = 12,
	SVM_INTERRUPT = 0x60,
	SVM_VINTR = 0x64,
	SVM_HLT = 0x78,
};

void model_marks_add(struct marks *k, uint64_t ts, uint32_t cpu)
{
	k->ring[k->n++ % MARKS] = (struct mark){ .ts = ts, .cpu = cpu };
}

const struct mark *model_marks_from(const struct marks *k, uint64_t ts)
{
	for (uint64_t i = k->n > MARKS ? k->n - MARKS : 0; i < k->n; i++)
		if (k->ring[i % MARKS].ts >= ts)
			return &k->ring[i % MARKS];
	return NULL;
}

const struct mark *model_marks_before(const struct marks *k, uint64_t ts)
{
	for (uint64_t i = k->n, first = k->n > MARKS ? k->n - MARKS : 0; i-- > first;)
		if (k->ring[i % MARKS].ts < ts)
			return &k->ring[i % MARKS];
	return NULL;
}

int model_set_vcpu(struct model *m, unsigned int vcpu, uint32_t tid, struct err *e)
{
	struct thread *t = threads_get(&m->side[HOST].threads, tid);
	struct vcpu *v;

	if (vcpu >= m->n_vcpus)
		return 0; /* a vCPU without an event in the guest's trace */
	v = &m->vcpus[vcpu];
	if (!t)
		return err_set(e, -ENOMEM, "no memory for vCPU %u", vcpu);
	if (v->tid && v->tid != tid)
		return err_set(
			e, -EINVAL,
			"the host trace holds two guests: threads %u and %u both run a vCPU %u; choose with --vcpus TID,TID,...",
			v->tid, tid, vcpu);
	v->tid = tid;
	t->vcpu = vcpu;
	return 0;
}

/* The vCPU that this thread runs, NULL for other threads. */
struct vcpu *model_vcpu_of(struct model *m, struct side *s, struct cpu *c, uint32_t tid)
{
	struct thread *t = c->thread;

	if (!t || t->tid != tid)
		t = threads_find(&s->threads, tid);
	return t && t->vcpu != NO_INDEX ? &m->vcpus[t->vcpu] : NULL;
}

static void note_beyond(struct model *m, uint32_t id, uint32_t tid)
{
	if (id == UINT32_MAX)
		return;
	for (size_t i = 0; i < m->n_beyond; i++)
		if (m->beyond[i].tid == tid)
			return;
	if (m->n_beyond < VCPUS_BEYOND)
		m->beyond[m->n_beyond++] = (struct vcpu_name){ id, tid };
}

/* kvm_entry and kvm_exit name the vCPU: whose thread that is need not be told. */
static inline struct vcpu *named_vcpu(struct model *m, struct side *s, struct cpu *c,
				      const struct said *v, uint32_t vcpu)
{
	struct vcpu *known = model_vcpu_of(m, s, c, said_pid(s, v));

	if (known || m->opts.vcpus_given) {
		/* which guest's is this one, if not that whose vCPUs are known? */
		m->other_guest |= !known;
		return known;
	}
	if (vcpu >= m->n_vcpus) {
		note_beyond(m, vcpu, said_pid(s, v));
		return NULL;
	}
	if (model_set_vcpu(m, vcpu, said_pid(s, v), m->e)) {
		m->failed = m->e->code;
		return NULL;
	}
	return &m->vcpus[vcpu];
}

static inline struct vcpu_state *on_cpu(struct vcpu *vcpu, const struct said *v,
					enum vcpu_mode mode)
{
	struct vcpu_state *now = model_vcpu_from(vcpu, v->ts);

	vcpu->woken = false;
	now->known = 1;
	now->sched = VCPU_ON;
	now->cpu = v->cpu;
	now->mode = mode;
	return now;
}

/* By an interrupt, until kvm_exit says otherwise. */
void model_left_guest(struct vcpu *vcpu, const struct said *v)
{
	struct vcpu_state *now = on_cpu(vcpu, v, VCPU_EXIT);

	clock_bound_exit(&vcpu->bound, v->ts);
	if (!now->isa)
		now->isa = ISA_VMX;
	now->reason = now->isa == ISA_SVM ? SVM_INTERRUPT : VMX_EXTERNAL_INTERRUPT;
}

static void kvm_entry(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	struct vcpu *vcpu = named_vcpu(m, s, c, v, said(v, 0));

	if (!vcpu)
		return;
	vcpu->id = said(v, 0);
	vcpu->id_known = true;
	clock_bound_entry(&vcpu->bound, v->ts);
	on_cpu(vcpu, v, VCPU_GUEST);
}

static void kvm_exit(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	/* kernels before 5.11 do not name the vCPU here: kvm_entry has */
	struct vcpu *vcpu = named_vcpu(m, s, c, v, v->b->field[2].bytes ? said(v, 2) : UINT32_MAX);
	uint32_t reason = said(v, 0);
	struct vcpu_state *now;

	if (!vcpu)
		return;
	if (said(v, 1) == ISA_VMX)
		reason &= 0xffff;
	clock_bound_exit(&vcpu->bound, v->ts);
	vcpu->armed_now = 0;
	now = on_cpu(vcpu, v, VCPU_EXIT);
	now->reason = reason;
	now->isa = said(v, 1);
	if (said(v, 1) == ISA_VMX && reason == VMX_PREEMPTION_TIMER)
		vcpu->fired.ring[vcpu->fired.n++ % MARKS] = (struct mark){ v->ts, v->cpu, true };
	if ((said(v, 1) == ISA_VMX && reason == VMX_INTERRUPT_WINDOW) ||
	    (said(v, 1) == ISA_SVM && reason == SVM_VINTR))
		model_marks_add(&vcpu->window, v->ts, v->cpu);
}

static void kvm_userspace_exit(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	struct vcpu *vcpu = model_vcpu_of(m, s, c, said_pid(s, v));

	if (vcpu)
		vcpu->armed_now = 0;
	/* without kvm_entry nothing would tell when user space is left again */
	if (vcpu && m->windows)
		on_cpu(vcpu, v, VCPU_USER);
}

static void kvm_msr(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	struct vcpu *vcpu = model_vcpu_of(m, s, c, said_pid(s, v));

	if (!vcpu || !said(v, 0) || said(v, 1) != MSR_TSC_DEADLINE)
		return;
	model_marks_add(&vcpu->programmed, v->ts, v->cpu);
	if (vcpu->armed_now)
		vcpu->hrtimer = vcpu->armed_now;
}

static struct vcpu *vcpu_by_id(struct model *m, uint32_t id)
{
	for (size_t i = 0; i < m->n_vcpus; i++)
		if (m->vcpus[i].id_known ? m->vcpus[i].id == id : i == id)
			return &m->vcpus[i];
	return NULL;
}

/*
 * The vCPU whose virtual APIC takes the timer's interrupt. The event has KVM's number of it only, and
 * each guest has a vCPU 0: whose it is tells the thread that does it, or the timer that has just
 * expired; where neither can be known, the number, if there is no other guest.
 */
static struct vcpu *accepting(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	struct vcpu *vcpu;

	if (said(v, 1) != m->opts.timer_vector)
		return NULL;
	if (!(said_flags(s, v) & (FLAG_HARDIRQ | FLAG_SOFTIRQ)))
		vcpu = model_vcpu_of(m, s, c, said_pid(s, v));
	else
		vcpu = c->fires;
	if (vcpu)
		return !vcpu->id_known || vcpu->id == said(v, 0) ? vcpu : NULL;
	vcpu = vcpu_by_id(m, said(v, 0));
	return vcpu && !vcpu->hrtimer && !m->other_guest ? vcpu : NULL;
}

static void kvm_apic_accept_irq(struct model *m, struct side *s, struct cpu *c,
				const struct said *v)
{
	struct vcpu *vcpu = accepting(m, s, c, v);

	if (vcpu)
		model_marks_add(&vcpu->accepted, v->ts, v->cpu);
}

static void kvm_apicv_accept_irq(struct model *m, struct side *s, struct cpu *c,
				 const struct said *v)
{
	struct vcpu *vcpu = accepting(m, s, c, v);

	if (vcpu)
		model_marks_add(&vcpu->posted, v->ts, v->cpu);
}

static void kvm_inj_virq(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	struct vcpu *vcpu = model_vcpu_of(m, s, c, said_pid(s, v));
	uint64_t vector = v->b->field[0].bytes ? said(v, 0) : said(v, 1);

	if (vcpu && vector == m->opts.timer_vector)
		model_marks_add(&vcpu->injected, v->ts, v->cpu);
}

/*
 * A timer that a vCPU's thread starts itself, and not an interrupt meanwhile, may be KVM's for it.
 * What follows tells: kvm_hv_timer_state, or that KVM has taken the guest's deadline. Where the
 * former is not recorded, it is also what is started between HLT and the sleep: a deadline that the
 * CPU's own timer has kept as long as the guest ran (start_sw_timer() in arch/x86/kvm/lapic.c).
 */
static void host_hrtimer_start(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	struct vcpu *vcpu = model_vcpu_of(m, s, c, said_pid(s, v));
	const struct vcpu_state *now;

	/* in user space the VMM may start some of its own */
	if (!vcpu || vcpu->now->mode == VCPU_USER ||
	    said_flags(s, v) & (FLAG_HARDIRQ | FLAG_SOFTIRQ))
		return;
	vcpu->armed_now = said(v, 0);
	now = vcpu->now;
	if (!m->tells_timers && now->sched == VCPU_ON && now->mode == VCPU_EXIT &&
	    ((now->isa == ISA_VMX && now->reason == VMX_HLT) ||
	     (now->isa == ISA_SVM && now->reason == SVM_HLT)))
		vcpu->hrtimer = vcpu->armed_now;
}

/* The guest's deadline is kept by the CPU (1), or by the timer that was just started (0). */
static void kvm_hv_timer_state(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	struct vcpu *vcpu = model_vcpu_of(m, s, c, said_pid(s, v));

	/* a format alone does not say that it is recorded */
	m->tells_timers = true;
	if (!vcpu)
		return;
	if (!said(v, 0) && vcpu->armed_now)
		vcpu->hrtimer = vcpu->armed_now;
	vcpu->armed_now = 0;
}

static bool stood_still_since(const struct model *m, uint64_t ts)
{
	const struct gap *last = &m->gaps[(m->n_gaps - 1) % GAPS];

	return m->n_gaps && last->stall && last->to > ts;
}

static void host_hrtimer_expire(struct model *m, struct side *s, struct cpu *c,
				const struct said *v)
{
	(void)s;
	c->fires = NULL;
	for (size_t i = 0; i < m->n_vcpus; i++)
		if (m->vcpus[i].hrtimer && m->vcpus[i].hrtimer == said(v, 0)) {
			c->fires = &m->vcpus[i];
			model_marks_add(&c->fires->fired, v->ts, v->cpu);
			return;
		}
	/* a guest's timers stop with the guest, all others go on */
	if (v->ts - c->tick > m->tick_ticks && !stood_still_since(m, c->tick))
		c->ticks = c->idle_ticks = 0;
	c->ticks++;
	c->idle_ticks += c->now->idle != NOT_IDLE;
	c->tick = v->ts;
}

static void sched_migrate(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	struct vcpu *vcpu = model_vcpu_of(m, s, c, said(v, 0));

	if (vcpu && vcpu->now->sched != VCPU_ON)
		model_vcpu_from(vcpu, v->ts)->cpu = said(v, 1);
}

/* prev_state: 0 is running; bits above the lowest 8 say "preempted" */
void model_vcpu_switch(struct model *m, struct side *s, struct cpu *c, const struct said *v,
		       struct thread *prev, struct thread *next)
{
	(void)s;
	(void)c;
	if (prev && prev->vcpu != NO_INDEX) {
		struct vcpu *vcpu = &m->vcpus[prev->vcpu];
		struct vcpu_state *now = model_vcpu_from(vcpu, v->ts);

		now->known = 1;
		now->cpu = v->cpu;
		now->sched = said(v, 1) & 0xff ? VCPU_SLEEPING : VCPU_RUNNABLE;
		/* who wakes a thread on its way to sleep waits until it is off its CPU */
		if (vcpu->woken && said(v, 2))
			now->sched = VCPU_RUNNABLE;
		vcpu->woken = false;
	}
	if (next && next->vcpu != NO_INDEX) {
		struct vcpu *vcpu = &m->vcpus[next->vcpu];

		on_cpu(vcpu, v, vcpu->now->mode);
	}
}

const struct event_row kvm_rows[] = {
	{ "kvm", "kvm_entry", 1 << HOST, kvm_entry, { "vcpu_id" } },
	{ "kvm", "kvm_exit", 1 << HOST, kvm_exit, { "exit_reason", "isa", "?vcpu_id" } },
	{ "kvm", "kvm_userspace_exit", 1 << HOST, kvm_userspace_exit, { "reason" } },
	{ "kvm", "kvm_msr", 1 << HOST, kvm_msr, { "write", "ecx" } },
	{ "kvm", "kvm_apic_accept_irq", 1 << HOST, kvm_apic_accept_irq, { "apicid", "vec" } },
	{ "kvm", "kvm_apicv_accept_irq", 1 << HOST, kvm_apicv_accept_irq, { "apicid", "vec" } },
	{ "kvm", "kvm_hv_timer_state", 1 << HOST, kvm_hv_timer_state, { "hv_timer_in_use" } },
	/* "irq" until Linux 5.18, "vector" since */
	{ "kvm", "kvm_inj_virq", 1 << HOST, kvm_inj_virq, { "?vector", "?irq" } },
	{ "timer", "hrtimer_start", 1 << HOST, host_hrtimer_start, { "hrtimer" } },
	{ "timer", "hrtimer_expire_entry", 1 << HOST, host_hrtimer_expire, { "hrtimer" } },
	{ "sched", "sched_migrate_task", 1 << HOST, sched_migrate, { "pid", "dest_cpu" } },
};
const size_t n_kvm_rows = ARRAY_SIZE(kvm_rows);
