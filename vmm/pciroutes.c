// SPDX-License-Identifier: GPL-2.0-only
/* pciroutes - message-signalled interrupts as KVM takes them: one table for the whole machine */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "vmm/pci.h"
#include "vmm/vm.h"

enum { IOAPIC_PINS = 24, PIC_PINS = 8 };

_Static_assert((int)PCI_ROUTES_LEGACY == IOAPIC_PINS + 2 * PIC_PINS, "room for every pin");

int pci_take_routes(struct pci *p, int n, struct err *e)
{
	int first = p->n_routes;
	struct kvm_irq_routing *t;

	if (n > PCI_ROUTES - first)
		return err_set(e, -ENOSPC, "PCI: more than %d interrupt vectors in all",
			       PCI_ROUTES);
	t = realloc(p->table, sizeof(*t) + (PCI_ROUTES_LEGACY + first + n) * sizeof(t->entries[0]));
	if (!t)
		return err_set(e, -ENOMEM, "no memory for %d interrupt vectors", n);
	p->table = t;
	p->n_routes += n;
	return IOAPIC_PINS + first;
}

static void add_pin(struct kvm_irq_routing *t, uint32_t gsi, uint32_t chip, uint32_t pin)
{
	t->entries[t->nr++] = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

/* What KVM_CREATE_IRQCHIP had set up and a new table replaces. */
static void add_legacy(struct kvm_irq_routing *t)
{
	for (int pin = 0; pin < IOAPIC_PINS; pin++)
		add_pin(t, pin, KVM_IRQCHIP_IOAPIC, pin);
	for (int irq = 0; irq < 2 * PIC_PINS; irq++)
		add_pin(t, irq, irq < PIC_PINS ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE,
			irq % PIC_PINS);
}

/* On a vCPU's thread: it waits for no allocator's lock that an ordinary thread may hold. */
static int set_routes(struct pci *p)
{
	struct kvm_irq_routing *t = p->table;

	t->nr = t->flags = 0;
	if (p->dev.vm->opts.irqchip_full)
		add_legacy(t);
	for (int i = 0; i < p->n_routes; i++)
		if (p->route[i].type)
			t->entries[t->nr++] = p->route[i];
	return ioctl(p->dev.vm->fd, KVM_SET_GSI_ROUTING, t);
}

bool pci_route(struct pci *p, unsigned int gsi, const struct kvm_irq_routing_msi *msi)
{
	struct kvm_irq_routing_entry *r = &p->route[gsi - IOAPIC_PINS];

	*r = (struct kvm_irq_routing_entry){ 0 };
	if (msi) {
		r->gsi = gsi;
		r->type = KVM_IRQ_ROUTING_MSI;
		r->u.msi = *msi;
	}
	if (!set_routes(p))
		return true;
	*r = (struct kvm_irq_routing_entry){ 0 };
	set_routes(p); /* as it was without */
	return false;
}
