// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include "vmm/ring.h"

static void keeps_order_across_many_laps(void **state)
{
	struct err e = { 0 };
	struct ring r = { 0 };
	uint8_t next_in = 0, next_out = 0, buf[8];

	(void)state;
	assert_int_equal(ring_init(&r, 16, &e), 0);
	assert_true(ring_empty(&r));
	for (int round = 0; round < 10000; round++) { /* laps are counted modulo 2^8 */
		uint32_t n = 1 + round % 7;
		size_t got;

		for (uint32_t i = 0; i < n; i++)
			buf[i] = next_in++;
		assert_true(ring_push(&r, buf, n));
		assert_false(ring_empty(&r));
		got = ring_pop(&r, buf, sizeof(buf));
		assert_int_equal(got, n);
		for (size_t i = 0; i < got; i++)
			assert_int_equal(buf[i], next_out++);
	}
	assert_int_equal(ring_pop(&r, buf, sizeof(buf)), 0);
	ring_free(&r);
}

/* A producer that was interrupted in the middle of a record: its first bytes are there already. */
static void a_record_comes_whole_or_not_at_all(void **state)
{
	enum { LAP_1 = 1 << 8 };
	struct err e = { 0 };
	struct ring r = { 0 };
	uint8_t buf[4] = { 0 };

	(void)state;
	assert_int_equal(ring_init(&r, 16, &e), 0);
	assert_false(ring_pop_record(&r, buf, 4));
	atomic_store(&r.head, 4);
	for (int i = 0; i < 3; i++)
		atomic_store(&r.slots[i], LAP_1 | ('a' + i));
	assert_false(ring_pop_record(&r, buf, 4));
	assert_false(ring_empty(&r));
	assert_int_equal(ring_space(&r), 12);
	atomic_store(&r.slots[3], LAP_1 | 'd');
	assert_true(ring_pop_record(&r, buf, 4));
	assert_memory_equal(buf, "abcd", 4);
	assert_true(ring_empty(&r));
	ring_free(&r);
}

static void full_takes_all_or_nothing(void **state)
{
	static const uint8_t zeros[17];
	struct err e = { 0 };
	struct ring r = { 0 };
	uint8_t buf[16];

	(void)state;
	assert_int_equal(ring_init(&r, 16, &e), 0);
	assert_false(ring_push(&r, zeros, 17));
	assert_true(ring_push(&r, zeros, 10));
	assert_int_equal(ring_space(&r), 6);
	assert_false(ring_push(&r, zeros, 7));
	assert_true(ring_push(&r, zeros, 6));
	assert_int_equal(ring_space(&r), 0);
	assert_false(ring_push(&r, zeros, 1));
	assert_int_equal(ring_pop(&r, buf, 4), 4);
	assert_true(ring_push(&r, zeros, 4));
	assert_int_equal(ring_pop(&r, buf, 16), 16);
	ring_free(&r);
}

enum { PRODUCERS = 3, RECORDS = 20000, RECORD = 4 };

struct producer {
	struct ring *r;
	uint8_t id;
};

static void *produce(void *arg)
{
	const struct producer *p = arg;

	for (uint32_t i = 0; i < RECORDS; i++) {
		const uint8_t record[RECORD] = { p->id, i, i >> 8, i >> 16 };

		while (!ring_push(p->r, record, RECORD))
			sched_yield();
	}
	return NULL;
}

/* Records stay whole, none is lost, and each producer's come in its order. */
static void producers_do_not_mix(void **state)
{
	struct producer p[PRODUCERS];
	pthread_t threads[PRODUCERS];
	uint32_t seen[PRODUCERS] = { 0 };
	struct err e = { 0 };
	struct ring r = { 0 };
	uint8_t record[RECORD];
	size_t have = 0;

	(void)state;
	assert_int_equal(ring_init(&r, 64, &e), 0);
	for (int i = 0; i < PRODUCERS; i++) {
		p[i] = (struct producer){ &r, i };
		pthread_create(&threads[i], NULL, produce, &p[i]);
	}
	for (uint32_t n = 0; n < PRODUCERS * RECORDS;) {
		have += ring_pop(&r, record + have, RECORD - have);
		if (have < RECORD) {
			sched_yield();
			continue;
		}
		have = 0;
		n++;
		assert_true(record[0] < PRODUCERS);
		assert_int_equal(record[1] | record[2] << 8 | record[3] << 16, seen[record[0]]++);
	}
	for (int i = 0; i < PRODUCERS; i++)
		pthread_join(threads[i], NULL);
	ring_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_order_across_many_laps),
		cmocka_unit_test(a_record_comes_whole_or_not_at_all),
		cmocka_unit_test(full_takes_all_or_nothing),
		cmocka_unit_test(producers_do_not_mix),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
