// SPDX-License-Identifier: GPL-2.0-only
/* Calls clock_nanosleep, clock_gettime and one write() a run, nothing else: tests/e2e/sample.t. */
#include "cyclic/loop.h"

#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

enum { SEC_NS = 1000000000 };

static uint64_t sleep_until(uint64_t ns)
{
	struct timespec ts = { .tv_sec = ns / SEC_NS, .tv_nsec = ns % SEC_NS };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL))
		; /* a signal; they are blocked here, a debugger's are not */
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SEC_NS + ts.tv_nsec;
}

static void note_spike(struct loop *l, struct loop_spike spike)
{
	uint32_t in = atomic_load_explicit(&l->spikes_in, memory_order_relaxed);

	if (l->freeze_fd >= 0) {
		if (write(l->freeze_fd, "0", 1) == 1)
			l->freeze_fd = -1;
	}
	if (in - atomic_load_explicit(&l->spikes_out, memory_order_acquire) >= LOOP_SPIKES) {
		atomic_fetch_add_explicit(&l->spikes_lost, 1, memory_order_relaxed);
		return;
	}
	l->spike[in % LOOP_SPIKES] = spike;
	atomic_store_explicit(&l->spikes_in, in + 1, memory_order_release);
}

/* The other slice, if the collector has given it back; else go on with this one. */
static struct loop_slice *turn(struct loop *l, struct loop_slice *s)
{
	uint32_t filled = atomic_load_explicit(&l->filled, memory_order_relaxed);
	struct loop_slice *next = &l->slice[(filled + 1) % LOOP_SLICES];

	if (atomic_load_explicit(&l->emptied, memory_order_acquire) != filled)
		return s;
	next->start_ns = next->end_ns = s->end_ns;
	atomic_store_explicit(&l->filled, filled + 1, memory_order_release);
	return next;
}

void loop_run(struct loop *l)
{
	struct loop_slice *s = &l->slice[0];
	uint64_t next = l->start_ns, slice_end = next + l->slice_ns;

	s->start_ns = next;
	while (next < l->stop_ns && !atomic_load_explicit(&l->stop, memory_order_relaxed)) {
		uint64_t now = sleep_until(next), tsc = __rdtsc();
		uint64_t late = now > next ? now - next : 0;
		uint64_t missed = late / l->period_ns;
		uint64_t left = (l->stop_ns - 1 - next) / l->period_ns;

		if (missed > left) /* points from stop_ns on are nobody's */
			missed = left;
		if (late > s->hist.max_ns)
			s->max_at_ns = now;
		hist_add(&s->hist, late);
		s->missed += missed;
		if (late >= l->spike_ns)
			note_spike(l, (struct loop_spike){ now, tsc,
							   (next - l->start_ns) / l->period_ns,
							   late, missed });
		next += (missed + 1) * l->period_ns;
		s->end_ns = next;
		if (next >= slice_end) {
			s = turn(l, s);
			slice_end += l->slice_ns * ((next - slice_end) / l->slice_ns + 1);
		}
	}
}
