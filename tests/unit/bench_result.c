// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "vmm/bench.h"

enum { LOOPS = 1000 };

/* A gap result as the payload sends it; tests bend one field at a time. */
struct gap_file {
	struct abi_bench head;
	struct abi_bench_row loop;
	uint64_t loop_bins[2];
	struct abi_bench_row gap;
	uint64_t gap_bins[2];
} __attribute__((packed));

struct fixture {
	struct gap_file rows;
	struct abi_bench_gap gaps[2];
	size_t rows_len, gaps_len;
	bool without_gaps;
};

static void fill(struct fixture *x)
{
	uint32_t a = abi_bench_index(5000), b = abi_bench_index(90000);

	*x = (struct fixture){
		.rows = {
			.head = { ABI_BENCH_MAGIC, 2, 1000000, 3000000 },
			.loop = { ABI_BENCH_LOOP, 2, 0, LOOPS, 40, 50, 0 },
			.loop_bins = { ABI_BENCH_BIN(40, LOOPS - 1), ABI_BENCH_BIN(50, 1) },
			.gap = { ABI_BENCH_GAP, 2, 0, 2, 5000, 90000, 0 },
			.gap_bins = { ABI_BENCH_BIN(a, 1), ABI_BENCH_BIN(b, 1) },
		},
		.gaps = { { 1500000, 5000 }, { 1600000, 90000 } },
		.rows_len = sizeof(x->rows),
		.gaps_len = sizeof(x->gaps),
	};
}

static int parse(struct bench_result *r, const struct fixture *x, struct err *e)
{
	/* allocations of exactly that length: the sanitizer sees a read past the end */
	_cleanup_free_ uint8_t *rows = malloc(x->rows_len + 1), *gaps = malloc(x->gaps_len + 1);
	struct frame_file files[] = { { "rows", rows, x->rows_len },
				      { "gaps", gaps, x->gaps_len } };
	struct frames f = { files, x->without_gaps ? 1 : 2 };

	memcpy(rows, &x->rows, x->rows_len);
	memcpy(gaps, x->gaps, x->gaps_len);
	return bench_result_parse(r, &f, e);
}

static void takes_a_result(void **state)
{
	static struct bench_result r;
	struct err e = { 0 };
	struct fixture x;

	(void)state;
	fill(&x);
	assert_int_equal(parse(&r, &x, &e), 0);
	assert_int_equal(r.n, 2);
	assert_int_equal(r.row[1].head.max, 90000);
	assert_int_equal(r.n_gaps, 2);
	assert_int_equal(r.gap[1].length, 90000);
}

static void refuses_what_does_not_add_up(void **state)
{
	static const struct {
		size_t offset; /* of a 32- or 64-bit field in struct fixture */
		size_t size;
		uint64_t value;
		const char *why;
	} rows[] = {
#define FIELD(f, v, why) { offsetof(struct fixture, f), sizeof(((struct fixture *)0)->f), v, why }
		FIELD(rows.head.magic, 0, "header"),
		FIELD(rows.head.end, 1, "header"),
		FIELD(rows.head.rows, 0, "number of rows"),
		FIELD(rows.head.rows, 3, "within a row"),
		FIELD(rows.head.rows, 1, "behind its rows"),
		FIELD(rows.head.rows, UINT32_MAX, "number of rows"),
		FIELD(rows.loop.kind, ABI_BENCH_KINDS, "unknown kind"),
		FIELD(rows.loop.kind, ABI_BENCH_SPIN, "list of gaps"),
		FIELD(rows.loop.bins, UINT32_MAX, "too many bins"),
		FIELD(rows.gap.bins, 3, "within a histogram"),
		FIELD(rows.loop.n, LOOPS + 1, "add up"),
		FIELD(rows.loop.min, 41, "extremes"),
		FIELD(rows.loop.max, 49, "extremes"),
		FIELD(rows.loop_bins[0], ABI_BENCH_BIN(51, LOOPS - 1), "bins of"),
		FIELD(rows.loop_bins[1], ABI_BENCH_BIN(50, 0), "bins of"),
		FIELD(rows.gap_bins[1], ABI_BENCH_BIN(ABI_BENCH_BINS, 1), "bins of"),
		FIELD(gaps[0].tsc, 999999, "outside its run"),
		FIELD(gaps[0].length, UINT64_MAX, "outside its run"),
		FIELD(gaps[1].tsc, 1500001, "outside its run"),
		FIELD(gaps[1].tsc, 2999999, "outside its run"),
		FIELD(gaps[1].length, 4999, "outside its run"),
		FIELD(gaps_len, sizeof(struct abi_bench_gap), "number of gaps"),
		FIELD(gaps_len, 17, "list of gaps"),
		FIELD(rows_len, 0, "no header"),
		FIELD(rows_len, sizeof(struct abi_bench) + 3, "within a row"),
		FIELD(rows_len, sizeof(struct gap_file) - 1, "within a histogram"),
		FIELD(without_gaps, true, "no list of gaps"),
#undef FIELD
	};
	static struct bench_result r;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		struct fixture x;

		fill(&x);
		memcpy((char *)&x + rows[i].offset, &rows[i].value, rows[i].size);
		assert_int_equal(parse(&r, &x, &e), -EPROTO);
		if (!strstr(e.text, rows[i].why))
			fail_msg("row %zu: %s", i, e.text);
	}
}

static void bins_hold_their_values(void **state)
{
	(void)state;
	for (int bit = 0; bit < 64; bit++)
		for (int d = -1; d <= 1; d++) {
			uint64_t v = (1ull << bit) + d;
			uint32_t i = abi_bench_index(v);

			assert_true(i < ABI_BENCH_BINS);
			assert_true(abi_bench_high(i) >= v);
			assert_true(abi_bench_high(i) - v <= v >> ABI_BENCH_SUB_BITS);
			if (i)
				assert_true(abi_bench_high(i - 1) < v);
		}
	assert_int_equal(abi_bench_index(UINT64_MAX), ABI_BENCH_BINS - 1);
}

static void quantiles_need_samples(void **state)
{
	const uint64_t bins[] = { ABI_BENCH_BIN(10, 900), ABI_BENCH_BIN(20, 90),
				  ABI_BENCH_BIN(abi_bench_index(70000), 10) };
	struct bench_row row = { .head = { .bins = 3, .n = 1000, .min = 10, .max = 70001 },
				 .bins = (const uint8_t *)bins };
	uint64_t v;

	(void)state;
	assert_true(bench_quantile(&row, 0.5, &v));
	assert_int_equal(v, 10);
	assert_true(bench_quantile(&row, 0.99, &v));
	assert_int_equal(v, 20);
	assert_false(bench_quantile(&row, 0.999, &v));
	assert_int_equal(bench_median(&row), 10);
	row.head.bins = row.head.n = 0;
	assert_false(bench_quantile(&row, 0.5, &v));
	assert_int_equal(bench_median(&row), 0);
	assert_int_equal(bench_ns(UINT64_MAX / 2, 2000000), UINT64_MAX / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_a_result),
		cmocka_unit_test(refuses_what_does_not_add_up),
		cmocka_unit_test(bins_hold_their_values),
		cmocka_unit_test(quantiles_need_samples),
	};

	return cmocka_run_group_tests_name("bench_result", tests, NULL, NULL);
}
