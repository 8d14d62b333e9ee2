/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * page - walk the events of a ring-buffer page
 *
 * A page is what the kernel hands out through trace_pipe_raw: a 64-bit time stamp, a commit
 * counter whose bits 31 and 30 tell of lost events, then records of {5 bits type, 27 bits delta}
 * (kernel/trace/ring_buffer.c). Inline because a trace of 5 million events is walked in 20 ms.
 */
#ifndef RTKVM_TRACING_PAGE_H
#define RTKVM_TRACING_PAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "tracing/format.h"

enum {
	PAGE_MISSED = 1u << 31, /* events were overwritten before this page */
	PAGE_MISSED_STORED = 1u << 30, /* and their number stands behind the data */
	PAGE_COMMIT_MASK = (1u << 27) - 1,
	PAGE_TYPE_LONG = 0, /* length in the next word */
	PAGE_TYPE_PADDING = 29,
	PAGE_TYPE_EXTEND = 30,
	PAGE_TYPE_STAMP = 31,
	PAGE_DELTA_BITS = 27,
};

struct page_walk {
	const uint8_t *p, *end; /* next record; end of what is committed */
	uint64_t ts;
	uint64_t lost; /* events lost before this page; UINT64_MAX: an unknown number */
};

static inline uint32_t page_u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/*
 * page_stamp - the time of an absolute stamp: 59 bits are kept, the rest is that of the time
 * before it, one more when the 59 bits wrapped in between (rb_fix_abs_ts)
 */
static inline uint64_t page_stamp(uint64_t before, uint64_t stamp)
{
	const uint64_t high = 0xf8ull << 56;

	stamp = (stamp & ~high) | (before & high);
	return before & high && stamp < before ? stamp + (1ull << 59) : stamp;
}

/* page_open - start on a page of bytes bytes; false when its head cannot be true */
bool page_open(struct page_walk *w, const struct page_head *h, const uint8_t *page, size_t bytes);

enum page_next { PAGE_END, PAGE_EVENT, PAGE_CORRUPT };

/*
 * page_next - the next event: its record (common fields first) and length; w->ts is its time.
 * PAGE_CORRUPT: a record runs past what is committed.
 */
static inline enum page_next page_next(struct page_walk *w, const uint8_t **rec, uint32_t *len)
{
	while (w->end - w->p >= 4) {
		uint32_t word = page_u32(w->p), type = word & 31, n;
		uint64_t delta = word >> 5;
		const uint8_t *data = w->p + 4;
		size_t room = w->end - data;

		if (type < PAGE_TYPE_PADDING && type != PAGE_TYPE_LONG) {
			n = type * 4;
		} else {
			if (type == PAGE_TYPE_PADDING && !delta)
				return PAGE_END;
			if (room < 4)
				return PAGE_CORRUPT;
			n = page_u32(data);
			if (type == PAGE_TYPE_EXTEND) {
				w->ts += delta | (uint64_t)n << PAGE_DELTA_BITS;
				w->p = data + 4;
				continue;
			}
			if (type == PAGE_TYPE_STAMP) {
				w->ts = page_stamp(w->ts, delta | (uint64_t)n << PAGE_DELTA_BITS);
				w->p = data + 4;
				continue;
			}
			if (type == PAGE_TYPE_LONG) {
				if (n < 4 || n > room)
					return PAGE_CORRUPT;
				n = (n - 4 + 3) & ~3u;
				data += 4;
				room -= 4;
			}
		}
		if (n > room)
			return PAGE_CORRUPT;
		w->ts += delta;
		w->p = data + n;
		if (type == PAGE_TYPE_PADDING)
			continue; /* a discarded event: its time counts */
		*rec = data;
		*len = n;
		return PAGE_EVENT;
	}
	return PAGE_END;
}

#endif
