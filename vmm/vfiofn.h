/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vfiofn - a function of the host, as the files that serve it share it: vfio.c (memory and
 * configuration space), vfioirq.c (interrupts), vfioopen.c (the kernel's side)
 */
#ifndef RTKVM_VMM_VFIOFN_H
#define RTKVM_VMM_VFIOFN_H

#include <linux/vfio.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "vmm/msix.h"
#include "vmm/pci.h"
#include "vmm/vfio.h"

enum {
	VFIO_FIRST_SLOT = 2, /* 0 and 1 are guest RAM */
	VFIO_PIECES = 2, /* of a BAR: before and behind the pages of the MSI-X table */
};

/* A part of a BAR that the guest reaches without an exit. */
struct vfio_piece {
	uint64_t offset, bytes;
	void *host;
	uint32_t slot;
};

struct vfio_bar {
	uint64_t offset; /* in the device's file */
	uint64_t bytes;
	struct vfio_piece piece[VFIO_PIECES];
	int n_pieces;
};

struct vfio {
	struct pci_fn fn;
	struct vm *vm;
	char address[VFIO_ADDRESS_BYTES];
	int container, group, device;
	uint64_t config_at; /* of configuration space in the device's file */
	struct vfio_bar bar[PCI_BARS];
	struct msix msix; /* or MSI */
	unsigned int irq_index; /* VFIO_PCI_MSIX_IRQ_INDEX, _MSI_; VFIO_PCI_NUM_IRQS: neither */
	uint32_t table, pending; /* MSI-X: offset | BAR */
	uint64_t table_bytes, pending_bytes; /* the device's own, which may be more than msix has */
	bool ours[PCI_CONFIG_BYTES]; /* emulated: the device's own value is not looked at */
	int triggered; /* the host raises so many of our descriptors */
};

/* vfio_open - group, container, KVM, the function itself, its configuration space into v->fn */
int vfio_open(struct vfio *v, struct err *e);

/* vfio_close - of what vfio_open left half done, too: the function's interrupts end */
void vfio_close(struct vfio *v);

/* vfio_wrong - errno's sentence about what was done to the function */
int vfio_wrong(const struct vfio *v, const char *what, struct err *e);

/* vfio_show - what the guest sees of that configuration space and of the memory; on the bus, then */
int vfio_show(struct vfio *v, struct err *e);

/* vfio_unmap - the memory of its BARs, as far as vfio_show had come */
void vfio_unmap(struct vfio *v);

/* vfio_irq_init - MSI-X, else MSI, else none: the guest's vectors; before BARs are set up */
int vfio_irq_init(struct vfio *v, struct err *e);

/* vfio_irq_written - the guest has written to the capability: vectors on or off; the bus's lock held */
void vfio_irq_written(struct vfio *v);

#endif
