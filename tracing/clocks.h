/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * clocks - guest time on the host's axis, ticks in nanoseconds, and the bound that checks it
 *
 * KVM gives a guest guest_tsc = (host_tsc * ratio >> frac) + offset (kvm_read_l1_tsc in
 * arch/x86/kvm/x86.c), so host_tsc = ((guest_tsc - offset) << frac) / ratio: 128 bits wide, the
 * offset first, divided rather than multiplied.
 */
#ifndef RTKVM_TRACING_CLOCKS_H
#define RTKVM_TRACING_CLOCKS_H

#include <stdbool.h>
#include <stdint.h>

/* From a guest CPU's stamps to the host's axis; all zero: the stamps are the axis. */
struct clock_map {
	int64_t offset; /* of the guest: guest = host * ratio + offset */
	uint64_t ratio; /* 0: guest and host tick alike */
	unsigned int frac; /* fraction bits of ratio: 48 on Intel, 32 on AMD */
};

/* clock_to_host - a guest stamp on the host's axis (saturates at 0 and UINT64_MAX) */
uint64_t clock_to_host_scaled(const struct clock_map *c, uint64_t guest);

static inline uint64_t clock_to_host(const struct clock_map *c, uint64_t guest)
{
	if (__builtin_expect(c->ratio != 0, 0))
		return clock_to_host_scaled(c, guest);
	return guest - (uint64_t)c->offset;
}

/* clock_to_guest - the inverse */
uint64_t clock_to_guest(const struct clock_map *c, uint64_t host);

/* Ticks of the axis in nanoseconds: ns = ticks * mult >> shift. */
struct clock_rate {
	uint64_t mult;
	unsigned int shift;
};

/* clock_rate_hz - the rate of a clock of hz ticks a second */
struct clock_rate clock_rate_hz(double hz);

/* clock_ns - a stamp in nanoseconds; monotone, so that differences of neighbours add up exactly */
static inline uint64_t clock_ns(struct clock_rate r, uint64_t ticks)
{
	return (uint64_t)((unsigned __int128)ticks * r.mult >> r.shift);
}

/* clock_ticks - ticks in ns nanoseconds, rounded down */
uint64_t clock_ticks(struct clock_rate r, uint64_t ns);

/* An offset that is not known exactly lies in here, both ends included. */
struct clock_range {
	int64_t low, high;
};

/*
 * clock_bracket - a guest's TSC that was read between two readings of the host's: its offset lies in
 * this range (guest and host tick alike)
 */
struct clock_range clock_bracket(uint64_t before, uint64_t guest, uint64_t after);

/* clock_range_join - what both allow: low > high when they contradict each other */
struct clock_range clock_range_join(struct clock_range a, struct clock_range b);

/*
 * The causality bound. A guest event can only happen while its vCPU is in the guest: between a
 * kvm_entry and the kvm_exit that follows. With the offset assumed, each guest event and the two
 * host events around it say how far the assumed offset may be moved up or down.
 */
struct clock_bound {
	int64_t low, high; /* the true offset minus the assumed one lies in [low, high], in ticks */
	uint64_t inside; /* guest events within a window */
	uint64_t outside; /* guest events that the assumed offset puts outside every window */
	uint64_t entry, last; /* of the open window: its kvm_entry, its last guest event */
	uint64_t waiting; /* events outside that count once the host's trace goes on */
	enum { BOUND_UNSURE, BOUND_OPEN, BOUND_SHUT } window;
	bool any; /* a guest event was in the window */
	bool first; /* the window before it is not known */
};

void clock_bound_init(struct clock_bound *b);

/* Feed it in order of time on the host's axis. */
void clock_bound_entry(struct clock_bound *b, uint64_t ts);
void clock_bound_event(struct clock_bound *b, uint64_t ts);
void clock_bound_exit(struct clock_bound *b, uint64_t ts);

/* clock_bound_lost - host events are missing: nothing is known until the next entry */
void clock_bound_lost(struct clock_bound *b);

#endif
