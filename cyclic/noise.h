/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * noise - load beside a measurement, with proof that it ran
 *
 * Each worker is a process of its own, pinned to one CPU, that dies with its parent. It counts what
 * it has done in a page that it shares with the parent; the parent prints the count of each
 * interval as a JSON line. A worker that ends or does nothing is a finding, not silence.
 */
#ifndef RTKVM_CYCLIC_NOISE_H
#define RTKVM_CYCLIC_NOISE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/cpulist.h"
#include "lib/err.h"

/* Shared with the parent: one a worker, on a cache line of its own. */
struct noise_proof {
	_Atomic uint64_t done;
	struct err error; /* why the worker gave up */
} __attribute__((aligned(64)));

struct noise_worker {
	struct cpulist cpus; /* all CPUs of the load */
	int cpu; /* the worker's own; -1: all of them */
	const char *dir; /* where it may write; NULL: nowhere */
	struct noise_proof *proof;
};

struct noise_kind {
	const char *name;
	const char *unit; /* what one of its counts is, in the plural */
	const char *help;
	bool one_worker; /* one for all CPUs instead of one a CPU */
	bool needs_dir;
	int min_cpus;
	/* work - until killed; returns only to give up, with e set */
	int (*work)(struct noise_worker *w, struct err *e);
	const char *const *command; /* for noise_rounds: run again and again, one count a run */
};

/* noise_kinds - all kinds, ended by one without a name */
extern const struct noise_kind noise_kinds[];

/* noise_find - the kind of that name; NULL: there is none */
const struct noise_kind *noise_find(const char *name);

/* noise_count - one more done (or n) */
static inline void noise_count(struct noise_worker *w, uint64_t n)
{
	atomic_fetch_add_explicit(&w->proof->done, n, memory_order_relaxed);
}

/* The bodies; each as struct noise_kind's work. */
int noise_fork(struct noise_worker *w, struct err *e);
int noise_signal(struct noise_worker *w, struct err *e);
int noise_memory(struct noise_worker *w, struct err *e);
int noise_timer(struct noise_worker *w, struct err *e);
int noise_ipi(struct noise_worker *w, struct err *e);
int noise_disk(struct noise_worker *w, struct err *e);
int noise_compile(struct noise_worker *w, struct err *e);
int noise_net(struct noise_worker *w, struct err *e);
int noise_vm(struct noise_worker *w, struct err *e);

/* noise_rounds - run a program to its end, again and again; a failing one gives up */
int noise_rounds(struct noise_worker *w, const char *const *argv, struct err *e);

/* The running load, seen from the parent. */
struct noise {
	const struct noise_kind *kind;
	struct noise_proof *proofs; /* shared memory */
	pid_t *pids; /* 0: ended */
	size_t n;
};

/* noise_start - start the workers; dir may be NULL where the kind needs none */
int noise_start(struct noise *n, const struct noise_kind *kind, const struct cpulist *cpus,
		const char *dir, struct err *e);

/* noise_done - counts of all workers since the start */
uint64_t noise_done(const struct noise *n);

/* noise_alive - are all workers still running? -ECHILD names the one that is not, and why */
int noise_alive(struct noise *n, struct err *e);

/* noise_end - kill the workers and all they started; accepts a load that failed to start */
void noise_end(struct noise *n);

#endif
