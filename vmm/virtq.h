/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtq - a split virtqueue as the device sees it (VIRTIO 1.2, 2.7)
 *
 * Everything in it is the guest's: each index, address, length and flag is read once and checked
 * against the queue's size and guest memory. What breaks a rule makes virtq_pop fail; the device
 * then asks for a reset and touches the queue no more. Used by one thread.
 */
#ifndef RTKVM_VMM_VIRTQ_H
#define RTKVM_VMM_VIRTQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/memory.h"

enum { VIRTQ_SIZE_MAX = 128 };

/* What the driver told of it: guest-physical addresses. */
struct virtq_place {
	uint64_t desc, avail, used;
	uint16_t size; /* a power of two up to VIRTQ_SIZE_MAX */
};

struct virtq {
	const struct memory *mem;
	uint16_t size; /* 0: not in use */
	uint16_t next_avail, next_used;
	uint8_t *desc, *avail, *used; /* in guest memory, whole */
};

/* One request: what the device may read, then what it may write, in pieces of guest memory. */
struct chain {
	uint16_t head;
	int n_out, n_in;
	size_t out_bytes, in_bytes;
	struct iovec *out, *in; /* into iov */
	struct iovec iov[VIRTQ_SIZE_MAX];
};

/* virtq_open - -EINVAL unless all three areas are aligned and lie in memory; virtq_close */
int virtq_open(struct virtq *q, const struct memory *mem, const struct virtq_place *p);
void virtq_close(struct virtq *q);

/* virtq_pop - the next request: 1, 0 when there is none, -EINVAL when the driver broke a rule */
int virtq_pop(struct virtq *q, struct chain *c);

/* virtq_unpop - the request that virtq_pop gave last waits for later */
void virtq_unpop(struct virtq *q);

/* virtq_push - give it back, with so many bytes written to it */
void virtq_push(struct virtq *q, const struct chain *c, uint32_t written);

/* virtq_quiet - ask the driver not to kick (a hint); virtq_wants_interrupt - does it want one? */
void virtq_quiet(struct virtq *q, bool quiet);
bool virtq_wants_interrupt(const struct virtq *q);

/* virtq_more - requests that virtq_pop has not given yet */
bool virtq_more(const struct virtq *q);

/* iov_drop - the first n bytes are done with: move *iov and *count behind them */
void iov_drop(struct iovec **iov, int *count, size_t n);

/* iov_get, iov_put - copy n bytes from or to the front and drop them; the bytes there were */
size_t iov_get(struct iovec **iov, int *count, void *to, size_t n);
size_t iov_put(struct iovec **iov, int *count, const void *from, size_t n);

#endif
