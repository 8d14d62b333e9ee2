// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "hwlat/gap.h"
#include "lib/cleanup.h"

enum { NEAR = 50, MAX = 16 };

struct row {
	int cpu;
	uint64_t start, end;
	int event; /* the same number: one event; 0: alone */
	unsigned int cpus;
};

static size_t fill(struct gap *gaps, const struct row *rows, size_t n)
{
	memset(gaps, 0, MAX * sizeof(*gaps));
	for (size_t i = 0; i < n; i++)
		gaps[i] = (struct gap){ .cpu = rows[i].cpu,
					.start_tsc = rows[i].start,
					.end_tsc = rows[i].end };
	return n;
}

static void check(const struct row *rows, size_t n)
{
	uint64_t next = 7, number[MAX] = { 0 };
	struct gap gaps[MAX];

	fill(gaps, rows, n);
	gap_group(gaps, n, NEAR, &next);
	for (size_t i = 0; i < n; i++) {
		int event = rows[i].event;

		assert_int_equal(gaps[i].facts.group_cpus, rows[i].cpus);
		if (!event) {
			assert_int_equal(gaps[i].group, 0);
			continue;
		}
		if (!number[event])
			number[event] = gaps[i].group;
		assert_true(gaps[i].group >= 7);
		assert_int_equal(gaps[i].group, number[event]);
	}
	for (int a = 1; a < MAX; a++)
		for (int b = a + 1; b < MAX; b++)
			assert_true(!number[a] || number[a] != number[b]);
}

static void groups(void **state)
{
	static const struct row together[] = { { 2, 1000, 2000, 1, 3 },
					       { 3, 1040, 2100, 1, 3 },
					       { 4, 1080, 1900, 1, 3 } };
	/* an interrupt during another CPU's long gap is no part of it */
	static const struct row inside[] = { { 2, 1000, 9000, 0, 1 },
					     { 3, 3000, 3100, 0, 1 },
					     { 3, 5000, 5100, 0, 1 } };
	/* one of them was away already when the machine stopped */
	static const struct row early[] = { { 2, 1000, 9000, 1, 2 }, { 3, 2500, 9010, 1, 2 } };
	/* both stood still, and one of them had to wait for its CPU before, the other after */
	static const struct row waited[] = { { 2, 1000, 10300, 1, 2 }, { 3, 6500, 10900, 1, 2 } };
	static const struct row quarter[] = { { 2, 1000, 9000, 0, 1 }, { 3, 3000, 5000, 0, 1 } };
	static const struct row half[] = { { 2, 1000, 3000, 0, 1 }, { 3, 2000, 4000, 0, 1 } };
	static const struct row same_cpu[] = { { 2, 1000, 1010, 0, 1 }, { 2, 1020, 1030, 0, 1 } };
	static const struct row two_events[] = { { 2, 1000, 2000, 1, 2 },
						 { 3, 1010, 2000, 1, 2 },
						 { 2, 5000, 6000, 2, 2 },
						 { 3, 5050, 6000, 2, 2 },
						 { 4, 8000, 8500, 0, 1 } };
	/* a CPU with two gaps in it counts once */
	static const struct row split[] = { { 2, 1000, 9000, 1, 2 },
					    { 3, 1010, 1020, 1, 2 },
					    { 3, 1030, 9000, 1, 2 } };

	(void)state;
	check(together, ARRAY_SIZE(together));
	check(inside, ARRAY_SIZE(inside));
	check(early, ARRAY_SIZE(early));
	check(waited, ARRAY_SIZE(waited));
	check(quarter, ARRAY_SIZE(quarter));
	check(half, ARRAY_SIZE(half));
	check(same_cpu, ARRAY_SIZE(same_cpu));
	check(two_events, ARRAY_SIZE(two_events));
	check(split, ARRAY_SIZE(split));
}

static void waits_for_what_may_come(void **state)
{
	static const struct row rows[] = {
		{ 2, 1000, 2000 }, { 3, 1500, 2500 }, { 2, 4000, 5000 }, { 3, 7000, 7100 }
	};
	static const struct {
		uint64_t horizon;
		size_t settled;
	} cases[] = {
		{ 0, 0 },    { 2000, 0 }, { 2550, 0 }, /* the first two hang together */
		{ 2551, 2 }, { 5050, 2 }, { 5051, 3 }, { 7150, 3 }, { 7151, 4 }, { UINT64_MAX, 4 },
	};
	struct gap gaps[MAX];

	(void)state;
	fill(gaps, rows, ARRAY_SIZE(rows));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(gap_settled(gaps, ARRAY_SIZE(rows), cases[i].horizon, NEAR),
				 cases[i].settled);
	assert_int_equal(gap_settled(gaps, 0, 100, NEAR), 0);
}

static void sorts(void **state)
{
	static const struct row rows[] = { { 3, 500, 600 }, { 2, 500, 600 }, { 9, 100, 700 } };
	struct gap gaps[MAX];

	(void)state;
	fill(gaps, rows, ARRAY_SIZE(rows));
	gap_sort(gaps, ARRAY_SIZE(rows));
	assert_int_equal(gaps[0].cpu, 9);
	assert_int_equal(gaps[1].cpu, 2);
	assert_int_equal(gaps[2].cpu, 3);
}

/* Two watched CPUs, by trace; of each gap the kernel explains so much. */
static void judge(struct gap *gaps, const struct row *rows, const uint64_t *explained, size_t n)
{
	uint64_t next = 1;

	fill(gaps, rows, n);
	for (size_t i = 0; i < n; i++) {
		gaps[i].facts = (struct culprit_facts){ .gap_ns = rows[i].end - rows[i].start,
							.threshold_ns = 10,
							.trace = true,
							.watched_cpus = 2,
							.n_parts = explained[i] > 0 };
		gaps[i].facts.parts[0] = (struct culprit_part){ .kind = CULPRIT_IRQ,
								.name = "LOC",
								.ns = explained[i] };
	}
	gap_group(gaps, n, NEAR, &next);
	gap_judge(gaps, n);
}

/*
 * One CPU was in an interrupt handler when the machine stopped, and so seems to have been in it all
 * the time: still one event of the platform, as both stood still for the same time.
 */
static void judges_a_group_as_one(void **state)
{
	static const struct row rows[] = { { 2, 1000, 9000 }, { 3, 1010, 9000 } };
	struct gap gaps[MAX];

	(void)state;
	judge(gaps, rows, (uint64_t[]){ 0, 7990 }, ARRAY_SIZE(rows));
	assert_int_equal(gaps[0].facts.still_unexplained, 1);
	assert_int_equal(gaps[0].cause.kind, CULPRIT_PLATFORM);
	assert_int_equal(gaps[1].cause.kind, CULPRIT_PLATFORM);
}

/* A long gap that is explained, and a short one beside it: each has its own cause. */
static void near_is_not_together(void **state)
{
	static const struct row rows[] = { { 2, 1000, 41000 }, { 3, 1020, 1035 } };
	struct gap gaps[MAX];

	(void)state;
	judge(gaps, rows, (uint64_t[]){ 39900, 0 }, ARRAY_SIZE(rows));
	assert_int_equal(gaps[0].facts.group_cpus, 2);
	assert_int_equal(gaps[0].cause.kind, CULPRIT_IRQ);
	assert_int_equal(gaps[1].cause.kind, CULPRIT_HARDWARE);
}

/* Two gaps of one CPU are one witness: not half of the CPUs stood still without a reason. */
static void counts_cpus_not_gaps(void **state)
{
	static const struct row rows[] = { { 2, 1000, 1100 },
					   { 3, 1005, 1105 },
					   { 4, 1010, 1030 },
					   { 4, 1040, 1060 },
					   { 5, 1010, 1110 } };
	struct gap gaps[MAX];

	(void)state;
	judge(gaps, rows, (uint64_t[]){ 90, 90, 0, 0, 90 }, ARRAY_SIZE(rows));
	assert_int_equal(gaps[0].cause.kind, CULPRIT_IRQ);
	assert_int_equal(gaps[2].facts.still_unexplained, 1);
	assert_int_equal(gaps[2].facts.still_cpus, 1);
	assert_int_equal(gaps[2].cause.kind, CULPRIT_HARDWARE);
}

/* An NMI that was sent to all CPUs is named as what it is. */
static void nmis_are_no_platform_event(void **state)
{
	static const struct row rows[] = { { 2, 1000, 9000 }, { 3, 1010, 9000 } };
	struct gap gaps[MAX];
	uint64_t next = 1;

	(void)state;
	fill(gaps, rows, ARRAY_SIZE(rows));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		gaps[i].facts = (struct culprit_facts){ .gap_ns = 8000,
							.threshold_ns = 100,
							.trace = true,
							.watched_cpus = 2,
							.nmi_events = 3 };
	gap_group(gaps, ARRAY_SIZE(rows), NEAR, &next);
	gap_judge(gaps, ARRAY_SIZE(rows));
	assert_int_equal(gaps[0].cause.kind, CULPRIT_NMI);
	assert_int_equal(gaps[1].cause.kind, CULPRIT_NMI);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups),
		cmocka_unit_test(waits_for_what_may_come),
		cmocka_unit_test(sorts),
		cmocka_unit_test(judges_a_group_as_one),
		cmocka_unit_test(near_is_not_together),
		cmocka_unit_test(counts_cpus_not_gaps),
		cmocka_unit_test(nmis_are_no_platform_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
