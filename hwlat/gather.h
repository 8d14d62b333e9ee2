/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * gather - from the rings of the detectors to judged gaps, a few times a second
 *
 * A gap waits here until no other CPU can still report one that belongs to it.
 */
#ifndef RTKVM_HWLAT_GATHER_H
#define RTKVM_HWLAT_GATHER_H

#include "hwlat/detector.h"
#include "hwlat/evidence.h"
#include "hwlat/gap.h"
#include "hwlat/tsc.h"

enum {
	GATHER_PENDING = 4096, /* when full, the oldest are judged without waiting */
	GATHER_NEAR_US = 50, /* starts this close belong together */
};

/* A judged gap goes to its consumer. */
typedef void gather_fn(void *ctx, const struct gap *g);

/*
 * gather_judge - group and judge the first of *n sorted gaps that are pending, hand them to fn and take
 * them out
 */
void gather_judge(struct gap *pending, size_t *n, size_t first, uint64_t near_tsc,
		  uint64_t *next_group, gather_fn *fn, void *ctx);

struct gather {
	struct detector *detector;
	struct evidence *evidence;
	const struct tsc *tsc;
	struct gap *pending; /* GATHER_PENDING entries */
	size_t n;
	uint64_t near_tsc, next_group;
	gather_fn *fn;
	void *ctx;
};

/* gather_init - the other structs must outlive it */
int gather_init(struct gather *c, struct detector *d, struct evidence *v, const struct tsc *tsc,
		gather_fn *fn, void *ctx, struct err *e);

void gather_free(struct gather *c);

/* gather_step - take in what the detectors found and hand on what is settled; last: everything */
int gather_step(struct gather *c, bool last, struct err *e);

#endif
