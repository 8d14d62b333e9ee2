/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtdriver - a machine with one virtio device, without KVM and threads, and a driver's hands
 *
 * Registers are reached through the PCI bus as a vCPU does it; the device's thread is virtio_turn,
 * called by the test. Queue q has QUEUE_AREA bytes of its own; above them all is room for data.
 */
#ifndef RTKVM_TESTS_UNIT_VIRTDRIVER_H
#define RTKVM_TESTS_UNIT_VIRTDRIVER_H

#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/vm.h"

enum {
	RAM = 64 << 10,
	QUEUE_AREA = 0x1000,
	AVAIL = 0x800, /* in it, behind the descriptors */
	USED = 0xa00,
	DATA = (1 + VIRTIO_QUEUES_MAX) * QUEUE_AREA,
};

struct driver {
	struct vm vm;
	struct dev_opts options;
	struct virtio *d;
	unsigned int ring; /* descriptors of a queue */
};

static inline struct driver *driver_new(const struct virtio_ops *ops, enum dev_kind kind,
					const char *option)
{
	struct driver *t = aligned_alloc(64, (sizeof(*t) + 63) / 64 * 64);
	struct err e = { 0 };

	if (!t)
		abort();
	memset(t, 0, sizeof(*t));
	t->vm.kvm = t->vm.fd = t->vm.io_wake = t->vm.opts.freeze_fd = -1;
	t->vm.mem.bytes = t->vm.mem.low_bytes = RAM;
	t->vm.mem.host = calloc(1, RAM);
	if (!t->vm.mem.host || devopts_add(&t->options, kind, option, &e) ||
	    vm_devices_init(&t->vm, &e) || vm_pci_init(&t->vm, &e) ||
	    virtio_create(&t->vm.virtio, &t->vm, ops, &t->options.at[0], &e)) {
		fprintf(stderr, "%s\n", e.text);
		abort();
	}
	t->d = t->vm.virtio.at[0];
	return t;
}

static inline void driver_free(struct driver *t)
{
	vm_devices_destroy(&t->vm);
	free(t->vm.mem.host);
	free(t);
}

static inline void driver_config(struct driver *t, uint32_t at, uint8_t len, bool write,
				 uint32_t value)
{
	uint32_t address = 1u << 31 | 1 << 11 | (at & 0xfc);
	struct pio select = { 0xcf8, 4, true, 1, (void *)&address };
	struct pio io = { 0xcfc + (at & 3), len, write, 1, (void *)&value };
	struct vdev *pci = t->vm.pci;

	pci->ops->pio(pci, NULL, &select);
	pci->ops->pio(pci, NULL, &io);
}

static inline uint64_t driver_memory(struct driver *t, uint64_t offset, uint8_t len, bool write,
				     uint64_t value)
{
	struct mmio m = { PCI_WINDOW_FIRST + offset, len, write, (void *)&value };
	struct vdev *pci = t->vm.pci;

	pci->ops->mmio(pci, NULL, &m);
	return value;
}

/* What a driver does up to DRIVER_OK, with these features and queues of ring descriptors. */
static inline void driver_begin(struct driver *t, uint64_t features, unsigned int ring)
{
	t->ring = ring;
	driver_config(t, 4, 2, true, PCI_COMMAND_MEMORY);
	driver_memory(t, 0x14, 1, true, 3);
	driver_memory(t, 8, 4, true, 1);
	driver_memory(t, 12, 4, true, features >> 32);
	driver_memory(t, 8, 4, true, 0);
	driver_memory(t, 12, 4, true, (uint32_t)features);
	driver_memory(t, 0x14, 1, true, 11);
	for (int i = 0; i < t->d->n_queues; i++) {
		uint32_t at = (1 + i) * QUEUE_AREA;

		driver_memory(t, 0x16, 2, true, i);
		driver_memory(t, 0x18, 2, true, ring);
		driver_memory(t, 0x20, 8, true, at);
		driver_memory(t, 0x28, 8, true, at + AVAIL);
		driver_memory(t, 0x30, 8, true, at + USED);
		driver_memory(t, 0x1c, 2, true, 1);
	}
	driver_memory(t, 0x14, 1, true, 15);
	virtio_turn(t->d, 0);
}

static inline uint8_t *driver_area(struct driver *t, int q)
{
	return t->vm.mem.host + (1 + q) * QUEUE_AREA;
}

static inline void driver_describe(struct driver *t, int q, int i, struct vring_desc d)
{
	memcpy(driver_area(t, q) + i * sizeof(d), &d, sizeof(d));
}

static inline void driver_offer(struct driver *t, int q, uint16_t head)
{
	struct vring_avail *a = (void *)(driver_area(t, q) + AVAIL);

	a->ring[a->idx++ % t->ring] = head;
}

static inline void driver_kick(struct driver *t, int q)
{
	driver_memory(t, 0x3000 + 4 * q, 2, true, q);
}

static inline const struct vring_used *driver_used(struct driver *t, int q)
{
	return (void *)(driver_area(t, q) + USED);
}

/* All that can happen now. */
static inline void driver_turns(struct driver *t)
{
	for (int i = 0; i < 16; i++)
		virtio_turn(t->d, 0);
}

/* And then a driver that begins anew, with empty queues. */
static inline void driver_reset(struct driver *t)
{
	driver_memory(t, 0x14, 1, true, 0);
	driver_turns(t);
	memset(driver_area(t, 0), 0, VIRTIO_QUEUES_MAX * QUEUE_AREA);
}

#endif
