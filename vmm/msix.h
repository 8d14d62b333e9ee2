/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * msix - the MSI-X vectors of a PCI function (PCI Local Bus 3.0, 6.8.2), each an irqfd
 *
 * Who raises a vector writes to its event descriptor; KVM does the rest, no vCPU leaves the guest
 * for it. A masked vector's descriptor is taken from KVM and keeps what comes; given back, KVM
 * delivers that. The caller holds the bus's lock, but for msix_raise.
 */
#ifndef RTKVM_VMM_MSIX_H
#define RTKVM_VMM_MSIX_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "vmm/pci.h"
#include "vmm/vdev.h"

enum { MSIX_VECTORS_MAX = 64, MSIX_NO_VECTOR = 0xffff };

struct msix_vector {
	uint32_t entry[4]; /* address, upper address, data, control */
	int fd; /* eventfd */
	bool live; /* KVM has it */
};

struct msix {
	struct pci_fn *fn;
	unsigned int cap; /* of the capability in configuration space */
	bool msi; /* plain MSI: no table, msix_set_all says it all */
	int msi_on; /* so many vectors of those are enabled */
	unsigned int first_gsi;
	int n;
	struct msix_vector v[MSIX_VECTORS_MAX];
};

/*
 * msix_init - n vectors, their capability with table and pending bits at these offsets of bar;
 * msix_destroy accepts a zeroed struct
 */
int msix_init(struct msix *m, struct pci_fn *f, int n, int bar, uint32_t table, uint32_t pending,
	      struct err *e);
void msix_destroy(struct msix *m);

/*
 * msix_init_at - the same for a capability that is there already, at cap; msix_init_msi - for one of
 * plain MSI
 */
int msix_init_at(struct msix *m, struct pci_fn *f, int n, unsigned int cap, struct err *e);
int msix_init_msi(struct msix *m, struct pci_fn *f, int n, unsigned int cap, struct err *e);

/* What one vector sends. */
struct msix_message {
	uint32_t address, upper, data;
};

/* msix_set_all - plain MSI: vector i of the first n sends data + i, the others nothing */
void msix_set_all(struct msix *m, const struct msix_message *msg, int n);

/* msix_table - an access at that offset of the table; msix_pending - of the pending bits */
void msix_table(struct msix *m, uint64_t offset, struct mmio *io);
void msix_pending(struct msix *m, uint64_t offset, struct mmio *io);

/* msix_config_written - look at the capability's control word again */
void msix_config_written(struct msix *m);

/* msix_raise - from any thread; a vector that there is not raises nothing */
void msix_raise(struct msix *m, unsigned int vector);

#endif
