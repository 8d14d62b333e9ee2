/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pci - a root bus for the devices that need one; a machine without them has none
 *
 * Configuration mechanism 1 (PCI Local Bus 3.0, 3.2.2.3.2) and 32-bit memory windows between guest
 * RAM and the IOAPIC; no I/O space, no INTx: interrupts are MSI-X. The guest finds it by the SSDT
 * (pci.asl). Configuration is set-up, not the path of a request: one lock serves it all, and it
 * lends its holder the priority of who waits (PTHREAD_PRIO_INHERIT).
 */
#ifndef RTKVM_VMM_PCI_H
#define RTKVM_VMM_PCI_H

#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "vmm/memory.h"
#include "vmm/vdev.h"

#define PCI_WINDOW_FIRST MEM_HOLE_START /* pci.asl repeats both */
#define PCI_WINDOW_BYTES 0x3c000000ull

enum {
	PCI_SLOTS = 32,
	PCI_BARS = 6,
	PCI_CONFIG_BYTES = 256,
	PCI_ADDRESS = 0xcf8,
	PCI_ROUTES = 512, /* message-signalled interrupts of all functions */
	PCI_ROUTES_LEGACY = 24 + 16, /* pins of IOAPIC and PIC, with --irqchip full */
};

struct pci_fn;

/* All are called with the bus's lock held, by the vCPU thread that made the access; NULL: nothing. */
struct pci_fn_ops {
	/* an access to memory of the function */
	void (*access)(struct pci_fn *f, int bar, uint64_t offset, struct mmio *m);
	/* bring config[at..at+len) up to date: it is about to be read */
	void (*config_read)(struct pci_fn *f, unsigned int at, unsigned int len);
	/* config[at..at+len) has been written, as far as it is writable */
	void (*config_written)(struct pci_fn *f, unsigned int at, unsigned int len);
	/* the memory of bar begins or ceases to be at f->bar[bar].at */
	void (*mapped)(struct pci_fn *f, int bar, bool on);
};

struct pci_bar {
	uint64_t bytes; /* a power of two from 4096 on; 0: there is none */
	uint64_t at; /* while it is mapped */
	bool mapped;
};

struct pci_fn {
	const struct pci_fn_ops *ops;
	struct vm *vm;
	uint8_t config[PCI_CONFIG_BYTES], writable[PCI_CONFIG_BYTES]; /* little endian */
	struct pci_bar bar[PCI_BARS];
	uint8_t next_cap; /* where the next capability would be */
};

struct pci {
	struct vdev dev;
	pthread_mutex_t lock;
	uint32_t address; /* what 0xcf8 holds */
	struct pci_fn *fn[PCI_SLOTS]; /* function 0 of each */
	int n;
	uint64_t next_bar; /* free part of the window */
	struct pci_fn bridge;
	int n_routes; /* given out */
	struct kvm_irq_routing_entry route[PCI_ROUTES]; /* type 0: not in use */
	struct kvm_irq_routing *table; /* for KVM: room for those and the legacy ones */
};

/* pci_of - the machine's bus; only where it has one */
struct pci *pci_of(struct vm *vm);

/* pci_identify - ids and class (24 bits: base, sub, interface) into an empty configuration space */
void pci_identify(struct pci_fn *f, uint16_t vendor, uint16_t device, uint32_t class_code);

/* pci_put - a little-endian value of 1, 2 or 4 bytes; pci_get - one back */
void pci_put(struct pci_fn *f, unsigned int at, unsigned int len, uint32_t value);
uint32_t pci_get(const struct pci_fn *f, unsigned int at, unsigned int len);

/* pci_add_cap - room for a capability of len bytes, chained in; returns where it begins */
unsigned int pci_add_cap(struct pci_fn *f, uint8_t id, unsigned int len);

/* pci_take_routes - the first of n interrupt numbers (GSIs) that are free; before vCPUs run; -ENOSPC */
int pci_take_routes(struct pci *p, int n, struct err *e);

/*
 * pci_route - what a GSI of those sends from now on, NULL: nothing; with the lock held. False when
 * KVM does not take the message: the GSI then sends nothing
 */
bool pci_route(struct pci *p, unsigned int gsi, const struct kvm_irq_routing_msi *msi);

/* pci_attach - give the function the next slot and its BARs places; -ENOSPC */
int pci_attach(struct pci *p, struct pci_fn *f, struct err *e);

#endif
