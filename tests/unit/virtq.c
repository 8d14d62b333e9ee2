// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/virtio_ring.h>

#include "lib/cleanup.h"
#include "vmm/virtq.h"

enum {
	RAM = 64 << 10,
	SIZE = 4,
	DESC = 0x1000,
	AVAIL = 0x2000,
	USED = 0x3000,
	NEXT = 1,
	WRITE = 2
};

struct guest {
	uint8_t *ram;
	struct memory mem;
	struct virtq q;
};

static int set_up(void **state)
{
	struct guest *g = calloc(1, sizeof(*g));
	struct virtq_place p = { DESC, AVAIL, USED, SIZE };

	g->ram = aligned_alloc(4096, RAM);
	memset(g->ram, 0, RAM);
	g->mem = (struct memory){ .host = g->ram, .bytes = RAM, .low_bytes = RAM };
	assert_int_equal(virtq_open(&g->q, &g->mem, &p), 0);
	*state = g;
	return 0;
}

static int tear_down(void **state)
{
	struct guest *g = *state;

	free(g->ram);
	free(g);
	return 0;
}

static void offer(struct guest *g, uint16_t head)
{
	struct vring_avail *a = (void *)(g->ram + AVAIL);

	a->ring[a->idx++ % SIZE] = head;
}

static void describe(struct guest *g, int n, const struct vring_desc *d)
{
	memcpy(g->ram + DESC, d, n * sizeof(*d));
}

static void areas_must_be_aligned_and_in_memory(void **state)
{
	struct guest *g = *state;
	const struct {
		struct virtq_place p;
		int ret;
	} rows[] = {
		{ { DESC, AVAIL, USED, 4 }, 0 },
		{ { DESC, AVAIL, USED, 128 }, 0 },
		{ { DESC, AVAIL, USED, 0 }, -EINVAL },
		{ { DESC, AVAIL, USED, 3 }, -EINVAL },
		{ { DESC, AVAIL, USED, 256 }, -EINVAL },
		{ { DESC + 8, AVAIL, USED, 4 }, -EINVAL },
		{ { DESC, AVAIL + 1, USED, 4 }, -EINVAL },
		{ { DESC, AVAIL, USED + 2, 4 }, -EINVAL },
		{ { RAM, AVAIL, USED, 4 }, -EINVAL },
		{ { RAM - 48, AVAIL, USED, 4 }, -EINVAL },
		{ { RAM - 64, AVAIL, USED, 4 }, 0 },
		{ { DESC, RAM - 12, USED, 4 }, -EINVAL },
		{ { DESC, RAM - 14, USED, 4 }, 0 },
		{ { DESC, AVAIL, RAM - 36, 4 }, -EINVAL },
		{ { DESC, AVAIL, RAM - 40, 4 }, 0 },
		{ { UINT64_MAX - 15, AVAIL, USED, 4 }, -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct virtq q;

		assert_int_equal(virtq_open(&q, &g->mem, &rows[i].p), rows[i].ret);
		assert_int_equal(q.size, rows[i].ret ? 0 : rows[i].p.size);
	}
}

static void a_chain_is_what_the_driver_wrote(void **state)
{
	static const struct vring_desc d[] = {
		{ 0x5000, 16, NEXT, 2 },
		{ 0, 0, 0, 0 },
		{ 0x6000, 0, NEXT, 3 }, /* an empty piece */
		{ 0x7000, 512, WRITE, 0 },
	};
	struct guest *g = *state;
	struct vring_used *used = (void *)(g->ram + USED);
	struct chain c;

	describe(g, 4, d);
	assert_int_equal(virtq_pop(&g->q, &c), 0);
	assert_false(virtq_more(&g->q));
	offer(g, 0);
	assert_true(virtq_more(&g->q));
	assert_int_equal(virtq_pop(&g->q, &c), 1);
	assert_int_equal(c.n_out, 1);
	assert_int_equal(c.n_in, 1);
	assert_int_equal(c.out_bytes, 16);
	assert_int_equal(c.in_bytes, 512);
	assert_ptr_equal(c.out[0].iov_base, g->ram + 0x5000);
	assert_ptr_equal(c.in[0].iov_base, g->ram + 0x7000);
	assert_int_equal(virtq_pop(&g->q, &c), 0);
	virtq_push(&g->q, &c, 513);
	assert_int_equal(used->idx, 1);
	assert_int_equal(used->ring[0].id, 0);
	assert_int_equal(used->ring[0].len, 513);
	virtq_unpop(&g->q);
	assert_int_equal(virtq_pop(&g->q, &c), 1);
}

static void indices_wrap(void **state)
{
	static const struct vring_desc d[] = { { 0x5000, 1, 0, 0 } };
	struct guest *g = *state;
	struct vring_used *used = (void *)(g->ram + USED);
	struct chain c;

	describe(g, 1, d);
	for (uint32_t i = 0; i < 70000; i++) {
		offer(g, 0);
		assert_int_equal(virtq_pop(&g->q, &c), 1);
		virtq_push(&g->q, &c, 0);
	}
	assert_int_equal(used->idx, (uint16_t)70000);
}

static void broken_rules_are_told(void **state)
{
	static const struct {
		const char *what;
		struct vring_desc d[SIZE];
		uint16_t head;
		uint16_t ahead;
	} rows[] = {
		{ "a head that is no descriptor", { { 0 } }, SIZE, 0 },
		{ "a next that is none", { { 0x5000, 1, NEXT, SIZE } }, 0, 0 },
		{ "itself", { { 0x5000, 1, NEXT, 0 } }, 0, 0 },
		{ "a loop", { { 0x5000, 1, NEXT, 1 }, { 0x5000, 1, NEXT, 0 } }, 0, 0 },
		{ "no memory", { { RAM, 1, 0, 0 } }, 0, 0 },
		{ "past the end", { { RAM - 8, 9, 0, 0 } }, 0, 0 },
		{ "a length that wraps", { { UINT64_MAX, 2, 0, 0 } }, 0, 0 },
		{ "all of it", { { 0, UINT32_MAX, WRITE, 0 } }, 0, 0 },
		{ "write, then read",
		  { { 0x5000, 1, WRITE | NEXT, 1 }, { 0x5000, 1, 0, 0 } },
		  0,
		  0 },
		{ "indirect", { { 0x5000, 16, VRING_DESC_F_INDIRECT, 0 } }, 0, 0 },
		{ "more than there is room for", { { 0x5000, 1, 0, 0 } }, 0, SIZE },
	};
	struct virtq_place p = { DESC, AVAIL, USED, SIZE };
	struct guest *g = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vring_avail *a = (void *)(g->ram + AVAIL);
		struct chain c;

		memset(g->ram, 0, RAM);
		assert_int_equal(virtq_open(&g->q, &g->mem, &p), 0);
		describe(g, SIZE, rows[i].d);
		offer(g, rows[i].head);
		a->idx += rows[i].ahead;
		if (virtq_pop(&g->q, &c) != -EINVAL)
			fail_msg("%s passes", rows[i].what);
	}
}

static void pieces_are_taken_from_the_front(void **state)
{
	uint8_t a[3] = { 1, 2, 3 }, b[2] = { 4, 5 }, got[8] = { 0 };
	struct iovec iov[] = { { a, 3 }, { b, 2 } }, *at = iov;
	int n = 2;

	(void)state;
	assert_int_equal(iov_get(&at, &n, got, 4), 4);
	assert_memory_equal(got, "\1\2\3\4", 4);
	assert_int_equal(n, 1);
	assert_int_equal(at->iov_len, 1);
	assert_int_equal(iov_put(&at, &n, "\11\12", 2), 1);
	assert_int_equal(b[1], 9);
	assert_int_equal(n, 0);
	assert_int_equal(iov_get(&at, &n, got, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(areas_must_be_aligned_and_in_memory, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_chain_is_what_the_driver_wrote, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(indices_wrap, set_up, tear_down),
		cmocka_unit_test_setup_teardown(broken_rules_are_told, set_up, tear_down),
		cmocka_unit_test(pieces_are_taken_from_the_front),
	};

	return cmocka_run_group_tests_name("virtq", tests, NULL, NULL);
}
