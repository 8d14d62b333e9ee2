/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * detector - the threads that spin: made, scheduled, started together, stopped for certain
 *
 * A thread for each watched CPU, pinned to it, SCHED_FIFO, policy and CPU read back from the
 * kernel. They all begin at one TSC instant. A keeper, an ordinary thread on the housekeeping CPUs,
 * extends their lease; a thread whose lease is not extended for DETECTOR_LEASE_S stops by itself,
 * so that a machine cannot be starved by its detector. The supervisor may be held up longer, by a
 * slow disk on a machine that is well; but not for DETECTOR_PATIENCE_S: it may also wait in the
 * kernel for a thread that needs a watched CPU, and only the end of the watch lets that one run.
 */
#ifndef RTKVM_HWLAT_DETECTOR_H
#define RTKVM_HWLAT_DETECTOR_H

#include <pthread.h>

#include "hwlat/options.h"
#include "hwlat/plan.h"
#include "hwlat/spin.h"
#include "hwlat/tsc.h"
#include "lib/cpulist.h"
#include "lib/err.h"

enum { DETECTOR_LEASE_S = 5, DETECTOR_PATIENCE_S = 30 };

enum detector_state {
	DETECTOR_NONE, /* no thread */
	DETECTOR_STARTING,
	DETECTOR_READY, /* set up and calibrated, waits for the start */
	DETECTOR_ENDED, /* its lease ran out */
	DETECTOR_FAILED, /* err says why */
};

struct detector_cpu {
	struct spinner spin;
	int cpu;
	int priority;
	int tid;
	struct spin_speed speed;
	struct err err;
	pthread_t thread;
	bool running; /* there is a thread to join */
	bool rescued; /* it did not get its CPU back and was ended elsewhere */
	_Atomic int state;
	const _Atomic int *go;
};

struct detector {
	unsigned int n;
	struct detector_cpu *cpus;
	uint64_t tsc_hz;
	struct cpulist housekeeping;
	_Atomic int go; /* start_tsc is set */
	pthread_t keeper;
	bool keeping; /* there is a keeper to join */
	_Atomic int keeper_ends;
	_Atomic uint64_t alive_ns; /* the supervisor's last sign of life, CLOCK_MONOTONIC */
	_Atomic int held_up; /* it was patience that ended */
};

/*
 * detector_prepare - make the threads on watched CPUs and wait until all are set up. A threshold
 * the loop cannot resolve, a refused policy or CPU is an error that names it.
 */
int detector_prepare(struct detector *d, const struct plan *plan, const struct hwlat_opts *o,
		     uint64_t tsc_hz, struct err *e);

/* detector_start - begin on all CPUs at one instant, some milliseconds from now; returns it */
uint64_t detector_start(struct detector *d);

/* detector_alive - the supervisor's sign of life, several times a second */
void detector_alive(struct detector *d);

/* detector_why_ended - a clause for the report: why threads stopped by themselves */
const char *detector_why_ended(const struct detector *d);

/* detector_ended - the CPU of a thread that stopped by itself, -1 when all run */
int detector_ended(const struct detector *d);

/* detector_until - all threads watched until this instant; UINT64_MAX: they still do */
uint64_t detector_until(const struct detector *d);

/* detector_horizon - every gap that ended before this instant is in its ring */
uint64_t detector_horizon(const struct detector *d);

/*
 * detector_stop - end and join the threads; rings and counters stay readable. A thread kept off
 * its CPU by a stronger one is moved to a housekeeping CPU to end there: the gap it is in is then
 * recorded up to now.
 */
void detector_stop(struct detector *d);

/* detector_free - stop and release; takes a half-built one */
void detector_free(struct detector *d);

#endif
