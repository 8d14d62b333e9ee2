// SPDX-License-Identifier: GPL-2.0-only
#include "tracing/clocks.h"

#include <math.h>

typedef unsigned __int128 u128;

uint64_t clock_to_host_scaled(const struct clock_map *c, uint64_t guest)
{
	u128 ticks;

	if (c->offset > 0 && guest < (uint64_t)c->offset)
		return 0; /* before the host's clock started: no such moment */
	ticks = (u128)(guest - (uint64_t)c->offset) << c->frac;
	ticks /= c->ratio;
	return ticks > UINT64_MAX ? UINT64_MAX : ticks;
}

uint64_t clock_to_guest(const struct clock_map *c, uint64_t host)
{
	if (c->ratio)
		host = (u128)host * c->ratio >> c->frac;
	return host + (uint64_t)c->offset;
}

struct clock_rate clock_rate_hz(double hz)
{
	struct clock_rate r = { .shift = 40 };

	r.mult = llround(1e9 / hz * (1ull << r.shift));
	return r;
}

uint64_t clock_ticks(struct clock_rate r, uint64_t ns)
{
	return r.mult ? ((u128)ns << r.shift) / r.mult : ns;
}

struct clock_range clock_bracket(uint64_t before, uint64_t guest, uint64_t after)
{
	return (struct clock_range){ guest - after, guest - before };
}

struct clock_range clock_range_join(struct clock_range a, struct clock_range b)
{
	return (struct clock_range){ a.low > b.low ? a.low : b.low,
				     a.high < b.high ? a.high : b.high };
}

void clock_bound_init(struct clock_bound *b)
{
	*b = (struct clock_bound){ .low = INT64_MIN, .high = INT64_MAX };
}

void clock_bound_entry(struct clock_bound *b, uint64_t ts)
{
	/* a re-entry whose exit KVM handled without telling: the window goes on, and has no gap that
	 * an event could not lie in */
	if (b->window == BOUND_OPEN)
		return;
	b->outside += b->waiting;
	b->waiting = 0;
	b->entry = ts;
	b->any = false;
	/* nobody knows where a window before the first one lay: its entry bounds nothing */
	b->first = b->window == BOUND_UNSURE;
	b->window = BOUND_OPEN;
}

/*
 * Moving the offset up by d moves the guest's events back by d on the host's axis. So an event at
 * ts allows at most ts - entry, and needs at least ts - exit.
 */
void clock_bound_event(struct clock_bound *b, uint64_t ts)
{
	if (b->window != BOUND_OPEN) {
		/* after the host's last event there is no window to be in */
		b->waiting += b->window == BOUND_SHUT;
		return;
	}
	b->inside++;
	if (!b->any && !b->first && (int64_t)(ts - b->entry) < b->high)
		b->high = ts - b->entry;
	b->any = true;
	b->last = ts;
}

void clock_bound_exit(struct clock_bound *b, uint64_t ts)
{
	if (b->window == BOUND_OPEN && b->any && (int64_t)(b->last - ts) > b->low)
		b->low = b->last - ts;
	b->window = BOUND_SHUT;
}

void clock_bound_lost(struct clock_bound *b)
{
	b->window = BOUND_UNSURE;
	b->waiting = 0;
}
