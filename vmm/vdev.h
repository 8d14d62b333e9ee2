/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vdev - what a device is to the VMM
 *
 * A device is one file with one const struct vdev_ops, listed in devices.c. Its handlers run in
 * the vCPU thread that made the access, several at once when the guest does that: state is atomic
 * or belongs to one thread, there are no locks (but the PCI bus's, for set-up: pci.h), and nothing
 * blocks on a file or a terminal.
 */
#ifndef RTKVM_VMM_VDEV_H
#define RTKVM_VMM_VDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct vm;
struct vcpu;

enum vcpu_next {
	VCPU_RUN, /* back into the guest */
	VCPU_STOP, /* the machine ends: vm_end() has been called */
};

/* One port instruction; count > 1 for rep ins/outs. data holds len * count bytes. */
struct pio {
	uint16_t port;
	uint8_t len; /* 1, 2 or 4 */
	bool write;
	uint32_t count;
	uint8_t *data;
};

struct mmio {
	uint64_t at; /* guest-physical */
	uint8_t len; /* 1 to 8 */
	bool write;
	uint8_t *data;
};

struct port_range {
	uint16_t first;
	uint16_t count;
};

enum { VDEV_PORT_RANGES = 2 };

struct vdev {
	const struct vdev_ops *ops;
	struct vm *vm;
};

struct vdev_ops {
	const char *name;
	size_t state_bytes; /* of the struct that embeds struct vdev first */
	struct port_range ports[VDEV_PORT_RANGES];
	uint64_t mmio_first, mmio_bytes;
	int (*init)(struct vdev *d, struct err *e); /* may be NULL */
	void (*destroy)(struct vdev *d); /* what init made; may be NULL */
	enum vcpu_next (*pio)(struct vdev *d, struct vcpu *v, struct pio *io);
	enum vcpu_next (*mmio)(struct vdev *d, struct vcpu *v, struct mmio *io);
};

/* vdev_ignore_pio - reads give ones, writes vanish: what a bus without a device does */
void vdev_ignore_pio(struct pio *io);

extern const struct vdev_ops serial_ops, exitport_ops, markport_ops, dataport_ops, freezeport_ops;
extern const struct vdev_ops pageport_ops, slowport_ops;
extern const struct vdev_ops kbdreset_ops, acpipower_ops, pvpanic_ops, ioapic_ops;
extern const struct vdev_ops fwcfg_ops, pci_ops;

#endif
