// SPDX-License-Identifier: GPL-2.0-only
#include "hwlat/gather.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROUNDS = 4 };

int gather_init(struct gather *c, struct detector *d, struct evidence *v, const struct tsc *tsc,
		gather_fn *fn, void *ctx, struct err *e)
{
	*c = (struct gather){
		.detector = d,
		.evidence = v,
		.tsc = tsc,
		.pending = calloc(GATHER_PENDING, sizeof(*c->pending)),
		.near_tsc = tsc_cycles(tsc->hz, GATHER_NEAR_US * 1000),
		.next_group = 1,
		.fn = fn,
		.ctx = ctx,
	};
	return c->pending ? 0 : err_set(e, -ENOMEM, "no memory for pending gaps");
}

void gather_free(struct gather *c)
{
	free(c->pending);
	c->pending = NULL;
}

static void take(struct gather *c, unsigned int index, const struct spin_gap *s)
{
	uint64_t since_ns = tsc_ns(c->tsc->hz, s->end_tsc - s->since_tsc);
	struct gap *g = &c->pending[c->n++];

	*g = (struct gap){
		.index = index,
		.cpu = c->detector->cpus[index].cpu,
		.start_tsc = s->start_tsc,
		.end_tsc = s->end_tsc,
		.wall_ns = tsc_wall_ns(c->tsc, s->start_tsc),
		.mono_ns = tsc_mono_ns(c->tsc, s->start_tsc),
		.ns = tsc_ns(c->tsc->hz, s->end_tsc - s->start_tsc),
		.facts = { .preempted = s->preempted,
			   .faults = s->faults,
			   .since_ns = since_ns,
			   .off_ns = since_ns > s->ran_ns ? since_ns - s->ran_ns : 0 },
	};
}

/* An equal share for each CPU: a storm on one must not hide the others. */
static void take_all(struct gather *c)
{
	size_t share = (GATHER_PENDING - c->n) / c->detector->n;
	struct spin_gap s;

	for (unsigned int i = 0; i < c->detector->n; i++)
		for (size_t k = 0; k < share && spin_take(&c->detector->cpus[i].spin, &s); k++)
			take(c, i, &s);
}

static bool rings_empty(const struct gather *c)
{
	for (unsigned int i = 0; i < c->detector->n; i++) {
		const struct spinner *s = &c->detector->cpus[i].spin;

		if (atomic_load(&s->head) != atomic_load(&s->tail))
			return false;
	}
	return true;
}

/* A thread that rests, or has ended, has no gap to report. */
static void watch_smi(struct gather *c)
{
	for (unsigned int i = 0; i < c->detector->n; i++) {
		uint64_t progress = atomic_load(&c->detector->cpus[i].spin.progress_tsc);

		evidence_watch_smi(c->evidence, i, progress == UINT64_MAX);
	}
}

void gather_judge(struct gap *pending, size_t *n, size_t first, uint64_t near_tsc,
		  uint64_t *next_group, gather_fn *fn, void *ctx)
{
	gap_group(pending, first, near_tsc, next_group);
	gap_judge(pending, first);
	for (size_t i = 0; i < first; i++)
		fn(ctx, &pending[i]);
	memmove(pending, pending + first, (*n - first) * sizeof(*pending));
	*n -= first;
}

/* A few rounds a step, for storms; not until all is done, for there is always something new. */
int gather_step(struct gather *c, bool last, struct err *e)
{
	int ret, round = 0;

	watch_smi(c);
	do {
		/* before the rings are emptied, so that every gap it speaks of is in them */
		uint64_t horizon = detector_horizon(c->detector);
		size_t old = c->n, n;

		take_all(c);
		ret = evidence_read(c->evidence, e);
		if (ret < 0)
			return ret;
		for (size_t i = old; i < c->n; i++)
			evidence_facts(c->evidence, &c->pending[i]);
		evidence_smi(c->evidence, c->pending + old, c->n - old);
		gap_sort(c->pending, c->n);
		n = gap_settled(c->pending, c->n, horizon, c->near_tsc);
		if (c->n > GATHER_PENDING / 2 || (last && rings_empty(c)))
			n = c->n;
		gather_judge(c->pending, &c->n, n, c->near_tsc, &c->next_group, c->fn, c->ctx);
	} while (!rings_empty(c) && (last || ++round < MAX_ROUNDS));
	return 0;
}
