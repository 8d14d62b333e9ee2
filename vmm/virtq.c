// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/virtq.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_ring.h>
#include <string.h>

/* The guest writes while we look: each field is loaded once, in the order that 2.7.13 asks for. */
static uint16_t load16(const uint8_t *at)
{
	return le16toh(__atomic_load_n((const uint16_t *)at, __ATOMIC_ACQUIRE));
}

static void store16(uint8_t *at, uint16_t v)
{
	__atomic_store_n((uint16_t *)at, htole16(v), __ATOMIC_RELEASE);
}

static void *area(const struct memory *mem, uint64_t at, uint64_t align, uint64_t bytes)
{
	return at % align ? NULL : mem_ptr(mem, GPA(at), bytes);
}

int virtq_open(struct virtq *q, const struct memory *mem, const struct virtq_place *p)
{
	uint32_t n = p->size;

	memset(q, 0, sizeof(*q));
	if (!n || n > VIRTQ_SIZE_MAX || n & (n - 1))
		return -EINVAL;
	q->desc = area(mem, p->desc, VRING_DESC_ALIGN_SIZE, n * sizeof(struct vring_desc));
	q->avail = area(mem, p->avail, VRING_AVAIL_ALIGN_SIZE,
			offsetof(struct vring_avail, ring[n]) + sizeof(uint16_t));
	q->used = area(mem, p->used, VRING_USED_ALIGN_SIZE,
		       offsetof(struct vring_used, ring[n]) + sizeof(uint16_t));
	if (!q->desc || !q->avail || !q->used)
		return -EINVAL;
	q->mem = mem;
	q->size = n;
	return 0;
}

void virtq_close(struct virtq *q)
{
	memset(q, 0, sizeof(*q));
}

static uint16_t waiting(const struct virtq *q)
{
	return load16(q->avail + offsetof(struct vring_avail, idx)) - q->next_avail;
}

bool virtq_more(const struct virtq *q)
{
	return q->size && waiting(q);
}

static int add(const struct virtq *q, struct chain *c, const struct vring_desc *d)
{
	uint16_t flags = le16toh(d->flags);
	uint32_t len = le32toh(d->len);
	void *at = len ? mem_ptr(q->mem, GPA(le64toh(d->addr)), len) : NULL;

	if (flags & VRING_DESC_F_INDIRECT || (len && !at))
		return -EINVAL;
	if (!len)
		return 0;
	c->iov[c->n_out + c->n_in] = (struct iovec){ at, len };
	if (flags & VRING_DESC_F_WRITE) {
		c->n_in++;
		c->in_bytes += len;
	} else if (c->n_in) {
		return -EINVAL; /* 2.7.4.2: what the device reads comes first */
	} else {
		c->n_out++;
		c->out_bytes += len;
	}
	return 0;
}

static int walk(const struct virtq *q, struct chain *c)
{
	uint16_t at = c->head, flags = VRING_DESC_F_NEXT;

	/* a chain with more links than there are descriptors comes by one of them twice */
	for (int links = 0; flags & VRING_DESC_F_NEXT; links++) {
		struct vring_desc d;

		if (links == q->size || at >= q->size)
			return -EINVAL;
		memcpy(&d, q->desc + at * sizeof(d), sizeof(d));
		__asm__ volatile("" : : : "memory"); /* the copy is what is judged and used */
		if (add(q, c, &d))
			return -EINVAL;
		flags = le16toh(d.flags);
		at = le16toh(d.next);
	}
	return c->in_bytes > UINT32_MAX || c->out_bytes > UINT32_MAX ? -EINVAL : 0;
}

int virtq_pop(struct virtq *q, struct chain *c)
{
	uint16_t n = q->size ? waiting(q) : 0;
	int ret;

	if (!n)
		return 0;
	if (n > q->size)
		return -EINVAL;
	c->head = load16(q->avail + offsetof(struct vring_avail, ring[q->next_avail % q->size]));
	c->n_out = c->n_in = 0;
	c->out_bytes = c->in_bytes = 0;
	ret = walk(q, c);
	if (ret < 0)
		return ret;
	c->out = c->iov;
	c->in = c->iov + c->n_out;
	q->next_avail++;
	return 1;
}

void virtq_unpop(struct virtq *q)
{
	q->next_avail--;
}

void virtq_push(struct virtq *q, const struct chain *c, uint32_t written)
{
	struct vring_used_elem used = { htole32(c->head), htole32(written) };

	memcpy(q->used + offsetof(struct vring_used, ring[q->next_used % q->size]), &used,
	       sizeof(used));
	store16(q->used + offsetof(struct vring_used, idx), ++q->next_used);
}

void virtq_quiet(struct virtq *q, bool quiet)
{
	store16(q->used + offsetof(struct vring_used, flags), quiet ? VRING_USED_F_NO_NOTIFY : 0);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* then look once more: virtq_more */
}

bool virtq_wants_interrupt(const struct virtq *q)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* the used index is out before the flag is read */
	return !(load16(q->avail + offsetof(struct vring_avail, flags)) &
		 VRING_AVAIL_F_NO_INTERRUPT);
}

void iov_drop(struct iovec **iov, int *count, size_t n)
{
	while (*count && n >= (*iov)->iov_len) {
		n -= (*iov)->iov_len;
		(*iov)++;
		(*count)--;
	}
	if (!*count || !n)
		return;
	(*iov)->iov_base = (char *)(*iov)->iov_base + n;
	(*iov)->iov_len -= n;
}

static size_t copy(struct iovec **iov, int *count, void *bytes, size_t n, bool out)
{
	size_t done = 0;

	while (*count && done < n) {
		size_t some = n - done < (*iov)->iov_len ? n - done : (*iov)->iov_len;

		if (out)
			memcpy((char *)bytes + done, (*iov)->iov_base, some);
		else
			memcpy((*iov)->iov_base, (char *)bytes + done, some);
		done += some;
		iov_drop(iov, count, some);
	}
	return done;
}

size_t iov_get(struct iovec **iov, int *count, void *to, size_t n)
{
	return copy(iov, count, to, n, true);
}

size_t iov_put(struct iovec **iov, int *count, const void *from, size_t n)
{
	return copy(iov, count, (void *)(uintptr_t)from, n, false);
}
