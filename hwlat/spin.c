// SPDX-License-Identifier: GPL-2.0-only
#include "hwlat/spin.h"

#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <x86intrin.h>

/* A plain add is enough: one writer, and readers want a recent value, not an exact one. */
static void bump(_Atomic uint64_t *counter, uint64_t by)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
			      memory_order_relaxed);
}

static void raise_to(_Atomic uint64_t *max, uint64_t value)
{
	if (value > atomic_load_explicit(max, memory_order_relaxed))
		atomic_store_explicit(max, value, memory_order_relaxed);
}

/* What the kernel counts for this thread: two calls, a few hundred nanoseconds, once a gap. */
static void ask_kernel(struct spinner *s, struct spin_gap *gap)
{
	struct rusage ru;
	struct timespec ts;
	uint64_t cpu_ns;
	uint32_t faults;

	getrusage(RUSAGE_THREAD, &ru);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	faults = ru.ru_minflt + ru.ru_majflt;
	cpu_ns = ts.tv_sec * 1000000000ull + ts.tv_nsec;
	gap->since_tsc = s->seen_tsc;
	gap->ran_ns = cpu_ns - s->seen_cpu_ns;
	gap->preempted = (uint32_t)ru.ru_nivcsw - s->seen_preempted;
	gap->faults = faults - s->seen_faults;
	s->seen_preempted = ru.ru_nivcsw;
	s->seen_faults = faults;
	s->seen_cpu_ns = cpu_ns;
	s->seen_tsc = __rdtsc();
}

static void put(struct spinner *s, const struct spin_gap *gap)
{
	uint32_t head = atomic_load_explicit(&s->head, memory_order_relaxed);

	if (head - atomic_load_explicit(&s->tail, memory_order_acquire) == SPIN_RING) {
		bump(&s->lost, 1);
		raise_to(&s->lost_max_tsc, gap->end_tsc - gap->start_tsc);
		return;
	}
	s->ring[head % SPIN_RING] = *gap;
	atomic_store_explicit(&s->head, head + 1, memory_order_release);
}

bool spin_take(struct spinner *s, struct spin_gap *gap)
{
	uint32_t tail = atomic_load_explicit(&s->tail, memory_order_relaxed);

	if (tail == atomic_load_explicit(&s->head, memory_order_acquire))
		return false;
	*gap = s->ring[tail % SPIN_RING];
	atomic_store_explicit(&s->tail, tail + 1, memory_order_release);
	return true;
}

uint64_t spin_quiet_max(struct spinner *s)
{
	return atomic_exchange_explicit(&s->quiet_max_tsc, 0, memory_order_relaxed);
}

/*
 * Keep one gap and return the reading from which to go on. Bookkeeping that takes much longer than
 * it can was interrupted in its turn: that is a gap too.
 */
static uint64_t note(struct spinner *s, uint64_t start, uint64_t end)
{
	struct spin_gap gap = { .start_tsc = start, .end_tsc = end };
	uint64_t now, took;

	for (;;) {
		ask_kernel(s, &gap);
		put(s, &gap);
		now = __rdtsc();
		took = now - gap.end_tsc;
		if (took < s->threshold_tsc || took < s->blind_limit_tsc)
			break;
		gap.start_tsc = gap.end_tsc;
		gap.end_tsc = now;
		gap.blind = true;
	}
	bump(&s->blind_tsc, took);
	atomic_store_explicit(&s->progress_tsc, now, memory_order_release);
	return now;
}

static uint64_t lease(struct spinner *s)
{
	uint64_t until = atomic_load_explicit(&s->lease_tsc, memory_order_relaxed);

	if (until != s->lease_seen) {
		s->lease_seen = until;
		s->stalled_tsc = 0;
	}
	return until;
}

static bool leased(struct spinner *s, uint64_t now)
{
	uint64_t until = lease(s);

	return now - s->stalled_tsc < until;
}

static void stalled(struct spinner *s, uint64_t by)
{
	lease(s);
	s->stalled_tsc += by;
}

/* Leaves the core to a sibling, and an emulator's clock lock to the other CPUs. */
static inline void rest(unsigned int pauses)
{
	while (pauses--)
		_mm_pause();
}

static void watch_until(struct spinner *s, uint64_t until)
{
	const uint64_t threshold = s->threshold_tsc;
	const unsigned int pauses = s->pauses;
	uint64_t first = __rdtsc(), last = first, now = first;
	uint64_t loops = 0, step;

	for (;; loops++) {
		rest(pauses);
		now = __rdtsc();
		step = now - last;
		if (__builtin_expect(step >= threshold, 0)) {
			stalled(s, step);
			last = note(s, last, now);
		} else {
			raise_to(&s->quiet_max_tsc, step);
			last = now;
			atomic_store_explicit(&s->progress_tsc, now, memory_order_release);
		}
		if (now >= until || !leased(s, now))
			break;
	}
	now = __rdtsc(); /* the CPU may have been taken between the last reading and the end */
	if (now - last >= threshold) {
		stalled(s, now - last);
		last = note(s, last, now);
	}
	bump(&s->loops, loops + 1);
	s->watched_tsc += last - first;
}

/* In short steps: a stop has to end the pause too. */
static void pause_until(struct spinner *s, uint64_t until)
{
	uint64_t now = __rdtsc();

	while (now < until && leased(s, now)) {
		double ns = (until - now) * 1e9 / s->tsc_hz;
		struct timespec ts = { .tv_nsec = ns < 50e6 ? ns : 50e6 };
		uint64_t due = now + ts.tv_nsec * (s->tsc_hz / 1e9);

		clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
		now = __rdtsc();
		if (now > due && now - due >= s->threshold_tsc)
			stalled(s, now - due);
	}
}

void spin_watch(struct spinner *s)
{
	struct spin_gap start = { 0 };
	uint64_t window = s->start_tsc;

	ask_kernel(s, &start);
	while (__rdtsc() < s->start_tsc)
		_mm_pause();
	if (s->width_tsc == s->window_tsc)
		watch_until(s, UINT64_MAX);
	while (leased(s, __rdtsc())) {
		watch_until(s, window + s->width_tsc);
		atomic_store_explicit(&s->progress_tsc, UINT64_MAX, memory_order_release);
		window += s->window_tsc;
		pause_until(s, window);
		ask_kernel(s, &start); /* what happened in the pause is no gap's */
	}
	atomic_store(&s->ended_tsc, __rdtsc());
	atomic_store_explicit(&s->progress_tsc, UINT64_MAX, memory_order_release);
}

enum { ROUNDS = 32, ROUND_LOOPS = 500, ROUND_RESTS = 20, PAUSES = 100 };

static uint64_t time_round(struct spinner *s, int loops, uint64_t *min)
{
	uint64_t first = __rdtsc(), last = first, now;

	for (int i = 0; i < loops; i++) {
		rest(s->pauses);
		now = __rdtsc();
		if (now - last < *min)
			*min = now - last;
		last = now;
		atomic_store_explicit(&s->progress_tsc, now, memory_order_release);
		if (now >= atomic_load_explicit(&s->lease_tsc, memory_order_relaxed))
			break;
	}
	return last - first;
}

/* The quickest of some rounds: a slower one was interrupted. */
static unsigned int pauses_in(uint64_t step_tsc)
{
	uint64_t best = UINT64_MAX, from, took;

	if (!step_tsc)
		return 0;
	for (int i = 0; i < ROUNDS; i++) {
		from = __rdtsc();
		rest(PAUSES);
		took = __rdtsc() - from;
		if (took < best)
			best = took;
	}
	return step_tsc * PAUSES / (best + 1);
}

void spin_calibrate(struct spinner *s, struct spin_speed *speed)
{
	int loops = s->step_tsc ? ROUND_RESTS : ROUND_LOOPS; /* rests take long */
	uint64_t best = UINT64_MAX, notes[ROUNDS] = { 0 }, from;

	s->pauses = pauses_in(s->step_tsc);
	*speed = (struct spin_speed){ .min_tsc = UINT64_MAX };
	atomic_store(&s->lease_tsc, UINT64_MAX);
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t took = time_round(s, loops, &speed->min_tsc);
		struct spin_gap gap = { 0 };
		int at = i;

		if (took < best)
			best = took;
		from = __rdtsc();
		ask_kernel(s, &gap);
		took = __rdtsc() - from;
		for (; at && notes[at - 1] > took; at--)
			notes[at] = notes[at - 1];
		notes[at] = took;
	}
	speed->mean_tsc = (double)best / loops;
	speed->note_tsc = notes[ROUNDS / 2];
}
