// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cyclic/simulate.h"

enum { PERIOD_NS = 200000, POINTS = 50000 };

static void slice(struct loop_slice *s, uint64_t seed, int cpu, uint64_t n, uint64_t points)
{
	memset(s, 0, sizeof(*s));
	s->start_ns = n * 10000000000ull;
	s->end_ns = s->start_ns + points * PERIOD_NS;
	simulate_slice(seed, cpu, n, PERIOD_NS, s);
}

static void every_point_is_accounted_for(void **state)
{
	static const uint64_t points[] = { 0, 1, 5, 10, 11, 63, 64, 65, 1000, POINTS };
	static struct loop_slice s;
	unsigned int stalls = 0, spikes = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
		for (uint64_t n = 0; n < 2500; n++) {
			slice(&s, 42, i, n, points[i]);
			assert_int_equal(s.hist.count + s.missed, points[i]);
			stalls += s.missed > 0;
			spikes += s.hist.max_ns >= 50000 && !s.missed;
		}
	assert_in_range(stalls, 1, 60);
	assert_in_range(spikes, 50, 250);
}

static void the_same_seed_gives_the_same(void **state)
{
	static struct loop_slice a, b;

	(void)state;
	slice(&a, 7, 3, 11, POINTS);
	slice(&b, 7, 3, 11, POINTS);
	assert_memory_equal(&a.hist, &b.hist, sizeof(a.hist));
	slice(&b, 8, 3, 11, POINTS);
	assert_memory_not_equal(&a.hist, &b.hist, sizeof(a.hist));
	slice(&b, 7, 4, 11, POINTS);
	assert_memory_not_equal(&a.hist, &b.hist, sizeof(a.hist));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_point_is_accounted_for),
		cmocka_unit_test(the_same_seed_gives_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
