/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * model - what host and guest were doing, followed event by event
 *
 * Events come merged by time. Each CPU of both kernels and each vCPU thread has a lane of states;
 * each measured thread of the guest has the milestones of its wake-up: timer armed, due, fired on
 * the host, injected, taken by the guest, thread woken, thread running. When it runs and was late,
 * paint.c divides the time between due and running by looking at the lanes.
 * Memory is fixed once the CPUs are known; nothing grows with the trace.
 */
#ifndef RTKVM_TRACING_MODEL_H
#define RTKVM_TRACING_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tracing/cause.h"
#include "tracing/clocks.h"
#include "tracing/feed.h"
#include "tracing/lane.h"
#include "tracing/people.h"

enum { HOST, GUEST, SIDES };
enum {
	MODEL_FIELDS = 5,
	IRQ_DEPTH = 8,
	MARKS = 64,
	TIMERS = 1024,
	GAPS = 256,
	SAMPLERS_MAX = 256,
	VCPUS_BEYOND = 256,
	PRIO_NORMAL = 100, /* the kernel's: from here on a thread is not real-time */
	PICTURE_CELLS = 240,
};

/* common_flags: TRACE_FLAG_HARDIRQ and TRACE_FLAG_SOFTIRQ of include/linux/trace_events.h */
enum { FLAG_HARDIRQ = 8, FLAG_SOFTIRQ = 16 };

/* A number in a record, read by one load and a mask; records have FEED_SLACK bytes behind. */
struct number {
	uint64_t mask; /* its bits */
	uint16_t offset;
};

/*
 * number_get - its value in a record of at least the bytes that bind.c has checked; one with a sign
 * has it in its own bits: cast to its type
 */
static inline uint64_t number_get(const uint8_t *rec, const struct number *n)
{
	uint64_t v;

	memcpy(&v, rec + n->offset, sizeof(v));
	return v & n->mask;
}

/* An event of interest as it lies in one file's records. */
struct binding {
	const struct event_row *row;
	struct number number[MODEL_FIELDS];
	struct field field[MODEL_FIELDS];
	uint32_t min_bytes; /* a shorter record is corrupt */
	uint16_t name; /* of an interrupt vector's event */
	bool proves_exit; /* on the host: no vCPU of that CPU is in its guest */
};

struct cpu {
	struct cpu_state *now; /* in the lane; NULL: the file has nothing of this CPU */
	uint16_t irq_stack[IRQ_DEPTH];
	struct lane lane;
	uint64_t last_ts;
	struct thread *thread; /* on it, when known */
	/* guest: the timer interrupt being handled, the timer expiring in it */
	uint64_t timer_irq;
	/* host: when a timer that is not KVM's last expired; in a row, none long after the other */
	uint64_t tick;
	uint32_t ticks, idle_ticks; /* all of them, and those while it was idle */
	struct vcpu *fires; /* host: whose timer expired last here, NULL: none of these */
	uint32_t losses; /* places where events of it are missing */
	uint64_t hrtimer, clock_now, clock_now_ts;
	bool expiring;
};

struct mark {
	uint64_t ts;
	uint32_t cpu; /* of the host */
	bool in_guest; /* it went off as an exit of the guest: the timer counts there only */
};

/* The last marks of a kind, a ring. */
struct marks {
	struct mark ring[MARKS];
	uint64_t n;
};

struct vcpu {
	uint32_t tid; /* 0: not known yet */
	struct vcpu_state *now; /* in the lane */
	struct lane lane;
	uint32_t id; /* KVM's number of it, once an entry has told */
	bool id_known;
	uint64_t hrtimer, armed_now; /* KVM's timer for it; started since the last exit */
	struct marks programmed; /* the guest's deadline has reached KVM */
	struct marks fired; /* its timer went off on the host */
	struct marks accepted; /* its virtual APIC has the timer's interrupt pending */
	struct marks injected; /* its timer's interrupt was given to the guest */
	struct marks
		posted; /* or left to the CPU, which gives it when the guest lets interrupts in */
	struct marks window; /* exits because the guest had let interrupts in at last */
	bool woken; /* on its CPU still, about to leave it: it will not sleep */
	struct clock_bound bound;
};

/* KVM's number of a vCPU and its thread. QEMU makes it the APIC id: there may be holes. */
struct vcpu_name {
	uint32_t id, tid;
};

struct timer {
	uint64_t hrtimer, armed;
	int64_t due; /* guest clock, ns */
	uint32_t cpu; /* of the guest, which started it */
};

/* A guest thread whose wake-ups are measured, and the milestones of the one under way. */
struct sampler {
	struct thread *thread;
	bool pending, running; /* woken and not yet back in its own code; on its CPU */
	uint64_t due, armed, taken, expired, woken, ran; /* host axis */
	uint64_t back; /* it got its CPU again after it was preempted on its way back */
	uint64_t slept, ready; /* it left its CPU last to sleep; it had done all to be woken */
	uint32_t slept_cpu, armed_cpu, timer_cpu, ran_cpu, back_cpu; /* of the guest */
	uint64_t samples, late; /* all, above the threshold */
	uint64_t
		left_out; /* wake-ups of a thread that is not real-time, where only such ones count */
	uint64_t min_ns, max_ns, sum_ns;
};

struct side {
	bool present;
	struct number pid, flags, preempt;
	uint32_t common_bytes;
	struct binding *bindings; /* by event.kind; 0 is unused */
	size_t n_bindings;
	struct cpu *cpus;
	size_t n_cpus;
	struct threads threads;
	struct names names;
	uint64_t lost_gaps; /* places where events are missing */
	uint64_t events, last_ts; /* followed; of the last */
};

struct gap {
	uint64_t from, to;
	bool stall; /* a CPU that had ticked steadily stopped to: the machine stood still */
};

/* What a wake-up passes on its way, in order. */
enum stage {
	STAGE_FIRED,
	STAGE_ACCEPTED,
	STAGE_INJECTED,
	STAGE_TAKEN,
	STAGE_WOKEN,
	STAGE_ON_CPU,
	STAGES,
};

extern const char *const stage_name[STAGES], *const stage_key[STAGES];

/* One late wake-up and its budget. */
struct spike {
	uint64_t due, ran; /* host axis; ran: back in its own code, if that is traced */
	uint64_t latency_ns;
	uint32_t tid, guest_cpu, host_cpu;
	char comm[COMM_BYTES + 1];
	int prio;
	struct budget budget;
	uint64_t stage[STAGES]; /* host axis; UINT64_MAX: not seen */
	uint8_t picture[PICTURE_CELLS]; /* the cause at the middle of each cell of [due, ran] */
};

struct model_opts {
	const char *const *threads; /* names or numbers of the measured threads; NULL: cyclictest */
	size_t n_threads;
	uint64_t threshold_ns;
	bool real_time; /* of those threads, the ones woken with a real-time priority */
	bool vcpus_given; /* no other thread runs a vCPU than those of model_set_vcpu */
	uint8_t timer_vector; /* of the guest's local APIC timer; 0xec in Linux */
	struct clock_rate rate; /* of the axis */
	/* called for each spike; a negative value stops */
	int (*on_spike)(void *arg, struct spike *s, struct err *e);
	void *arg;
};

struct model {
	struct model_opts opts;
	struct side side[SIDES];
	struct vcpu *vcpus; /* by number; as many as the guest has CPUs */
	size_t n_vcpus;
	struct sampler *samplers;
	size_t n_samplers;
	struct timer timers[TIMERS];
	struct gap gaps[GAPS]; /* when no traced host CPU had an event */
	uint64_t n_gaps;
	uint64_t gap_ticks; /* the shortest of them */
	uint64_t tick_ticks, stall_ticks; /* the longest from tick to tick; too long to be one */
	bool windows; /* kvm_entry and kvm_exit are there */
	bool returns; /* the guest's trace tells when clock_nanosleep returns */
	bool fires; /* KVM's timers can be told from others, and their expiry is traced */
	bool tells_timers; /* kvm_hv_timer_state comes, which follows each start of KVM's timer */
	struct vcpu_name
		beyond[VCPUS_BEYOND]; /* entered, but the guest has no CPU of that number */
	size_t n_beyond;
	bool other_guest; /* the host's trace holds another guest, too */
	uint64_t first, now; /* times of the first and of the last event taken in */
	uint64_t host_end; /* of the host's last event once there is none left, else UINT64_MAX */
	struct merge *merge; /* asked whether the host's trace goes on; NULL: it does */
	int failed; /* what on_spike returned */
	struct err *e;
};

/* What an event says: few look at all of it, so a field is read when it is asked for. */
struct said {
	uint64_t ts;
	const struct binding *b;
	const uint8_t *rec;
	uint32_t len;
	uint16_t cpu;
};

/* said - the field at this place in the event's row */
static inline uint64_t said(const struct said *v, unsigned int field)
{
	return number_get(v->rec, &v->b->number[field]);
}

/* said_pid, said_flags, said_preempt - the common fields, of the thread that was on the CPU */
static inline uint32_t said_pid(const struct side *s, const struct said *v)
{
	return number_get(v->rec, &s->pid);
}

static inline uint8_t said_flags(const struct side *s, const struct said *v)
{
	return number_get(v->rec, &s->flags);
}

/* Since Linux 5.16 the upper four bits tell how often migration is off: that keeps nobody waiting. */
static inline uint8_t said_preempt(const struct side *s, const struct said *v)
{
	return number_get(v->rec, &s->preempt) & 0xf;
}

struct event_row {
	const char *system, *name;
	uint8_t sides; /* 1 << HOST | 1 << GUEST */
	void (*take)(struct model *m, struct side *s, struct cpu *c, const struct said *v);
	const char *fields[MODEL_FIELDS]; /* one that begins with '?' may be absent */
};

/*
 * model_init - files[HOST] (NULL: none) and files[GUEST] say which events there are; it marks in
 * them which are wanted. Missing events that nothing can replace are an error that names them.
 */
int model_init(struct model *m, const struct model_opts *o, struct feed_file *host,
	       struct feed_file *guest, struct err *e);
void model_free(struct model *m);

/* model_event - take in the next event; file is HOST or GUEST */
int model_event(struct model *m, const struct event *ev, unsigned int side, struct err *e);

/* model_follow - take in the next n events of m->merge, which merges its files alone: 1, 0 at the end */
int model_follow(struct model *m, uint64_t n, struct err *e);

/* model_set_vcpu - a vCPU's thread, known beforehand */
int model_set_vcpu(struct model *m, unsigned int vcpu, uint32_t tid, struct err *e);

/*
 * The rows of both kernels' CPUs, of the host's KVM and of the guest's timers. Names of vector_rows
 * are endings: each interrupt vector has a pair of events of its own.
 */
extern const struct event_row cpu_rows[], vector_rows[], kvm_rows[], guest_rows[];
extern const size_t n_cpu_rows, n_vector_rows, n_kvm_rows, n_guest_rows;

/* bind_side - find a side's rows in the formats of its file, and mark those events as wanted */
int bind_side(struct side *s, unsigned int which, struct feed_file *file, struct err *e);

/* bind_check - an error that names them when events are missing that nothing can replace */
int bind_check(struct model *m, const struct dat *host, const struct dat *guest, struct err *e);

/* cpu_lost - events are missing on a CPU before this one: its state is known again from here */
void cpu_lost(struct model *m, struct side *s, struct cpu *c, const struct said *v);

/* What the parts of the model share; for cpu.c, kvm.c, guest.c and paint.c. */

/* model_cpu_from, model_vcpu_from - the state from ts on: that before it, to be changed */
static inline struct cpu_state *model_cpu_from(struct cpu *c, uint64_t ts)
{
	return c->now = &lane_push(&c->lane, ts)->cpu;
}

static inline struct vcpu_state *model_vcpu_from(struct vcpu *v, uint64_t ts)
{
	return v->now = &lane_push(&v->lane, ts)->vcpu;
}

/* model_carried_softirq - the one that this thread goes on with on this CPU, or NO_SOFTIRQ */
static inline uint8_t model_carried_softirq(const struct cpu *c, const struct thread *t)
{
	return t && t->losses == c->losses ? t->softirq : NO_SOFTIRQ;
}

struct vcpu *model_vcpu_of(struct model *m, struct side *s, struct cpu *c, uint32_t tid);
void model_note(struct model *m, struct side *s, struct thread *t, const uint8_t *comm);
void model_left_guest(struct vcpu *vcpu, const struct said *v);
void model_marks_add(struct marks *k, uint64_t ts, uint32_t cpu);
const struct mark *model_marks_from(const struct marks *k, uint64_t ts);
const struct mark *model_marks_before(const struct marks *k, uint64_t ts);
void model_vcpu_switch(struct model *m, struct side *s, struct cpu *c, const struct said *v,
		       struct thread *prev, struct thread *next);
void model_woken(struct model *m, struct cpu *c, const struct said *v, struct thread *t);
void model_ran(struct model *m, struct sampler *s, unsigned int cpu, uint64_t ts);
void model_slept(struct model *m, struct sampler *s);
bool model_measured(const struct model *m, const struct thread *t);

/* names_id of the names that each side has from the start */
enum { NAME_LOCAL_TIMER = 1, NAME_NMI = 2 };

/* paint - divide [due, ran] of a sample into the budget of the spike; the parts add up exactly */
void paint(const struct model *m, const struct sampler *s, struct spike *spike);

#endif
