// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tracing/cause.h"
#include "tracing/lane.h"

/* More details than places: time is never lost, and every cause keeps a part of its own. */
static void budget_keeps_the_sum(void **state)
{
	struct budget b = { 0 };
	uint64_t sum = 0, by_cause[CAUSE_COUNT] = { 0 }, found[CAUSE_COUNT] = { 0 };

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		for (int c = 0; c < CAUSE_COUNT; c++) {
			budget_add(&b, c, i * 7 % 131, i + c);
			sum += i + c;
			by_cause[c] += i + c;
			assert_true(b.n <= BUDGET_PARTS);
		}
	assert_true(budget_sum(&b) == sum);
	budget_sort(&b);
	for (size_t i = 0; i < b.n; i++) {
		found[b.parts[i].cause] += b.parts[i].ns;
		assert_true(!i || b.parts[i - 1].ns >= b.parts[i].ns);
	}
	assert_memory_equal(found, by_cause, sizeof(found));
}

static void verdict_adds_details_up(void **state)
{
	struct budget b = { 0 };

	(void)state;
	assert_int_equal(budget_verdict(&b), CAUSE_UNEXPLAINED);
	budget_add(&b, CAUSE_HARDWARE, 0, 50);
	budget_add(&b, CAUSE_VMEXIT, 1, 30);
	budget_add(&b, CAUSE_VMEXIT, 2, 30);
	assert_int_equal(budget_verdict(&b), CAUSE_VMEXIT);
}

static void every_cause_has_its_row(void **state)
{
	(void)state;
	for (int c = 0; c < CAUSE_COUNT; c++) {
		assert_non_null(cause_info[c].key);
		assert_non_null(cause_info[c].title);
		assert_true(cause_info[c].letter);
	}
}

static void lane_finds_the_state(void **state)
{
	struct lane l;
	struct err e = { 0 };
	uint64_t until;

	(void)state;
	assert_int_equal(lane_init(&l, 8, &e), 0);
	assert_null(lane_at(&l, 5, &until));
	assert_true(until == UINT64_MAX);
	for (uint32_t i = 1; i <= 20; i++)
		lane_push(&l, i * 10)->cpu.pid = i;
	assert_null(lane_at(&l, 129, &until)); /* 13 to 20 are kept */
	assert_int_equal(until, 130);
	assert_int_equal(lane_at(&l, 130, &until)->cpu.pid, 13);
	assert_int_equal(until, 140);
	assert_int_equal(lane_at(&l, 199, &until)->cpu.pid, 19);
	assert_int_equal(lane_at(&l, 5000, &until)->cpu.pid, 20);
	assert_true(until == UINT64_MAX);
	lane_push(&l, 150)->cpu.pid = 99; /* time does not run backwards: it replaces the last */
	assert_int_equal(lane_at(&l, 200, &until)->cpu.pid, 99);
	lane_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(budget_keeps_the_sum),
		cmocka_unit_test(verdict_adds_details_up),
		cmocka_unit_test(every_cause_has_its_row),
		cmocka_unit_test(lane_finds_the_state),
	};

	return cmocka_run_group_tests_name("cause", tests, NULL, NULL);
}
