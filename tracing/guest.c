// SPDX-License-Identifier: GPL-2.0-only
/* guest - the milestones of a measured thread's wake-up, from the guest's timers and scheduler */
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "tracing/model.h"

const char *const stage_name[STAGES] = {
	[STAGE_FIRED] = "KVM's timer fired", [STAGE_ACCEPTED] = "interrupt pending",
	[STAGE_INJECTED] = "injected",	     [STAGE_TAKEN] = "taken by the guest",
	[STAGE_WOKEN] = "thread woken",	     [STAGE_ON_CPU] = "thread on its CPU",
};

const char *const stage_key[STAGES] = {
	[STAGE_FIRED] = "fired_ns",	  [STAGE_ACCEPTED] = "accepted_ns",
	[STAGE_INJECTED] = "injected_ns", [STAGE_TAKEN] = "taken_ns",
	[STAGE_WOKEN] = "woken_ns",	  [STAGE_ON_CPU] = "on_cpu_ns",
};

bool model_measured(const struct model *m, const struct thread *t)
{
	static const char *const usual[] = { "cyclictest", "rtkvm" };
	const char *const *names = m->opts.n_threads ? m->opts.threads : usual;
	size_t n = m->opts.n_threads ? m->opts.n_threads : ARRAY_SIZE(usual);
	char number[16];

	snprintf(number, sizeof(number), "%u", t->tid);
	for (size_t i = 0; i < n; i++)
		if (!strncmp(names[i], t->comm, COMM_BYTES - 1) || !strcmp(names[i], number))
			return true;
	return false;
}

/* Timers lie at 64-byte steps or on stacks; neighbours must not share a slot. */
static size_t timer_slot(uint64_t hrtimer)
{
	return hrtimer * 0x9e3779b97f4a7c15ull >> 54;
}

enum { TIMER_PROBES = 8 };

static struct timer *find_timer(struct model *m, uint64_t hrtimer)
{
	for (size_t i = 0; i < TIMER_PROBES; i++) {
		struct timer *t = &m->timers[(timer_slot(hrtimer) + i) % TIMERS];

		if (t->hrtimer == hrtimer)
			return t;
	}
	return NULL;
}

/* The slot for a timer: its own, a free one, or that of the one not started for longest. */
static struct timer *place_timer(struct model *m, uint64_t hrtimer)
{
	struct timer *oldest = &m->timers[timer_slot(hrtimer)], *t = find_timer(m, hrtimer);

	for (size_t i = 0; !t && i < TIMER_PROBES; i++) {
		struct timer *at = &m->timers[(timer_slot(hrtimer) + i) % TIMERS];

		if (at->armed < oldest->armed)
			oldest = at;
	}
	return t ? t : oldest;
}

/* This thread is on the CPU although no switch to it has been seen. */
static void put_on(struct cpu *c, struct thread *t, uint64_t ts)
{
	struct cpu_state *now = model_cpu_from(c, ts);

	now->pid = t->tid;
	now->softirq = model_carried_softirq(c, t);
	now->idle = NOT_IDLE;
	c->thread = t;
}

/*
 * A measured thread that was woken does something, but was not seen to run. Either it was woken
 * before it had left its CPU, by a timer of another one, and went on without a switch; or the switch
 * is missing (Linux 6.18 was seen to leave out one in a thousand, counting none as lost). It runs now
 * at the latest, not at its next wake-up.
 */
static void seen_running(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	uint32_t tid = said_pid(s, v);
	struct thread *t = c->thread;

	if (!t || t->tid != tid)
		t = threads_find(&s->threads, tid);
	if (!t || t->sampler == NO_INDEX || said_flags(s, v) & (FLAG_HARDIRQ | FLAG_SOFTIRQ) ||
	    !m->samplers[t->sampler].pending || m->samplers[t->sampler].running)
		return;
	if (t != c->thread)
		put_on(c, t, v->ts);
	model_ran(m, &m->samplers[t->sampler], v->cpu, v->ts);
}

static void hrtimer_start(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	struct timer *t = place_timer(m, said(v, 0));

	seen_running(m, s, c, v);
	/* what the thread asked for is the soft expiry; the hard one adds its timer slack */
	*t = (struct timer){ .hrtimer = said(v, 0),
			     .armed = v->ts,
			     .due = v->b->field[2].bytes ? said(v, 2) : said(v, 1),
			     .cpu = v->cpu };
}

static void hrtimer_expire(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	(void)m;
	(void)s;
	/* one reading of the clock serves all timers that are due: the first event is nearest */
	if (c->clock_now != said(v, 1)) {
		c->clock_now = said(v, 1);
		c->clock_now_ts = v->ts;
	}
	c->hrtimer = said(v, 0);
	c->expiring = true;
}

static void hrtimer_done(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	(void)m;
	(void)s;
	(void)v;
	c->expiring = false;
}

/* A wake-up of a measured thread: by its timer? Then all but the last milestone are known. */
void model_woken(struct model *m, struct cpu *c, const struct said *v, struct thread *thread)
{
	struct sampler *s = &m->samplers[thread->sampler];
	struct timer *t = c->expiring ? find_timer(m, c->hrtimer) : NULL;
	int64_t late_ns;
	uint64_t late;

	model_slept(m, s);
	if (!t || s->pending)
		return;
	if (m->opts.real_time && thread->prio >= PRIO_NORMAL) {
		s->left_out++;
		return;
	}
	late_ns = (int64_t)(c->clock_now - (uint64_t)t->due);
	late = late_ns > 0 ? clock_ticks(m->opts.rate, late_ns) : 0;
	s->due = late < c->clock_now_ts ? c->clock_now_ts - late : 0;
	s->armed = t->armed;
	/* starting a timer takes until the thread sleeps: only then is every CPU told that it has to be */
	s->ready = s->slept > t->armed ? s->slept : t->armed;
	s->armed_cpu = s->slept > t->armed ? s->slept_cpu : t->cpu;
	s->expired = c->clock_now_ts;
	/* the interrupt that runs the timer; it may have begun for another one, before this was due */
	s->taken = c->now->irqs ? c->timer_irq : s->expired;
	if (!s->taken || s->taken > s->expired)
		s->taken = s->expired;
	s->woken = v->ts;
	s->timer_cpu = v->cpu;
	s->pending = true;
}

static int fill_spike(struct model *m, struct sampler *s, struct spike *spike, uint64_t ran,
		      uint64_t latency_ns)
{
	*spike = (struct spike){ .due = s->due,
				 .ran = ran,
				 .latency_ns = latency_ns,
				 .tid = s->thread->tid,
				 .prio = s->thread->prio,
				 .guest_cpu = s->ran_cpu,
				 .host_cpu = UINT32_MAX };
	memcpy(spike->comm, s->thread->comm, sizeof(spike->comm));
	paint(m, s, spike);
	budget_sort(&spike->budget);
	return m->opts.on_spike(m->opts.arg, spike, m->e);
}

/* The wake-up under way has ended. */
static void finish(struct model *m, struct sampler *s, uint64_t ts)
{
	uint64_t ns = clock_ns(m->opts.rate, ts) - clock_ns(m->opts.rate, s->due);
	struct spike spike;
	int ret;

	s->pending = s->running = false;
	s->samples++;
	s->sum_ns += ns;
	s->min_ns = ns < s->min_ns ? ns : s->min_ns;
	s->max_ns = ns > s->max_ns ? ns : s->max_ns;
	if (ns <= m->opts.threshold_ns)
		return;
	s->late++;
	if (m->merge && m->host_end == UINT64_MAX && m->side[HOST].present &&
	    !merge_has(m->merge, HOST))
		m->host_end = m->side[HOST].last_ts;
	ret = fill_spike(m, s, &spike, ts, ns);
	if (ret < 0)
		m->failed = ret;
}

/* On its CPU; its own code goes on when the system call has returned. */
void model_ran(struct model *m, struct sampler *s, unsigned int cpu, uint64_t ts)
{
	if (!s->pending)
		return;
	s->back = ts;
	s->back_cpu = cpu;
	if (s->running)
		return;
	s->ran = ts;
	s->ran_cpu = cpu;
	s->running = true;
	if (!m->returns)
		finish(m, s, ts);
}

/* It did not sleep in clock_nanosleep, or the return from there is missing. */
void model_slept(struct model *m, struct sampler *s)
{
	if (s->running)
		finish(m, s, s->ran);
}

static void nanosleep_exit(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	const struct thread *t;

	seen_running(m, s, c, v);
	t = c->thread;
	if (t && t->tid == said_pid(s, v) && t->sampler != NO_INDEX &&
	    m->samplers[t->sampler].running)
		finish(m, &m->samplers[t->sampler], v->ts);
}

const struct event_row guest_rows[] = {
	{ "timer",
	  "hrtimer_start",
	  1 << GUEST,
	  hrtimer_start,
	  { "hrtimer", "expires", "?softexpires" } },
	{ "timer", "hrtimer_expire_entry", 1 << GUEST, hrtimer_expire, { "hrtimer", "now" } },
	{ "timer", "hrtimer_expire_exit", 1 << GUEST, hrtimer_done, { "hrtimer" } },
	{ "syscalls", "sys_exit_clock_nanosleep", 1 << GUEST, nanosleep_exit, { 0 } },
};
const size_t n_guest_rows = ARRAY_SIZE(guest_rows);
