/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * breakoff - a cyclictest that ends itself at its first late wake-up, as asked (its option -b)
 *
 * That is cyclictest's only way to tell of one while a trace still holds it: all its threads stop,
 * and what was measured before counts. It says which thread and how late in its text alone; JSON and
 * exit code are those of a whole run (rt-tests src/cyclictest/cyclictest.c, timerthread and main).
 */
#ifndef RTKVM_CYCLIC_BREAKOFF_H
#define RTKVM_CYCLIC_BREAKOFF_H

#include <stddef.h>
#include <stdint.h>

#include "results/record.h"

/* cyclictest takes whole microseconds, and 0 for none. */
enum { BREAKOFF_LEAST_NS = 2000, BREAKOFF_MOST_S = 1000 };

struct breakoff {
	uint64_t
		late_ns; /* rounded down to microseconds, as cyclictest does; 0: it did not break off */
	size_t thread; /* its number; SIZE_MAX: cyclictest lists none with that id */
	int cpu; /* of that thread; -1: breakoff_count has not told yet */
};

/* breakoff_option - the value for -b, which lets it end at a wake-up at least spike_ns late */
uint64_t breakoff_option(uint64_t spike_ns);

/* breakoff_read - from cyclictest's text, len bytes that may come from a guest */
void breakoff_read(struct breakoff *b, const char *text, size_t len);

/*
 * breakoff_check - can it be? -EPROTO when it is less late than spike_ns, at which cyclictest was to break
 * off, or later than its whole job took (job_ns; 0: not known)
 */
int breakoff_check(const struct breakoff *b, uint64_t spike_ns, uint64_t job_ns, struct err *e);

/*
 * breakoff_count - see that the late wake-up is in its thread's histogram: cyclictest writes its JSON
 * while threads may still run, and one that was held up again has not counted it then. Tells the CPU;
 * -EPROTO: no thread can have been so late
 */
int breakoff_count(struct breakoff *b, struct rttests *r, struct err *e);

/*
 * breakoff_spike - the line for it in a finished run's spikes.jsonl, dated by what rtkvm trace explain
 * wrote there of it, else by wall_ns, when cyclictest was known to have ended
 */
int breakoff_spike(const struct breakoff *b, struct run *run, int host_cpu, uint64_t wall_ns,
		   struct err *e);

#endif
