// SPDX-License-Identifier: GPL-2.0-only
/* model - which events are followed, and taking them in */
#include "tracing/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

enum {
	LANES_BYTES = 6 << 20, /* for all histories together */
	LANE_MIN = 256,
	LANE_MAX = 1 << 15,
	SAMPLERS_MAX = 256,
	GAP_NS = 100000,
};

static struct number number_of(struct field f)
{
	struct number n = { f.offset, 0, f.is_signed };

	if (f.bytes == 1 || f.bytes == 2 || f.bytes == 4)
		n.shift = 64 - 8 * f.bytes;
	return n;
}

static inline uint64_t number_get(const uint8_t *rec, struct number n)
{
	uint64_t v;

	memcpy(&v, rec + n.offset, sizeof(v));
	v <<= n.shift;
	return n.is_signed ? (uint64_t)((int64_t)v >> n.shift) : v >> n.shift;
}

static void bind_fields(const struct dat_format *f, const struct event_row *row, struct binding *b,
			char *missing, size_t size)
{
	size_t used;

	for (size_t i = 0; i < MODEL_FIELDS && row->fields[i]; i++) {
		const char *name = row->fields[i];
		bool optional = *name == '?';
		struct field *to = &b->field[i];

		b->n_fields = i + 1;
		/* a thread's name is looked at as a whole */
		if (format_field(f->text, f->len, name + optional, to) &&
		    (to->bytes == COMM_BYTES || !strstr(name, "comm"))) {
			b->number[i] = number_of(*to);
			if (b->min_bytes < (uint32_t)to->offset + to->bytes)
				b->min_bytes = to->offset + to->bytes;
		} else if (!optional) {
			used = strlen(missing);
			snprintf(missing + used, size - used, "%s%s/%s.%s", used ? ", " : "",
				 row->system, row->name, name);
		}
	}
}

static int add_binding(struct side *s, struct feed_file *file, const struct dat_format *f,
		       const struct event_row *row, uint16_t name, struct err *e)
{
	char missing[256] = "";
	struct binding *b, *more = realloc(s->bindings, (s->n_bindings + 1) * sizeof(*more));

	if (!more || s->n_bindings > UINT8_MAX)
		return err_set(e, -ENOMEM, "no room for the event %s", f->name);
	s->bindings = more;
	b = &s->bindings[s->n_bindings];
	*b = (struct binding){ .row = row, .name = name, .min_bytes = s->common_bytes };
	b->proves_exit = strcmp(row->system, "kvm") != 0;
	bind_fields(f, row, b, missing, sizeof(missing));
	if (*missing)
		return err_set(
			e, -EINVAL,
			"reading %s failed: an event lacks what it has in Linux 4.4 to 6.18: %s",
			file->dat->name, missing);
	file->want[f->id] = s->n_bindings++;
	return 0;
}

static int bind_rows(struct side *s, unsigned int which, struct feed_file *file,
		     const struct event_row *rows, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		const struct dat_format *f;
		int ret;

		if (!(rows[i].sides & 1 << which))
			continue;
		f = dat_format(file->dat, rows[i].system, rows[i].name);
		ret = f ? add_binding(s, file, f, &rows[i], 0, e) : 0;
		if (ret < 0)
			return ret;
	}
	return 0;
}

static void vector_entry(struct model *m, struct side *s, struct cpu *c, const struct said *v);
static void vector_exit(struct model *m, struct side *s, struct cpu *c, const struct said *v);

static const struct event_row vector_rows[] = {
	{ "irq_vectors", "_entry", 1 << HOST | 1 << GUEST, vector_entry, { 0 } },
	{ "irq_vectors", "_exit", 1 << HOST | 1 << GUEST, vector_exit, { 0 } },
};

/* Every interrupt vector has its own pair of events; kernels differ in which there are. */
static int bind_vectors(struct side *s, struct feed_file *file, struct err *e)
{
	for (size_t i = 0; i < file->dat->n_formats; i++) {
		const struct dat_format *f = &file->dat->formats[i];

		for (size_t k = 0; k < ARRAY_SIZE(vector_rows); k++) {
			size_t tail = strlen(vector_rows[k].name), n = strlen(f->name);
			int ret;

			if (strcmp(f->system, "irq_vectors") != 0 || n <= tail ||
			    strcmp(f->name + n - tail, vector_rows[k].name) != 0)
				continue;
			ret = add_binding(s, file, f, &vector_rows[k],
					  names_id(&s->names, f->name, n - tail), e);
			if (ret < 0)
				return ret;
		}
	}
	return 0;
}

static bool has(const struct side *s, const char *name)
{
	for (size_t i = 1; i < s->n_bindings; i++)
		if (!strcmp(s->bindings[i].row->name, name))
			return true;
	return false;
}

static int need(const struct side *s, const struct dat *d, const char *const *names, size_t n,
		const char *how, struct err *e)
{
	char missing[256] = "";

	for (size_t i = 0; i < n; i++) {
		size_t used = strlen(missing);

		if (!has(s, names[i]))
			snprintf(missing + used, sizeof(missing) - used, "%s%s", used ? ", " : "",
				 names[i]);
	}
	if (*missing)
		return err_set(e, -ENODATA, "%s lacks the events %s; record with %s", d->name,
			       missing, how);
	return 0;
}

static int common_fields(struct side *s, const struct feed_file *file, struct err *e)
{
	static const char *const names[] = { "common_pid", "common_flags", "common_preempt_count" };
	struct number *to[] = { &s->pid, &s->flags, &s->preempt };

	for (size_t i = 0; i < file->dat->n_formats; i++) {
		const struct dat_format *f = &file->dat->formats[i];
		struct field field;
		size_t k;

		for (k = 0; k < ARRAY_SIZE(names); k++) {
			if (!format_field(f->text, f->len, names[k], &field))
				break;
			*to[k] = number_of(field);
			if (s->common_bytes < (uint32_t)field.offset + field.bytes)
				s->common_bytes = field.offset + field.bytes;
		}
		if (k == ARRAY_SIZE(names))
			return 0;
	}
	return err_set(e, -EINVAL, "reading %s failed: no event format tells the common fields",
		       file->dat->name);
}

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
	for (size_t i = 0; i < s->n_cpus; i++)
		s->cpus[i].now = (struct cpu_state){ .softirq = NO_SOFTIRQ, .idle = NOT_IDLE };
	ret = threads_init(&s->threads, e);
	names_id(&s->names, "local_timer", NAME_BYTES);
	names_id(&s->names, "NMI", NAME_BYTES);
	if (!ret)
		ret = common_fields(s, file, e);
	if (!ret)
		ret = bind_rows(s, which, file, cpu_rows, n_cpu_rows, e);
	if (!ret)
		ret = bind_rows(s, which, file, kvm_rows, n_kvm_rows, e);
	if (!ret)
		ret = bind_rows(s, which, file, guest_rows, n_guest_rows, e);
	if (!ret)
		ret = bind_vectors(s, file, e);
	return ret;
}

static int check_events(struct model *m, const struct dat *host, const struct dat *guest,
			struct err *e)
{
	static const char *const guest_needs[] = { "sched_switch", "sched_waking", "hrtimer_start",
						   "hrtimer_expire_entry" };
	static const char *const host_needs[] = { "sched_switch" };
	int ret = need(&m->side[GUEST], guest, guest_needs, ARRAY_SIZE(guest_needs),
		       "rtkvm trace record --guest", e);

	if (ret < 0 || !host)
		return ret;
	m->windows = has(&m->side[HOST], "kvm_entry") && has(&m->side[HOST], "kvm_exit");
	m->fires = has(&m->side[HOST], "kvm_msr") && has(&m->side[HOST], "hrtimer_start") &&
		   has(&m->side[HOST], "hrtimer_expire_entry");
	return need(&m->side[HOST], host, host_needs, ARRAY_SIZE(host_needs), "rtkvm trace record",
		    e);
}

/* Equal shares of the history's memory, a power of two of steps each. */
static uint32_t lane_room(size_t lanes)
{
	size_t steps = LANES_BYTES / sizeof(struct step) / (lanes ? lanes : 1), room = LANE_MIN;

	while (room * 2 <= steps && room < LANE_MAX)
		room *= 2;
	return room;
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
			ret = lane_init(&m->side[s].cpus[files[s]->dat->cpus[i].cpu].lane, room, e);
	for (size_t i = 0; i < m->n_vcpus && !ret; i++)
		ret = lane_init(&m->vcpus[i].lane, room, e);
	return ret;
}

int model_init(struct model *m, const struct model_opts *o, struct feed_file *host,
	       struct feed_file *guest, struct err *e)
{
	int ret = 0;

	*m = (struct model){ .opts = *o, .host_end = UINT64_MAX, .e = e };
	m->gap_ticks = clock_ticks(o->rate, GAP_NS);
	if (host)
		ret = side_init(&m->side[HOST], HOST, host, e);
	if (!ret)
		ret = side_init(&m->side[GUEST], GUEST, guest, e);
	if (!ret)
		ret = check_events(m, host ? host->dat : NULL, guest->dat, e);
	m->n_vcpus = m->side[GUEST].n_cpus;
	m->vcpus = calloc(m->n_vcpus ? m->n_vcpus : 1, sizeof(*m->vcpus));
	m->samplers = calloc(SAMPLERS_MAX, sizeof(*m->samplers));
	if (!ret && (!m->vcpus || !m->samplers))
		ret = err_set(e, -ENOMEM, "no memory for %zu vCPUs", m->n_vcpus);
	if (ret < 0)
		return ret;
	for (size_t i = 0; i < m->n_vcpus; i++)
		clock_bound_init(&m->vcpus[i].bound);
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

void model_push_cpu(struct cpu *c, uint64_t ts)
{
	if (c->lane.room)
		lane_push(&c->lane, ts)->cpu = c->now;
}

void model_push_vcpu(struct vcpu *v, uint64_t ts)
{
	lane_push(&v->lane, ts)->vcpu = v->now;
}

static void irq_begin(struct cpu *c, const struct said *v, uint16_t name)
{
	if (c->now.irqs < IRQ_DEPTH)
		c->irq_stack[c->now.irqs] = name;
	if (c->now.irqs < UINT8_MAX)
		c->now.irqs++;
	if (c->now.irqs == 1)
		c->now.preempt = v->preempt;
	c->now.irq = name;
	if (name == NAME_LOCAL_TIMER)
		c->timer_irq = v->ts;
	model_push_cpu(c, v->ts);
}

static void irq_end(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	struct thread *t = c->thread;

	if (c->now.irqs)
		c->now.irqs--;
	if (c->now.irqs && c->now.irqs <= IRQ_DEPTH)
		c->now.irq = c->irq_stack[c->now.irqs - 1];
	c->expiring = false;
	model_push_cpu(c, v->ts);
	/* a thread whose timer expires before it has left its CPU goes on without a switch */
	if (s == &m->side[GUEST] && !c->now.irqs && t && t->sampler != NO_INDEX)
		model_ran(m, &m->samplers[t->sampler], v->cpu, v->ts);
}

static void vector_entry(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	(void)m;
	(void)s;
	irq_begin(c, v, v->name);
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
	irq_begin(c, v, said_name(s, v, v->f[1]));
}

static void irq_exit(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	irq_end(m, s, c, v);
}

static void softirq_entry(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	(void)m;
	(void)s;
	c->now.softirq = v->f[0] < NO_SOFTIRQ ? v->f[0] : NO_SOFTIRQ - 1;
	model_push_cpu(c, v->ts);
}

static void softirq_exit(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	(void)m;
	(void)s;
	c->now.softirq = NO_SOFTIRQ;
	model_push_cpu(c, v->ts);
}

static void cpu_idle(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	uint32_t state = v->f[0];

	(void)m;
	(void)s;
	if (state == UINT32_MAX)
		c->now.idle = NOT_IDLE;
	else
		c->now.idle = state < NOT_IDLE ? state : NOT_IDLE - 1;
	model_push_cpu(c, v->ts);
}

/* The event comes when the handler is done and says how long it took. */
static void nmi_handler(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	uint64_t took = clock_ticks(m->opts.rate, v->f[0]);

	(void)s;
	c->now.nmi = 1;
	model_push_cpu(c, took < v->ts ? v->ts - took : 0);
	c->now.nmi = 0;
	model_push_cpu(c, v->ts);
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
static void carry_softirq(struct cpu *c, struct thread *prev, const struct thread *next)
{
	if (prev)
		prev->softirq = c->now.softirq;
	c->now.softirq = next ? next->softirq : NO_SOFTIRQ;
}

static void sched_switch(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	struct thread *prev = threads_get(&s->threads, v->f[0]);
	struct thread *next = threads_get(&s->threads, v->f[2]);

	if (next) {
		next->prio = (int32_t)v->f[3];
		model_note(m, s, next, v->rec + v->b->field[4].offset);
	}
	carry_softirq(c, prev, next);
	c->thread = next;
	c->now.pid = v->f[2];
	c->now.irqs = 0; /* no switch happens inside an interrupt */
	c->now.preempt = 0;
	c->now.idle = NOT_IDLE;
	model_push_cpu(c, v->ts);
	if (s == &m->side[HOST])
		model_vcpu_switch(m, s, c, v, prev, next);
	else if (next && next->sampler != NO_INDEX)
		model_ran(m, &m->samplers[next->sampler], v->cpu, v->ts);
}

static void sched_waking(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	struct thread *t = threads_get(&s->threads, v->f[0]);

	if (!t)
		return;
	t->prio = (int32_t)v->f[1];
	model_note(m, s, t, v->rec + v->b->field[3].offset);
	if (s == &m->side[GUEST]) {
		if (t->sampler != NO_INDEX)
			model_woken(m, c, v, t);
	} else if (t->vcpu != NO_INDEX) {
		struct vcpu *vcpu = &m->vcpus[t->vcpu];

		if (vcpu->now.sched == VCPU_SLEEPING) {
			vcpu->now.sched = VCPU_RUNNABLE;
			vcpu->now.cpu = v->f[2];
			model_push_vcpu(vcpu, v->ts);
		}
		if (!m->fires)
			model_fired(vcpu, v->ts, v->cpu);
	}
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

enum { FLAG_HARDIRQ = 8 }; /* TRACE_FLAG_HARDIRQ, include/linux/trace_events.h */

/* Between the last event and this one some are missing: the state is known again from here. */
static void lost(struct model *m, struct side *s, struct cpu *c, const struct said *v)
{
	s->lost_gaps++;
	c->now = (struct cpu_state){ .softirq = NO_SOFTIRQ, .idle = NOT_IDLE, .lost = 1 };
	model_push_cpu(c, c->last_ts + 1);
	c->now.lost = 0;
	c->now.pid = v->pid;
	c->thread = threads_get(&s->threads, v->pid);
	if (v->flags & FLAG_HARDIRQ)
		c->now.irqs = 1;
	c->now.irq = c->irq_stack[0] = 0;
	c->expiring = false;
	model_push_cpu(c, v->ts);
	for (size_t i = 0; s == &m->side[HOST] && i < m->n_vcpus; i++) {
		struct vcpu *vcpu = &m->vcpus[i];

		if (!vcpu->now.known || vcpu->now.cpu != v->cpu)
			continue;
		vcpu->now.known = 0;
		model_push_vcpu(vcpu, c->last_ts + 1);
		clock_bound_lost(&vcpu->bound);
	}
}

static void note_gap(struct model *m, uint64_t ts)
{
	struct side *host = &m->side[HOST];

	if (host->last_ts && ts - host->last_ts > m->gap_ticks)
		m->gaps[m->n_gaps++ % GAPS] = (struct gap){ host->last_ts, ts };
	host->last_ts = ts;
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
	if (vcpu->now.mode != VCPU_GUEST || vcpu->now.sched != VCPU_ON || vcpu->now.cpu != v->cpu)
		return;
	model_left_guest(vcpu, v);
}

int model_event(struct model *m, const struct event *ev, unsigned int side, struct err *e)
{
	struct side *s = &m->side[side];
	const struct binding *b = &s->bindings[ev->kind];
	struct cpu *c = &s->cpus[ev->cpu];
	struct said v; /* not zeroed: nobody looks at fields that its row does not have */

	if (ev->len < b->min_bytes)
		return err_set(e, -EINVAL, "an event %s of %u bytes is shorter than its format",
			       b->row->name, ev->len);
	/* a clock that runs backwards would make negative parts */
	m->now = ev->ts > m->now ? ev->ts : m->now;
	v.rec = ev->rec;
	v.len = ev->len;
	v.cpu = ev->cpu;
	v.name = b->name;
	v.b = b;
	v.ts = m->now;
	v.pid = number_get(ev->rec, s->pid);
	v.flags = number_get(ev->rec, s->flags);
	v.preempt = number_get(ev->rec, s->preempt);
	for (uint32_t i = 0; i < b->n_fields; i++)
		v.f[i] = number_get(ev->rec, b->number[i]);
	if (ev->lost)
		lost(m, s, c, &v);
	if (side == HOST) {
		note_gap(m, v.ts);
		if (b->proves_exit)
			left_guest(m, c, &v);
	} else if (m->windows) {
		clock_bound_event(&m->vcpus[ev->cpu].bound, v.ts);
	}
	b->row->take(m, s, c, &v);
	c->last_ts = v.ts;
	return m->failed;
}
