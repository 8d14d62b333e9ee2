// SPDX-License-Identifier: GPL-2.0-only
/* model - set up for two files, and taking in their events */
#include "tracing/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

enum {
	LANES_BYTES = 6 << 20, /* for all histories together */
	LANE_MIN = 256,
	LANE_MAX = 1 << 15,
	GAP_NS = 100000,
	/* A kernel ticks 100 to 1000 times a second; that it did so for a while is no accident */
	TICK_NS = 20000000,
	STEADY_TICKS = 25,
	IDLE_TICKS = 10,
	STALL_NS = 30000000,
};

static int side_init(struct side *s, unsigned int which, struct feed_file *file, struct err *e)
{
	size_t n = file->dat->n_cpus;
	int ret;

	s->present = true;
	s->n_cpus = n ? file->dat->cpus[n - 1].cpu + 1 : 0;
	s->n_bindings = 1; /* kind 0 is "not wanted" */
	s->cpus = calloc(s->n_cpus ? s->n_cpus : 1, sizeof(*s->cpus));
	if (!s->cpus)
		return err_set(e, -ENOMEM, "no memory for %zu CPUs", s->n_cpus);
	ret = threads_init(&s->threads, e);
	names_id(&s->names, "local_timer", NAME_BYTES);
	names_id(&s->names, "NMI", NAME_BYTES);
	return ret ? ret : bind_side(s, which, file, e);
}

/* Equal shares of the history's memory, a power of two of steps each. */
static uint32_t lane_room(size_t lanes)
{
	size_t steps = LANES_BYTES / sizeof(struct step) / (lanes ? lanes : 1), room = LANE_MIN;

	while (room * 2 <= steps && room < LANE_MAX)
		room *= 2;
	return room;
}

static int start_cpu(struct cpu *c, uint32_t room, struct err *e)
{
	if (lane_init(&c->lane, room, e))
		return e->code;
	c->now = &c->lane.last->cpu;
	*c->now = (struct cpu_state){ .softirq = NO_SOFTIRQ, .idle = NOT_IDLE };
	return 0;
}

static int start_vcpu(struct vcpu *v, uint32_t room, struct err *e)
{
	if (lane_init(&v->lane, room, e))
		return e->code;
	v->now = &v->lane.last->vcpu;
	clock_bound_init(&v->bound);
	return 0;
}

static int lanes_init(struct model *m, const struct feed_file *host, const struct feed_file *guest,
		      struct err *e)
{
	const struct feed_file *files[SIDES] = { host, guest };
	size_t lanes = m->n_vcpus;
	uint32_t room;
	int ret = 0;

	for (int s = 0; s < SIDES; s++)
		lanes += files[s] ? files[s]->dat->n_cpus : 0;
	room = lane_room(lanes);
	for (int s = 0; s < SIDES; s++)
		for (size_t i = 0; files[s] && i < files[s]->dat->n_cpus && !ret; i++)
			ret = start_cpu(&m->side[s].cpus[files[s]->dat->cpus[i].cpu], room, e);
	for (size_t i = 0; i < m->n_vcpus && !ret; i++)
		ret = start_vcpu(&m->vcpus[i], room, e);
	return ret;
}

int model_init(struct model *m, const struct model_opts *o, struct feed_file *host,
	       struct feed_file *guest, struct err *e)
{
	int ret = 0;

	*m = (struct model){ .opts = *o, .host_end = UINT64_MAX, .e = e };
	m->gap_ticks = clock_ticks(o->rate, GAP_NS);
	m->tick_ticks = clock_ticks(o->rate, TICK_NS);
	m->stall_ticks = clock_ticks(o->rate, STALL_NS);
	if (host)
		ret = side_init(&m->side[HOST], HOST, host, e);
	if (!ret)
		ret = side_init(&m->side[GUEST], GUEST, guest, e);
	if (!ret)
		ret = bind_check(m, host ? host->dat : NULL, guest->dat, e);
	m->n_vcpus = m->side[GUEST].n_cpus;
	m->vcpus = calloc(m->n_vcpus ? m->n_vcpus : 1, sizeof(*m->vcpus));
	m->samplers = calloc(SAMPLERS_MAX, sizeof(*m->samplers));
	if (!ret && (!m->vcpus || !m->samplers))
		ret = err_set(e, -ENOMEM, "no memory for %zu vCPUs", m->n_vcpus);
	if (ret < 0)
		return ret;
	return lanes_init(m, host, guest, e);
}

void model_free(struct model *m)
{
	for (int s = 0; s < SIDES; s++) {
		for (size_t i = 0; i < m->side[s].n_cpus && m->side[s].cpus; i++)
			lane_free(&m->side[s].cpus[i].lane);
		free(m->side[s].cpus);
		free(m->side[s].bindings);
		if (m->side[s].threads.slot)
			threads_free(&m->side[s].threads);
		names_free(&m->side[s].names);
	}
	for (size_t i = 0; i < m->n_vcpus && m->vcpus; i++)
		lane_free(&m->vcpus[i].lane);
	free(m->vcpus);
	free(m->samplers);
	*m = (struct model){ 0 };
}

/* It may be a CPU that does not tick when busy (nohz_full=). */
static bool has_vcpu(const struct model *m, size_t cpu)
{
	for (size_t i = 0; i < m->n_vcpus; i++)
		if (m->vcpus[i].now->known && m->vcpus[i].now->cpu == cpu)
			return true;
	return false;
}

/*
 * A busy CPU of the host ticks on, and with nohz_full= one does when idle, too. One that has ticked
 * steadily until nothing happened anywhere would have gone on, had the machine.
 */
static bool ticked_until(const struct model *m, uint64_t ts)
{
	const struct side *host = &m->side[HOST];

	for (size_t i = 0; i < host->n_cpus; i++) {
		const struct cpu *c = &host->cpus[i];

		if (!has_vcpu(m, i) && c->ticks >= STEADY_TICKS && ts - c->tick <= m->tick_ticks &&
		    (c->now->idle == NOT_IDLE || c->idle_ticks >= IDLE_TICKS))
			return true;
	}
	return false;
}

static void note_gap(struct model *m, uint64_t ts)
{
	struct side *host = &m->side[HOST];
	uint64_t length = ts - host->last_ts;

	if (host->last_ts && length > m->gap_ticks)
		m->gaps[m->n_gaps++ % GAPS] = (struct gap){
			.from = host->last_ts,
			.to = ts,
			.stall = length > m->stall_ticks && ticked_until(m, host->last_ts),
		};
}

/*
 * A host event of another kind on a CPU that runs a vCPU proves that the guest has been left. Some
 * kernels (SVM in Linux 6.1) take the interrupt that caused the exit before they trace the exit.
 */
static void left_guest(struct model *m, const struct cpu *c, const struct said *v)
{
	struct vcpu *vcpu;

	if (!c->thread || c->thread->vcpu == NO_INDEX)
		return;
	vcpu = &m->vcpus[c->thread->vcpu];
	if (vcpu->now->mode != VCPU_GUEST || vcpu->now->sched != VCPU_ON ||
	    vcpu->now->cpu != v->cpu)
		return;
	model_left_guest(vcpu, v);
}

static inline int take_in(struct model *m, const struct event *ev, unsigned int side, struct err *e)
{
	struct side *s = &m->side[side];
	const struct binding *b = &s->bindings[ev->kind];
	struct cpu *c = &s->cpus[ev->cpu];
	struct said v;

	if (ev->len < b->min_bytes)
		return err_set(e, -EINVAL, "an event %s of %u bytes is shorter than its format",
			       b->row->name, ev->len);
	/* a clock that runs backwards would make negative parts */
	m->now = ev->ts > m->now ? ev->ts : m->now;
	v = (struct said){ .ts = m->now, .b = b, .rec = ev->rec, .len = ev->len, .cpu = ev->cpu };
	s->events++;
	if (ev->lost)
		cpu_lost(m, s, c, &v);
	if (side == HOST) {
		note_gap(m, v.ts);
		if (b->proves_exit)
			left_guest(m, c, &v);
	} else if (m->windows) {
		clock_bound_event(&m->vcpus[ev->cpu].bound, v.ts);
	}
	s->last_ts = v.ts;
	b->row->take(m, s, c, &v);
	c->last_ts = v.ts;
	return m->failed;
}

int model_event(struct model *m, const struct event *ev, unsigned int side, struct err *e)
{
	return take_in(m, ev, side, e);
}

int model_follow(struct model *m, uint64_t n, struct err *e)
{
	unsigned int first = m->side[HOST].present ? HOST : GUEST;
	const struct event *ev;

	while (n--) {
		int ret = merge_next(m->merge, &ev, e);

		if (ret <= 0)
			return ret;
		if (!m->first)
			m->first = ev->ts;
		ret = take_in(m, ev, first + ev->file, e);
		if (ret < 0)
			return ret;
	}
	return 1;
}
