// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioapic - the interrupt inputs of the machine (Intel 82093AA data sheet)
 *
 * The local APICs are in the kernel; this is the rest of a split irqchip: 24 redirection entries
 * that turn an edge into a message. All lines are edges (dsdt.asl), so nothing is kept until an
 * EOI. An edge at a masked input is delivered when it is unmasked.
 */
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/cleanup.h"
#include "vmm/acpi.h"
#include "vmm/vm.h"

enum {
	PINS = 24,
	REG_SELECT = 0x00,
	REG_WINDOW = 0x10,
	INDEX_ID = 0x00,
	INDEX_VERSION = 0x01,
	INDEX_ARBITRATION = 0x02,
	INDEX_ENTRIES = 0x10,
	VERSION = 0x11,
};

#define ENTRY_VECTOR	 0xffull
#define ENTRY_DELIVERY	 0x700ull
#define ENTRY_LOGICAL	 (1ull << 11)
#define ENTRY_MASKED	 (1ull << 16)
#define ENTRY_WRITABLE	 0xff0000000001afffull /* not delivery status, not remote IRR */
#define ENTRY_DEST_SHIFT 56

struct ioapic {
	struct vdev dev;
	_Atomic uint32_t select;
	_Atomic uint32_t id;
	_Atomic uint64_t entry[PINS];
	_Atomic uint32_t pending; /* an edge came while masked: bit per pin */
};

static void deliver(struct ioapic *io, uint64_t entry)
{
	struct kvm_msi msi = {
		.address_lo = ACPI_LAPIC_ADDR | (uint32_t)(entry >> ENTRY_DEST_SHIFT) << 12 |
			      (entry & ENTRY_LOGICAL ? 1u << 2 : 0),
		.data = entry & (ENTRY_VECTOR | ENTRY_DELIVERY),
	};

	/* 0 or an error: the guest programmed a destination or vector that takes nothing */
	ioctl(io->dev.vm->fd, KVM_SIGNAL_MSI, &msi);
}

/* An edge on the kernel's own IOAPIC (--irqchip full); it takes the MMIO, too. */
static void kernel_edge(struct vm *vm, unsigned int gsi)
{
	for (int level = 1; level >= 0; level--) {
		struct kvm_irq_level line = { .irq = gsi, .level = level };

		ioctl(vm->fd, KVM_IRQ_LINE, &line);
	}
}

/* Has a mask that went away meanwhile left an edge behind? One of all who ask delivers it. */
static void deliver_pending(struct ioapic *io, unsigned int pin)
{
	uint64_t entry = atomic_load(&io->entry[pin]);
	uint32_t bit = 1u << pin;

	if (!(entry & ENTRY_MASKED) && atomic_fetch_and(&io->pending, ~bit) & bit)
		deliver(io, entry);
}

void vm_irq(struct vm *vm, unsigned int gsi)
{
	struct ioapic *io = container_of(vm->ioapic, struct ioapic, dev);
	uint64_t entry;

	if (gsi >= PINS)
		return;
	if (vm->opts.irqchip_full) {
		kernel_edge(vm, gsi);
		return;
	}
	entry = atomic_load(&io->entry[gsi]);
	if (!(entry & ENTRY_MASKED)) {
		deliver(io, entry);
		return;
	}
	atomic_fetch_or(&io->pending, 1u << gsi);
	deliver_pending(io, gsi); /* unmasked between the two: write_entry saw nothing pending */
}

static void write_entry(struct ioapic *io, uint32_t index, uint32_t value)
{
	uint32_t pin = index / 2;
	uint64_t old = atomic_load(&io->entry[pin]), now;

	do
		now = index & 1 ? (old & 0xffffffffull) | (uint64_t)value << 32
				: (old & ~0xffffffffull) | value;
	while (!atomic_compare_exchange_weak(&io->entry[pin], &old, now & ENTRY_WRITABLE));
	deliver_pending(io, pin);
}

static uint32_t read_register(struct ioapic *io, uint32_t index)
{
	switch (index) {
	case INDEX_ID:
	case INDEX_ARBITRATION:
		return atomic_load(&io->id);
	case INDEX_VERSION:
		return VERSION | (PINS - 1) << 16;
	}
	index -= INDEX_ENTRIES;
	if (index >= 2 * PINS) /* wraps for what lies below */
		return 0;
	return atomic_load(&io->entry[index / 2]) >> (index & 1 ? 32 : 0);
}

static void write_register(struct ioapic *io, uint32_t index, uint32_t value)
{
	if (index == INDEX_ID)
		atomic_store(&io->id, value & 0x0f000000);
	else if (index >= INDEX_ENTRIES && index < INDEX_ENTRIES + 2 * PINS)
		write_entry(io, index - INDEX_ENTRIES, value);
}

static enum vcpu_next mmio(struct vdev *d, struct vcpu *v, struct mmio *m)
{
	struct ioapic *io = container_of(d, struct ioapic, dev);
	uint64_t offset = m->at - ACPI_IOAPIC_ADDR;
	uint32_t value = 0;

	(void)v;
	if (m->write) {
		memcpy(&value, m->data, m->len < sizeof(value) ? m->len : sizeof(value));
		if (offset == REG_SELECT)
			atomic_store(&io->select, value & 0xff);
		else if (offset == REG_WINDOW)
			write_register(io, atomic_load(&io->select), value);
		return VCPU_RUN;
	}
	if (offset == REG_SELECT)
		value = atomic_load(&io->select);
	else if (offset == REG_WINDOW)
		value = read_register(io, atomic_load(&io->select));
	memset(m->data, 0, m->len);
	memcpy(m->data, &value, m->len < sizeof(value) ? m->len : sizeof(value));
	return VCPU_RUN;
}

static int init(struct vdev *d, struct err *e)
{
	struct ioapic *io = container_of(d, struct ioapic, dev);

	(void)e;
	for (int i = 0; i < PINS; i++)
		atomic_init(&io->entry[i], ENTRY_MASKED);
	d->vm->ioapic = d;
	return 0;
}

const struct vdev_ops ioapic_ops = {
	.name = "IOAPIC",
	.state_bytes = sizeof(struct ioapic),
	.mmio_first = ACPI_IOAPIC_ADDR,
	.mmio_bytes = 0x1000,
	.init = init,
	.mmio = mmio,
};
