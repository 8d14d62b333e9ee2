// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "vmm/bench.h"

/* What is left of the file. */
struct cursor {
	const uint8_t *at;
	size_t left;
};

static const uint8_t *take(struct cursor *c, size_t len)
{
	const uint8_t *at = c->at;

	if (len > c->left)
		return NULL;
	c->at += len;
	c->left -= len;
	return at;
}

static int bad(struct err *e, const char *what)
{
	return err_set(e, -EPROTO, "the payload's result is damaged: %s", what);
}

const char *bench_row_name(const struct bench_row *row)
{
	static const char *const names[ABI_BENCH_KINDS] = {
		[ABI_BENCH_LOOP] = "loop",
		[ABI_BENCH_GAP] = "gap",
		[ABI_BENCH_HLT] = "hlt",
		[ABI_BENCH_SPIN] = "spin",
		[ABI_BENCH_NOTHING] = "nothing",
		[ABI_BENCH_CPUID] = "cpuid",
		[ABI_BENCH_PORT] = "port",
		[ABI_BENCH_MMIO] = "mmio",
		[ABI_BENCH_HYPERCALL] = "hypercall",
		[ABI_BENCH_RDMSR] = "rdmsr",
		[ABI_BENCH_SELF_IPI] = "self-ipi",
		[ABI_BENCH_EOI] = "eoi",
		[ABI_BENCH_DEADLINE] = "deadline",
	};

	return names[row->head.kind];
}

void bench_bin(const struct bench_row *row, size_t i, uint32_t *index, uint64_t *count)
{
	uint64_t bin;

	memcpy(&bin, row->bins + i * sizeof(bin), sizeof(bin));
	*index = bin >> ABI_BENCH_COUNT_BITS;
	*count = bin & ((1ull << ABI_BENCH_COUNT_BITS) - 1);
}

/* The bins are ascending, none is empty, and they hold n samples from min to max. */
static int check_bins(const struct bench_row *row, struct err *e)
{
	const struct abi_bench_row *h = &row->head;
	uint32_t index = 0, first = 0, last = 0;
	uint64_t count, sum = 0;

	for (size_t i = 0; i < h->bins; i++) {
		bench_bin(row, i, &index, &count);
		if (index >= ABI_BENCH_BINS || !count || (i && index <= last))
			return bad(e, "the bins of a histogram");
		first = i ? first : index;
		last = index;
		sum += count; /* at most ABI_BENCH_BINS * 2^48: no overflow */
	}
	if (sum != h->n)
		return bad(e, "a histogram that does not add up");
	if (h->n ? abi_bench_index(h->min) != first || abi_bench_index(h->max) != last ||
			    h->min > h->max
		 : h->min || h->max)
		return bad(e, "the extremes of a histogram");
	return 0;
}

static int parse_row(struct bench_row *row, struct cursor *c, struct err *e)
{
	const uint8_t *head = take(c, sizeof(row->head));

	if (!head)
		return bad(e, "it ends within a row");
	memcpy(&row->head, head, sizeof(row->head));
	if (row->head.kind >= ABI_BENCH_KINDS)
		return bad(e, "a row of an unknown kind");
	if (row->head.bins > ABI_BENCH_BINS)
		return bad(e, "a row with too many bins");
	row->bins = take(c, row->head.bins * sizeof(uint64_t));
	if (!row->bins)
		return bad(e, "it ends within a histogram");
	return check_bins(row, e);
}

static int parse_rows(struct bench_result *r, struct cursor c, struct err *e)
{
	const uint8_t *at = take(&c, sizeof(struct abi_bench));
	struct abi_bench head;
	int ret = 0;

	if (!at)
		return bad(e, "it has no header");
	memcpy(&head, at, sizeof(head));
	if (head.magic != ABI_BENCH_MAGIC || head.end < head.start)
		return bad(e, "its header");
	if (!head.rows || head.rows > BENCH_ROWS)
		return bad(e, "the number of rows");
	r->start = head.start;
	r->end = head.end;
	for (; !ret && r->n < head.rows; r->n++)
		ret = parse_row(&r->row[r->n], &c, e);
	if (!ret && c.left)
		ret = bad(e, "bytes behind its rows");
	return ret;
}

static const struct bench_row *find(const struct bench_result *r, uint32_t kind)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->row[i].head.kind == kind)
			return &r->row[i];
	return NULL;
}

/* The list holds the first gaps of those that the histogram counts. */
static int parse_gaps(struct bench_result *r, struct cursor c, struct err *e)
{
	const struct bench_row *row = find(r, ABI_BENCH_GAP);
	uint64_t before = r->start;

	if (!row || !find(r, ABI_BENCH_LOOP) || c.left % sizeof(r->gap[0]) ||
	    c.left > sizeof(r->gap))
		return bad(e, "the list of gaps");
	r->n_gaps = c.left / sizeof(r->gap[0]);
	memcpy(r->gap, c.at, c.left);
	if (r->n_gaps != (row->head.n < BENCH_GAPS ? row->head.n : BENCH_GAPS))
		return bad(e, "the number of gaps");
	for (size_t i = 0; i < r->n_gaps; i++) {
		const struct abi_bench_gap *g = &r->gap[i];

		if (g->tsc < before || g->tsc > r->end || g->length > r->end - g->tsc ||
		    g->length < row->head.min || g->length > row->head.max)
			return bad(e, "a gap outside its run");
		before = g->tsc + g->length;
	}
	return 0;
}

int bench_result_parse(struct bench_result *r, const struct frames *f, struct err *e)
{
	const struct frame_file *rows = frames_find(f, "rows"), *gaps = frames_find(f, "gaps");
	int ret;

	memset(r, 0, sizeof(*r));
	if (!rows)
		return bad(e, "it has no rows");
	ret = parse_rows(r, (struct cursor){ rows->data, rows->len }, e);
	if (!ret && gaps)
		return parse_gaps(r, (struct cursor){ gaps->data, gaps->len }, e);
	if (!ret && find(r, ABI_BENCH_GAP))
		return bad(e, "it has no list of gaps");
	return ret;
}

/* The value of the rank-th smallest sample (1..n): its bin's upper edge, within what is exact. */
static uint64_t at_rank(const struct bench_row *row, uint64_t rank)
{
	uint64_t seen = 0, count, high;
	uint32_t index;

	for (size_t i = 0; i < row->head.bins; i++) {
		bench_bin(row, i, &index, &count);
		seen += count;
		if (seen >= rank) {
			high = abi_bench_high(index);
			return high < row->head.max ? high : row->head.max;
		}
	}
	return row->head.max;
}

static uint64_t rank_of(const struct bench_row *row, double q)
{
	uint64_t rank = q * row->head.n;

	return rank < q * row->head.n ? rank + 1 : rank;
}

bool bench_quantile(const struct bench_row *row, double q, uint64_t *cycles)
{
	uint64_t rank = rank_of(row, q);

	if (!rank || row->head.n - rank < 10)
		return false;
	*cycles = at_rank(row, rank);
	return true;
}

uint64_t bench_median(const struct bench_row *row)
{
	return row->head.n ? at_rank(row, rank_of(row, 0.5)) : 0;
}
