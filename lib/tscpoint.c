// SPDX-License-Identifier: GPL-2.0-only
#include "lib/tscpoint.h"

#include <time.h>
#include <x86intrin.h>

#include "lib/clock.h"

enum {
	POINT_TRIES = 16,
	MEASURE_NS = 50000000,
	MEASURE_ROUNDS = 20, /* at most, ... */
	MEASURE_PPM = 10, /* ... as many as it takes for reading the clocks to matter no more */
};

static uint64_t raw_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

void tsc_point(struct tsc_point *p)
{
	p->error_tsc = UINT64_MAX;
	for (int i = 0; i < POINT_TRIES; i++) {
		uint64_t before = __rdtsc();
		struct tsc_point q = { .raw_ns = raw_ns(),
				       .mono_ns = clock_now_ns(),
				       .wall_ns = clock_wall_ns() };
		uint64_t after = __rdtsc();

		q.tsc = before + (after - before) / 2;
		q.error_tsc = (after - before) / 2;
		if (q.error_tsc < p->error_tsc)
			*p = q;
	}
}

uint64_t tsc_measured_hz(void)
{
	struct tsc_point a, b;
	int round = 0;

	tsc_point(&a);
	do {
		clock_sleep_until(a.mono_ns + ++round * (uint64_t)MEASURE_NS);
		tsc_point(&b);
	} while (round < MEASURE_ROUNDS &&
		 (a.error_tsc + b.error_tsc) * 1000000 > (b.tsc - a.tsc) * MEASURE_PPM);
	if (b.raw_ns <= a.raw_ns)
		return 0;
	return (unsigned __int128)(b.tsc - a.tsc) * NSEC_PER_SEC / (b.raw_ns - a.raw_ns);
}
