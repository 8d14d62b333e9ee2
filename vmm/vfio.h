/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vfio - a PCI function of the host, given to the guest (linux/vfio.h, driver-api/vfio.rst)
 *
 * Its memory BARs become guest memory, so that drivers reach the hardware without an exit; its
 * interrupts are MSI-X or MSI, eventfds that KVM takes as irqfds; guest RAM is mapped in the IOMMU
 * at the same addresses. Configuration space goes through but for addresses and interrupts. I/O
 * BARs, the ROM and INTx are not given. Each function has an IOMMU group and container to itself.
 */
#ifndef RTKVM_VMM_VFIO_H
#define RTKVM_VMM_VFIO_H

#include <stdint.h>

#include "lib/err.h"
#include "vmm/devopts.h"

struct memory;
struct vm;
struct vfio;

enum { VFIO_MAX = DEVOPTS_MAX, VFIO_ADDRESS_BYTES = sizeof("0000:00:00.0") };

/* All functions of the machine. */
struct vfio_set {
	struct vfio *at[VFIO_MAX];
	int n;
	int kvm_device; /* what tells KVM of their groups; valid with n */
	uint32_t next_slot; /* of KVM's memory slots */
};

/*
 * vfio_check - can this function be given away? Its IOMMU group's number, or a sentence: no such
 * function, no IOMMU, another driver, a group that is shared with drivers of the host
 */
int vfio_check(const char *sysfs, const char *address, struct err *e);

/* vfio_create - open the function and put it on the bus; in set->at from then on; vfio_destroy */
int vfio_create(struct vfio_set *set, struct vm *vm, const struct dev_opt *o, struct err *e);
void vfio_destroy(struct vfio_set *set);

/* vfio_map_memory - guest memory for DMA of every function, at the guest's addresses; pins it */
int vfio_map_memory(const struct vfio_set *set, const struct memory *m, struct err *e);

#endif
