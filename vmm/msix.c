// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/msix.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "vmm/vm.h"

enum { ADDRESS, UPPER, DATA, CONTROL, ENTRY_BYTES = PCI_MSIX_ENTRY_SIZE };

static int irqfd(struct msix *m, int i, uint32_t flags)
{
	struct kvm_irqfd r = { .fd = m->v[i].fd, .gsi = m->first_gsi + i, .flags = flags };

	return ioctl(m->fn->vm->fd, KVM_IRQFD, &r);
}

static bool wanted(const struct msix *m, int i)
{
	uint32_t control = pci_get(m->fn, m->cap + PCI_MSIX_FLAGS, 2);

	if (m->msi)
		return i < m->msi_on;
	return control & PCI_MSIX_FLAGS_ENABLE && !(control & PCI_MSIX_FLAGS_MASKALL) &&
	       !(m->v[i].entry[CONTROL] & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

static void stop(struct msix *m, int i)
{
	irqfd(m, i, KVM_IRQFD_FLAG_DEASSIGN);
	m->v[i].live = false;
}

/* An address that KVM does not take is the guest's mistake: that vector stays silent. */
static void start(struct msix *m, int i)
{
	const uint32_t *entry = m->v[i].entry;
	struct kvm_irq_routing_msi msi = {
		.address_lo = entry[ADDRESS],
		.address_hi = entry[UPPER],
		.data = entry[DATA],
	};

	if (!pci_route(pci_of(m->fn->vm), m->first_gsi + i, &msi))
		return;
	if (irqfd(m, i, 0))
		vm_fail(m->fn->vm, -errno, "giving KVM an interrupt of a device failed: %s",
			strerror(errno));
	else
		m->v[i].live = true;
}

/* Between mask and unmask the guest changes the entry; one changed in between is taken up, too. */
static void update(struct msix *m, int i, bool changed)
{
	bool on = wanted(m, i);

	if (m->v[i].live && (!on || changed))
		stop(m, i);
	if (on && !m->v[i].live)
		start(m, i);
}

void msix_config_written(struct msix *m)
{
	for (int i = 0; i < m->n; i++)
		update(m, i, false);
}

void msix_set_all(struct msix *m, const struct msix_message *msg, int n)
{
	m->msi_on = n < m->n ? n : m->n;
	for (int i = 0; i < m->n; i++) {
		const uint32_t now[] = { msg->address, msg->upper, msg->data + i, 0 };
		bool changed = memcmp(m->v[i].entry, now, sizeof(now)) != 0;

		memcpy(m->v[i].entry, now, sizeof(now));
		update(m, i, changed);
	}
}

/* Entries are accessed as aligned words of 4 or 8 bytes (6.8.2): others read zeros and do nothing. */
void msix_table(struct msix *m, uint64_t offset, struct mmio *io)
{
	uint64_t i = offset / ENTRY_BYTES;
	unsigned int in_entry = offset % ENTRY_BYTES;
	uint32_t *entry;

	if (!io->write)
		memset(io->data, 0, io->len);
	if (i >= (uint64_t)m->n || (io->len != 4 && io->len != 8) || offset % io->len)
		return;
	entry = m->v[i].entry;
	if (!io->write) {
		memcpy(io->data, (uint8_t *)entry + in_entry, io->len);
		return;
	}
	memcpy((uint8_t *)entry + in_entry, io->data, io->len);
	entry[CONTROL] &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
	update(m, i, in_entry < 4 * CONTROL);
}

static bool pending(const struct msix *m, int i)
{
	struct pollfd p = { .fd = m->v[i].fd, .events = POLLIN };

	return !m->v[i].live && poll(&p, 1, 0) > 0;
}

void msix_pending(struct msix *m, uint64_t offset, struct mmio *io)
{
	uint8_t bits[MSIX_VECTORS_MAX / 8] = { 0 };

	if (io->write)
		return;
	for (int i = 0; i < m->n; i++)
		bits[i / 8] |= pending(m, i) << i % 8;
	memset(io->data, 0, io->len);
	if (offset < sizeof(bits) && io->len <= sizeof(bits) - offset)
		memcpy(io->data, bits + offset, io->len);
}

void msix_raise(struct msix *m, unsigned int vector)
{
	uint64_t one = 1;
	ssize_t n;

	if (vector >= (unsigned int)m->n)
		return;
	n = write(m->v[vector].fd, &one, sizeof(one));
	(void)n; /* EAGAIN: as many are pending as can be counted */
}

static int open_vectors(struct msix *m, struct pci_fn *f, int n, unsigned int cap, struct err *e)
{
	int gsi = pci_take_routes(pci_of(f->vm), n, e);

	if (gsi < 0)
		return gsi;
	m->fn = f;
	m->cap = cap;
	m->first_gsi = gsi;
	for (m->n = 0; m->n < n; m->n++) {
		struct msix_vector *v = &m->v[m->n];

		v->entry[CONTROL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
		v->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (v->fd < 0)
			return err_sys(e, "creating an event descriptor failed");
	}
	return 0;
}

int msix_init_at(struct msix *m, struct pci_fn *f, int n, unsigned int cap, struct err *e)
{
	memset(f->writable + cap, 0, PCI_CAP_MSIX_SIZEOF);
	pci_put(f, cap + PCI_MSIX_FLAGS, 2, n - 1);
	f->writable[cap + PCI_MSIX_FLAGS + 1] = (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >>
						8;
	return open_vectors(m, f, n, cap, e);
}

int msix_init_msi(struct msix *m, struct pci_fn *f, int n, unsigned int cap, struct err *e)
{
	m->msi = true;
	return open_vectors(m, f, n, cap, e);
}

int msix_init(struct msix *m, struct pci_fn *f, int n, int bar, uint32_t table, uint32_t pend,
	      struct err *e)
{
	unsigned int cap = pci_add_cap(f, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF);

	pci_put(f, cap + PCI_MSIX_TABLE, 4, table | bar);
	pci_put(f, cap + PCI_MSIX_PBA, 4, pend | bar);
	return msix_init_at(m, f, n, cap, e);
}

void msix_destroy(struct msix *m)
{
	while (m->n)
		close(m->v[--m->n].fd);
}
