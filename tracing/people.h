/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * people - the threads and names of one kernel, kept by number so that states stay small
 */
#ifndef RTKVM_TRACING_PEOPLE_H
#define RTKVM_TRACING_PEOPLE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

enum { COMM_BYTES = 16, NO_INDEX = 0xffff };

struct thread {
	uint32_t tid;
	int32_t prio; /* the kernel's: lower is more urgent, below 100 is real time */
	char comm[COMM_BYTES + 1];
	uint8_t softirq; /* that this thread was running when it was switched out (PREEMPT_RT) */
	uint32_t losses; /* of its CPU at that time: one more, and it may have ended unseen */
	uint16_t vcpu; /* number of the vCPU it runs, or NO_INDEX */
	uint16_t sampler; /* number among the measured threads, or NO_INDEX */
};

struct threads {
	struct thread **slot; /* by hash of the tid, NULL: free */
	size_t room, n; /* room: a power of two */
};

int threads_init(struct threads *t, struct err *e);
void threads_free(struct threads *t);

enum { THREADS_MAX = 1 << 16 };

/* threads_add - for threads_get() alone */
struct thread *threads_add(struct threads *t, uint32_t tid);

/*
 * threads_get - the thread with this tid, new if need be; NULL when there are more than
 * THREADS_MAX or no memory (it is then shown by its number)
 */

static inline struct thread *threads_get(struct threads *t, uint32_t tid)
{
	struct thread *first = t->slot[tid & (t->room - 1)];

	return first && first->tid == tid ? first : threads_add(t, tid);
}

/* threads_find - the same, but only one that is known */
struct thread *threads_find(const struct threads *t, uint32_t tid);

struct names {
	char **text;
	size_t n, last; /* last: index of the one asked for last */
};

/* names_id - the number of a name, new if need be; 0 ("?") when there are too many */
enum { NAMES_MAX = 4096, NAME_BYTES = 32 };
uint16_t names_id(struct names *n, const char *text, size_t len);
const char *names_text(const struct names *n, uint32_t id);
void names_free(struct names *n);

#endif
