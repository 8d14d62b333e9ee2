// SPDX-License-Identifier: GPL-2.0-only
#include "guests/flat/pci.h"

#include "guests/flat/flat.h"

enum {
	ADDRESS = 0xcf8,
	DATA = 0xcfc,
	ENABLE = 1u << 31,
	SLOTS = 32,
	VENDOR_VIRTIO = 0x1af4,
	DEVICE_BASE = 0x1040,
	REG_COMMAND = 0x04,
	COMMAND_MEMORY = 2,
	COMMAND_MASTER = 4,
	REG_BAR0 = 0x10,
	REG_CAPS = 0x34,
	CAP_VENDOR = 9,
	CAP_MSIX = 0x11,
	MSIX_ENABLE = 1u << 31, /* in the dword whose upper half is the control word */
	CAP_COMMON = 1,
	CAP_NOTIFY = 2,
	CAP_DEVICE = 4,
	F_VERSION_1_WORD = 1, /* bit 32 */
	LAPIC = 0xfee00000u,
	NO_VECTOR = 0xffff,
};

static uint32_t inl(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

uint32_t pci_read(uint32_t address, unsigned int at)
{
	outl(ADDRESS, address | at);
	return inl(DATA);
}

void pci_write(uint32_t address, unsigned int at, uint32_t value)
{
	outl(ADDRESS, address | at);
	outl(DATA, value);
}

static uintptr_t bar(const struct vpci *v, unsigned int i)
{
	return pci_read(v->address, REG_BAR0 + 4 * i) & ~15u;
}

static void take_vendor_cap(struct vpci *v, unsigned int cap)
{
	uint8_t type = pci_read(v->address, cap) >> 24;
	uintptr_t at = bar(v, pci_read(v->address, cap + 4) & 0xff) + pci_read(v->address, cap + 8);

	if (type == CAP_COMMON) {
		v->common = (volatile struct common *)at;
	} else if (type == CAP_DEVICE) {
		v->config = (volatile uint8_t *)at;
	} else if (type == CAP_NOTIFY) {
		v->notify = at;
		v->notify_step = pci_read(v->address, cap + 16);
	}
}

static void take_msix(struct vpci *v, unsigned int cap)
{
	uint32_t table = pci_read(v->address, cap + 4);

	v->vectors = (volatile uint32_t *)(bar(v, table & 7) + (table & ~7u));
	pci_write(v->address, cap, pci_read(v->address, cap) | MSIX_ENABLE);
}

static void take_caps(struct vpci *v)
{
	unsigned int cap = pci_read(v->address, REG_CAPS) & 0xff;

	while (cap) {
		uint32_t head = pci_read(v->address, cap);

		if ((head & 0xff) == CAP_VENDOR)
			take_vendor_cap(v, cap);
		else if ((head & 0xff) == CAP_MSIX)
			take_msix(v, cap);
		cap = head >> 8 & 0xff;
	}
}

bool vpci_find(struct vpci *v, uint16_t virtio_id)
{
	uint32_t want = VENDOR_VIRTIO | (uint32_t)(DEVICE_BASE + virtio_id) << 16;

	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		v->address = ENABLE | slot << 11;
		if (pci_read(v->address, 0) != want)
			continue;
		pci_write(v->address, REG_COMMAND, COMMAND_MEMORY | COMMAND_MASTER);
		take_caps(v);
		return v->common && v->notify && v->vectors;
	}
	return false;
}

void vpci_reset(struct vpci *v)
{
	v->common->status = 0;
	while (v->common->status)
		__asm__ volatile("pause");
}

bool vpci_begin(struct vpci *v)
{
	vpci_reset(v);
	v->common->status = STATUS_ACK | STATUS_DRIVER;
	v->common->driver_feature_select = F_VERSION_1_WORD;
	v->common->driver_feature = 1;
	v->common->status = STATUS_ACK | STATUS_DRIVER | STATUS_FEATURES_OK;
	return v->common->status & STATUS_FEATURES_OK;
}

static void set_vector(struct vpci *v, int i, uint8_t vector)
{
	volatile uint32_t *entry = v->vectors + 4 * i;

	entry[3] = 1; /* masked while it changes */
	entry[0] = LAPIC;
	entry[1] = 0;
	entry[2] = vector;
	entry[3] = 0;
}

void vpci_queue(struct vpci *v, int i, struct queue *q, uint8_t vector)
{
	volatile struct common *c = v->common;

	for (size_t b = 0; b < sizeof(*q); b++)
		((volatile uint8_t *)q)[b] = 0;
	c->queue_select = i;
	c->queue_size = RING;
	set_vector(v, i, vector);
	c->config_vector = NO_VECTOR;
	c->queue_vector = i;
	c->desc[0] = (uintptr_t)q->desc;
	c->desc[1] = 0;
	c->avail[0] = (uintptr_t)&q->avail;
	c->avail[1] = 0;
	c->used[0] = (uintptr_t)&q->used;
	c->used[1] = 0;
	q->notify = (volatile uint16_t *)(v->notify + c->queue_notify_off * v->notify_step);
	c->queue_enable = 1;
}

void vpci_ready(struct vpci *v)
{
	v->common->status = STATUS_ACK | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK;
}

void queue_offer(struct queue *q, uint16_t head)
{
	q->avail.ring[q->avail.idx % RING] = head;
	__atomic_store_n(&q->avail.idx, q->avail.idx + 1, __ATOMIC_RELEASE);
}

void queue_kick(struct queue *q)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	*q->notify = 0;
}

bool queue_taken(struct queue *q)
{
	if (__atomic_load_n(&q->used.idx, __ATOMIC_ACQUIRE) == q->seen)
		return false;
	q->seen++;
	return true;
}
