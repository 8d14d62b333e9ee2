/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pci - a virtio device on the PCI bus, driven by hand: for payloads that test the VMM's devices
 */
#ifndef RTKVM_GUESTS_FLAT_PCI_H
#define RTKVM_GUESTS_FLAT_PCI_H

#include <stdbool.h>
#include <stdint.h>

enum { RING = 16 }; /* descriptors of a queue */

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4 };

/* A queue: the three areas of VIRTIO 1.2, 2.7, where the device is told they are. */
struct queue {
	struct desc desc[RING];
	struct {
		uint16_t flags, idx, ring[RING], used_event;
	} avail;
	_Alignas(4) struct {
		uint16_t flags, idx;
		struct {
			uint32_t id, len;
		} ring[RING];
		uint16_t avail_event;
	} used;
	uint16_t seen; /* used entries taken */
	volatile uint16_t *notify;
} __attribute__((aligned(16)));

/* The common configuration structure (4.1.4.3). */
struct common {
	uint32_t device_feature_select, device_feature, driver_feature_select, driver_feature;
	uint16_t config_vector, num_queues;
	uint8_t status, generation;
	uint16_t queue_select, queue_size, queue_vector, queue_enable, queue_notify_off;
	uint32_t desc[2], avail[2], used[2];
};

enum {
	STATUS_ACK = 1,
	STATUS_DRIVER = 2,
	STATUS_DRIVER_OK = 4,
	STATUS_FEATURES_OK = 8,
	STATUS_NEEDS_RESET = 64,
};

struct vpci {
	uint32_t address; /* of its configuration space */
	volatile struct common *common;
	volatile uint8_t *config; /* of the device kind */
	uintptr_t notify;
	uint32_t notify_step;
	volatile uint32_t *vectors;
};

uint32_t pci_read(uint32_t address, unsigned int at);
void pci_write(uint32_t address, unsigned int at, uint32_t value);

/* vpci_find - the first virtio device of that kind, memory and MSI-X on, its structures found */
bool vpci_find(struct vpci *v, uint16_t virtio_id);

/* vpci_reset - and wait for it; vpci_begin - up to FEATURES_OK, with VERSION_1 alone */
void vpci_reset(struct vpci *v);
bool vpci_begin(struct vpci *v);

/* vpci_queue - number i, its interrupt on vector; vpci_ready - DRIVER_OK */
void vpci_queue(struct vpci *v, int i, struct queue *q, uint8_t vector);
void vpci_ready(struct vpci *v);

/* queue_offer - chain that begins at descriptor head; queue_kick; queue_taken - has it come back? */
void queue_offer(struct queue *q, uint16_t head);
void queue_kick(struct queue *q);
bool queue_taken(struct queue *q);

#endif
