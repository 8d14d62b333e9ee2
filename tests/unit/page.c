// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "tracing/page.h"

static const struct page_head head = { 8, 8, 16, 4080 };

struct page {
	uint8_t bytes[4096];
	size_t used;
};

static void begin(struct page *p, uint64_t ts)
{
	memset(p, 0, sizeof(*p));
	memcpy(p->bytes, &ts, 8);
}

static void word(struct page *p, uint32_t w)
{
	memcpy(p->bytes + 16 + p->used, &w, 4);
	p->used += 4;
}

static void record(struct page *p, uint32_t type, uint32_t delta)
{
	word(p, type | delta << 5);
}

static void commit(struct page *p, uint64_t flags)
{
	uint64_t v = p->used | flags;

	memcpy(p->bytes + 8, &v, 8);
}

static void every_kind_of_record(void **state)
{
	struct page_walk w;
	const uint8_t *rec;
	uint64_t lost = 42;
	struct page p;
	uint32_t n;

	(void)state;
	begin(&p, 1ull << 60);
	record(&p, 2, 5); /* 8 bytes */
	word(&p, 1);
	word(&p, 2);
	record(&p, PAGE_TYPE_EXTEND, 1);
	word(&p, 3);
	record(&p, PAGE_TYPE_PADDING, 4); /* discarded: 8 bytes, this word among them */
	word(&p, 8);
	word(&p, 0);
	record(&p, PAGE_TYPE_LONG, 7);
	word(&p, 4 + 7); /* 7 bytes, padded to 8 */
	word(&p, 1);
	word(&p, 2);
	record(&p, PAGE_TYPE_STAMP, 9);
	word(&p, 1u << 20);
	record(&p, 1, 1);
	word(&p, 6);
	record(&p, PAGE_TYPE_PADDING, 0);
	commit(&p, PAGE_MISSED | PAGE_MISSED_STORED);
	memcpy(p.bytes + 16 + p.used, &lost, 8);

	assert_true(page_open(&w, &head, p.bytes, 4096));
	assert_int_equal(w.lost, 42);
	assert_int_equal(page_next(&w, &rec, &n), PAGE_EVENT);
	assert_int_equal(n, 8);
	assert_true(w.ts == (1ull << 60) + 5);
	assert_int_equal(page_next(&w, &rec, &n), PAGE_EVENT);
	assert_int_equal(n, 8);
	assert_true(w.ts == (1ull << 60) + 5 + 1 + (3ull << 27) + 4 + 7);
	assert_int_equal(page_next(&w, &rec, &n), PAGE_EVENT);
	assert_true(w.ts == (1ull << 60) + (1ull << 47) + 9 + 1);
	assert_int_equal(page_next(&w, &rec, &n), PAGE_END);
}

static void stamps_wrap_after_59_bits(void **state)
{
	(void)state;
	assert_true(page_stamp(100, 200) == 200);
	assert_true(page_stamp((1ull << 59) + 100, 200) == (1ull << 59) + 200);
	assert_true(page_stamp((2ull << 59) - 1, 5) == (2ull << 59) + 5);
	/* as the kernel: without a higher bit there is nothing to restore */
	assert_true(page_stamp((1ull << 59) - 1, 5) == 5);
}

static void lies_are_corrupt(void **state)
{
	static const struct {
		uint32_t first, second;
	} rows[] = {
		{ 28, 0 }, /* 112 bytes of 4 */
		{ PAGE_TYPE_LONG, 3 }, /* shorter than its own length */
		{ PAGE_TYPE_LONG, 0xffffffff },
		{ PAGE_TYPE_LONG, 4096 },
		{ PAGE_TYPE_PADDING | 1 << 5, 100 },
	};
	struct page_walk w;
	const uint8_t *rec;
	struct page p;
	uint32_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		begin(&p, 0);
		word(&p, rows[i].first);
		word(&p, rows[i].second);
		commit(&p, 0);
		assert_true(page_open(&w, &head, p.bytes, 4096));
		assert_int_equal(page_next(&w, &rec, &n), PAGE_CORRUPT);
	}
	begin(&p, 0);
	p.used = 4081;
	commit(&p, 0);
	assert_false(page_open(&w, &head, p.bytes, 4096));
	assert_false(page_open(&w, &head, p.bytes, 15));
	p.used = 0;
	commit(&p, 0);
	assert_true(page_open(&w, &head, p.bytes, 16));
	assert_int_equal(page_next(&w, &rec, &n), PAGE_END);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_record),
		cmocka_unit_test(stamps_wrap_after_59_bits),
		cmocka_unit_test(lies_are_corrupt),
	};

	return cmocka_run_group_tests_name("page", tests, NULL, NULL);
}
