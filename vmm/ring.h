/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ring - bytes from any vCPU thread to the I/O thread, without a lock or a system call
 *
 * Many producers, one consumer, bounded. A producer reserves n slots with one compare-and-swap and
 * then fills them, so a record stays in one piece. Each slot carries the lap it was written in:
 * the consumer stops at the first slot of an unfinished record instead of waiting for it.
 */
#ifndef RTKVM_VMM_RING_H
#define RTKVM_VMM_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct ring {
	uint32_t size; /* slots; a power of two */
	_Atomic uint16_t *slots; /* lap << 8 | byte */
	_Alignas(64) _Atomic uint64_t head; /* next slot to reserve */
	_Alignas(64) _Atomic uint64_t tail; /* next slot to read */
};

/* ring_init - size bytes (a power of two) of capacity; ring_free accepts a zeroed ring */
int ring_init(struct ring *r, uint32_t size, struct err *e);
void ring_free(struct ring *r);

/* ring_push - all n bytes or none: false when they do not fit now (any thread) */
bool ring_push(struct ring *r, const void *data, uint32_t n);

/* ring_pop - up to n bytes that are complete; returns how many (I/O thread only) */
size_t ring_pop(struct ring *r, void *data, size_t n);

/*
 * ring_pop_record - exactly n bytes, or false and the ring as it was: for a ring of records, whose
 * producer may be interrupted between two of their bytes (I/O thread only)
 */
bool ring_pop_record(struct ring *r, void *data, size_t n);

/* ring_space - bytes that fit now; ring_empty - nothing reserved or written */
uint32_t ring_space(struct ring *r);
bool ring_empty(struct ring *r);

#endif
