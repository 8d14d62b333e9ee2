// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/ring.h"

#include <errno.h>
#include <stdlib.h>

int ring_init(struct ring *r, uint32_t size, struct err *e)
{
	r->slots = calloc(size, sizeof(*r->slots));
	if (!r->slots)
		return err_set(e, -ENOMEM, "no memory for a ring of %u bytes", size);
	r->size = size;
	return 0;
}

void ring_free(struct ring *r)
{
	free((void *)r->slots);
	r->slots = NULL;
}

/*
 * Laps count from 1, modulo 2^8: a slot whose byte is still to come holds the one before, since a lap
 * begins where the reader has been through the last, or the 0 of before the first.
 */
static uint16_t lap(const struct ring *r, uint64_t pos)
{
	return (uint8_t)(pos / r->size + 1) << 8;
}

bool ring_push(struct ring *r, const void *data, uint32_t n)
{
	uint64_t pos = atomic_load_explicit(&r->head, memory_order_relaxed);
	const uint8_t *bytes = data;

	do {
		uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);

		if (pos - tail + n > r->size)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&r->head, &pos, pos + n, memory_order_relaxed, memory_order_relaxed));
	for (uint32_t i = 0; i < n; i++, pos++)
		atomic_store_explicit(&r->slots[pos & (r->size - 1)], lap(r, pos) | bytes[i],
				      memory_order_release);
	return true;
}

/* Up to n complete bytes from the tail on, which stays. */
static size_t peek(struct ring *r, uint64_t pos, uint8_t *bytes, size_t n)
{
	size_t got = 0;

	for (; got < n; got++, pos++) {
		uint16_t slot =
			atomic_load_explicit(&r->slots[pos & (r->size - 1)], memory_order_acquire);

		if ((slot & 0xff00) != lap(r, pos))
			break;
		bytes[got] = slot;
	}
	return got;
}

size_t ring_pop(struct ring *r, void *data, size_t n)
{
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	size_t got = peek(r, tail, data, n);

	atomic_store_explicit(&r->tail, tail + got, memory_order_release);
	return got;
}

bool ring_pop_record(struct ring *r, void *data, size_t n)
{
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	if (peek(r, tail, data, n) < n)
		return false;
	atomic_store_explicit(&r->tail, tail + n, memory_order_release);
	return true;
}

uint32_t ring_space(struct ring *r)
{
	return r->size - (uint32_t)(atomic_load_explicit(&r->head, memory_order_relaxed) -
				    atomic_load_explicit(&r->tail, memory_order_acquire));
}

bool ring_empty(struct ring *r)
{
	return atomic_load(&r->head) == atomic_load(&r->tail);
}
