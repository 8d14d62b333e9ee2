/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lane - what a CPU or a vCPU did lately: a ring of states, each from its time on until the next
 *
 * Every step holds the whole state, so that the state at any instant within the ring is one
 * binary search away. What is older than the ring is unknown, and said to be.
 */
#ifndef RTKVM_TRACING_LANE_H
#define RTKVM_TRACING_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

enum { NO_SOFTIRQ = 0xff, NOT_IDLE = 0xff };

/* A CPU of the host or of the guest. */
struct cpu_state {
	uint32_t pid; /* thread on the CPU */
	uint16_t irq; /* name of the innermost interrupt, when irqs > 0 */
	uint8_t irqs; /* hard interrupts begun and not ended */
	uint8_t nmi;
	uint8_t softirq; /* vector, or NO_SOFTIRQ */
	uint8_t idle; /* idle state, or NOT_IDLE */
	uint8_t lost; /* events are missing here */
	uint8_t throttled; /* idle although the thread before could have gone on */
	uint8_t preempt; /* preemption depth of what the last interrupt interrupted */
	uint8_t awake; /* an interrupt has come since it went idle: the idle state is left */
};

enum vcpu_sched { VCPU_ON, VCPU_RUNNABLE, VCPU_SLEEPING };
enum vcpu_mode { VCPU_UNKNOWN, VCPU_GUEST, VCPU_EXIT, VCPU_USER };

/* A vCPU's thread on the host. */
struct vcpu_state {
	uint32_t reason; /* of the last exit */
	uint16_t cpu; /* of the host */
	uint8_t sched;
	uint8_t mode;
	uint8_t isa; /* 1 VMX, 2 SVM */
	uint8_t known; /* where it is and what it does has been seen */
};

struct step {
	uint64_t ts;
	union {
		struct cpu_state cpu;
		struct vcpu_state vcpu;
	};
};

struct lane {
	struct step *ring,
		*last; /* last: the newest step; before the first, the state to begin with */
	uint32_t room; /* a power of two */
	uint64_t n; /* steps ever made */
};

/* lane_init - room for a power of two of steps, at least 2; lane_free frees */
int lane_init(struct lane *l, uint32_t room, struct err *e);
void lane_free(struct lane *l);

/*
 * lane_push - a step at ts, the same state as before it, to be changed by the caller; it is the last
 * step itself at the same time, and time never runs backwards
 */
static inline struct step *lane_push(struct lane *l, uint64_t ts)
{
	const struct step *before = l->last;

	if (l->n && ts <= before->ts)
		return l->last;
	l->last = &l->ring[l->n++ & (l->room - 1)];
	*l->last = *before;
	l->last->ts = ts;
	return l->last;
}

/*
 * lane_at - the state at ts; NULL when that is before the ring. *until becomes the time of the
 * next step, UINT64_MAX when there is none (the first one's when NULL is returned).
 */
const struct step *lane_at(const struct lane *l, uint64_t ts, uint64_t *until);

#endif
