/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * feed - the events of one CPU, and of many CPUs and files merged by time, in bounded memory
 *
 * A feed reads its CPU's pages through a window of some pages (or one compressed chunk), passes
 * over events nobody asked for and hands out the rest. A merge is a heap of feeds, whose first one goes
 * on without a look at the heap until the second one's time has come. Time stamps are
 * mapped to the axis of the merge by each feed's clock (clocks.h) before they are compared.
 */
#ifndef RTKVM_TRACING_FEED_H
#define RTKVM_TRACING_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "tracing/clocks.h"
#include "tracing/dat.h"
#include "tracing/page.h"

struct event {
	uint64_t ts; /* on the axis of the merge */
	uint64_t raw_ts; /* as in the file */
	const uint8_t *rec; /* common fields first */
	uint32_t len;
	uint16_t id; /* of the event in its file */
	uint16_t kind; /* what feed_want() was told */
	uint16_t cpu;
	uint8_t file; /* which file of the merge */
	uint64_t lost; /* events lost just before this one on its CPU; UINT64_MAX: unknown number */
};

enum { FEED_IDS = 65536, FEED_SLACK = 8 /* bytes that may be read behind a record */ };

/* What one file contributes: its events, which of them are wanted, its clock. */
struct feed_file {
	const struct dat *dat;
	uint8_t *want; /* kind by event id, 0: passed over; FEED_IDS entries */
	struct field type; /* common_type */
	struct clock_map clock; /* of every CPU, unless maps tells */
	const struct clock_map *maps; /* by CPU, n_maps of them; borrowed */
	size_t n_maps;
};

/* feed_file_init - nothing is wanted yet; feed_file_free frees */
int feed_file_init(struct feed_file *f, const struct dat *d, struct err *e);
void feed_file_free(struct feed_file *f);

/*
 * feed_pages - hand all pages of d->cpus[cpu] to put, unpacked, some at a time; a negative return
 * of put stops
 */
int feed_pages(const struct dat *d, size_t cpu,
	       int (*put)(void *arg, const void *pages, size_t bytes, struct err *e), void *arg,
	       struct err *e);

struct feed;

/* The next event's time stands in the heap itself: comparing follows no pointer. */
struct merge_slot {
	uint64_t ts;
	struct feed *feed;
};

struct merge {
	struct feed *feeds; /* all */
	size_t n_feeds;
	struct merge_slot *heap; /* those with an event left, the earliest first */
	size_t n;
	uint64_t until; /* events of the first before this time come before those of all others */
	bool out; /* the first one's event is handed out: the next call moves it on */
	uint64_t events; /* walked, wanted or not */
	uint64_t pages;
	uint64_t lost; /* events the pages say are missing, after each ring's first page */
	uint64_t begun_late; /* rings that had overwritten what came before it */
	uint64_t lost_pages; /* places where an unknown number is missing */
};

/* merge_open - start at the first event of every CPU of n files; window_bytes in all */
int merge_open(struct merge *m, const struct feed_file *files, size_t n, size_t window_bytes,
	       struct err *e);

/*
 * merge_next - the earliest event left, borrowed until the next call: 1, 0 at the end, -errno (a
 * corrupt page is named)
 */
int merge_next(struct merge *m, const struct event **ev, struct err *e);

/* merge_has - does this file have an event left? */
bool merge_has(const struct merge *m, unsigned int file);

void merge_close(struct merge *m);

#endif
