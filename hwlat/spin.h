/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * spin - the measurement itself: one thread, one CPU, nothing but the time-stamp counter
 *
 *	for (;;) {
 *		(rest, if that was asked for)
 *		now = rdtsc
 *		if (now - last >= threshold)
 *			remember (last, now)
 *		last = now
 *	}
 *
 * Whoever takes the CPU away (firmware, hypervisor, NMI, interrupt, thread) leaves a gap between
 * two readings. Between gaps the thread makes no system call and touches two cache lines. At a gap
 * it asks the kernel three cheap questions about itself (switched out? faulted? CPU time?) and
 * puts the answer into a ring that another thread empties; the time this takes is counted as blind.
 *
 * rdtsc is used without a fence: two readings in one thread are never seen reversed, and what the
 * processor may reorder around them is a few dozen cycles, far below any threshold.
 */
#ifndef RTKVM_HWLAT_SPIN_H
#define RTKVM_HWLAT_SPIN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the thread itself knows of one gap. */
struct spin_gap {
	uint64_t start_tsc; /* last reading before */
	uint64_t end_tsc; /* first reading after */
	uint64_t since_tsc; /* the kernel was asked last: at the gap before, or after a pause */
	uint64_t ran_ns; /* CPU time of this thread since then, as the kernel accounts it */
	uint32_t preempted; /* involuntary context switches since then */
	uint32_t faults; /* page faults since then */
	bool blind; /* fell into the bookkeeping of the gap before */
};

enum { SPIN_RING = 8192 }; /* a power of two; 10 gaps a millisecond for 0.8 s */

struct spinner {
	/* set by the supervisor before the thread starts */
	uint64_t threshold_tsc; /* gaps of at least this are kept */
	uint64_t start_tsc; /* all threads begin at the same instant */
	uint64_t window_tsc, width_tsc; /* watch width of every window; equal: all the time */
	uint64_t tsc_hz;
	uint64_t step_tsc; /* rest between two readings; 0: none */
	unsigned int pauses; /* how many PAUSE instructions that is; spin_calibrate sets it */
	uint64_t blind_limit_tsc; /* bookkeeping longer than this was itself interrupted */

	/*
	 * The thread spins on while less than lease_tsc. The supervisor extends it; 0 ends the
	 * thread. One that starves its supervisor so stops by itself. What was taken from the
	 * thread since then does not count: in a stall of the whole machine nobody extends it.
	 */
	_Alignas(128) _Atomic uint64_t lease_tsc;
	_Atomic uint32_t tail; /* the supervisor's place in the ring */

	/* written by the thread */
	_Alignas(128) _Atomic uint64_t
		progress_tsc; /* every gap that ended by now is in the ring */
	_Atomic uint32_t head;
	_Atomic uint64_t loops; /* readings so far; updated at gaps and at the end */
	_Atomic uint64_t blind_tsc; /* time spent on bookkeeping */
	_Atomic uint64_t lost; /* gaps that found the ring full */
	_Atomic uint64_t lost_max_tsc; /* the longest of them */
	_Atomic uint64_t quiet_max_tsc; /* the longest step below the threshold since last asked */
	_Atomic uint64_t ended_tsc; /* when it ended; 0: not yet */
	uint64_t watched_tsc; /* time under watch, once the thread has ended */
	uint64_t lease_seen, stalled_tsc; /* the lease, and what gaps took since it was extended */
	uint32_t seen_preempted, seen_faults; /* the thread's counters when it last asked, ... */
	uint64_t seen_cpu_ns, seen_tsc; /* ... and when that was */

	struct spin_gap *ring; /* SPIN_RING entries, the supervisor's to free */
};

/* spin_watch - watch until the lease runs out; everything but scheduling set-up is in here */
void spin_watch(struct spinner *s);

/* spin_take - next gap out of the ring, false when it is empty; for the supervisor */
bool spin_take(struct spinner *s, struct spin_gap *gap);

/* spin_quiet_max - the longest step below the threshold since the last call, in cycles */
uint64_t spin_quiet_max(struct spinner *s);

struct spin_speed {
	double mean_tsc; /* of one iteration, over the quietest of several rounds */
	uint64_t min_tsc; /* the shortest step between two readings */
	uint64_t note_tsc; /* bookkeeping of one gap, the slowest of the quieter half */
};

/* spin_calibrate - set pauses, and tell how fast the loop is on the CPU of the caller; takes some milliseconds */
void spin_calibrate(struct spinner *s, struct spin_speed *speed);

#endif
