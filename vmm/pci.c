// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/pci.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "vmm/vm.h"

enum {
	DATA = PCI_ADDRESS + 4,
	ADDRESS_ENABLE = 1u << 31,
	FIRST_CAP = 0x40,
	COMMAND_WRITABLE = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
			   PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE,
	/* a host bridge that every Linux takes for one, without quirks */
	BRIDGE_VENDOR = 0x8086,
	BRIDGE_DEVICE = 0x0d57,
	BRIDGE_CLASS = 0x060000,
};

struct pci *pci_of(struct vm *vm)
{
	return container_of(vm->pci, struct pci, dev);
}

void pci_put(struct pci_fn *f, unsigned int at, unsigned int len, uint32_t value)
{
	uint32_t le = htole32(value);

	memcpy(f->config + at, &le, len);
}

uint32_t pci_get(const struct pci_fn *f, unsigned int at, unsigned int len)
{
	uint32_t le = 0;

	memcpy(&le, f->config + at, len);
	return le32toh(le);
}

static void set_writable(struct pci_fn *f, unsigned int at, unsigned int len, uint32_t mask)
{
	uint32_t le = htole32(mask);

	memcpy(f->writable + at, &le, len);
}

void pci_identify(struct pci_fn *f, uint16_t vendor, uint16_t device, uint32_t class_code)
{
	pci_put(f, PCI_VENDOR_ID, 2, vendor);
	pci_put(f, PCI_DEVICE_ID, 2, device);
	pci_put(f, PCI_CLASS_REVISION, 4, class_code << 8 | 1);
	set_writable(f, PCI_COMMAND, 2, COMMAND_WRITABLE);
	set_writable(f, PCI_CACHE_LINE_SIZE, 1, 0xff);
	set_writable(f, PCI_INTERRUPT_LINE, 1, 0xff);
	f->next_cap = FIRST_CAP;
}

unsigned int pci_add_cap(struct pci_fn *f, uint8_t id, unsigned int len)
{
	unsigned int at = f->next_cap;

	pci_put(f, at + PCI_CAP_LIST_ID, 1, id);
	pci_put(f, at + PCI_CAP_LIST_NEXT, 1, pci_get(f, PCI_CAPABILITY_LIST, 1));
	pci_put(f, PCI_CAPABILITY_LIST, 1, at); /* the newest is the first of the list */
	pci_put(f, PCI_STATUS, 2, pci_get(f, PCI_STATUS, 2) | PCI_STATUS_CAP_LIST);
	f->next_cap = at + (len + 3) / 4 * 4;
	return at;
}

static unsigned int bar_register(int bar)
{
	return PCI_BASE_ADDRESS_0 + 4 * bar;
}

static int place_bar(struct pci *p, struct pci_fn *f, int bar, struct err *e)
{
	uint64_t bytes = f->bar[bar].bytes, at = (p->next_bar + bytes - 1) & -bytes;

	if (!bytes)
		return 0;
	if (at + bytes > PCI_WINDOW_FIRST + PCI_WINDOW_BYTES)
		return err_set(e, -ENOSPC,
			       "PCI: a device with %" PRIu64 " MiB of memory does not fit below "
			       "4 GiB; leave it or others out",
			       bytes >> 20);
	p->next_bar = at + bytes;
	pci_put(f, bar_register(bar), 4, at);
	set_writable(f, bar_register(bar), 4, -bytes);
	return 0;
}

int pci_attach(struct pci *p, struct pci_fn *f, struct err *e)
{
	int ret = 0;

	if (p->n == PCI_SLOTS)
		return err_set(e, -ENOSPC, "PCI: there are %d slots, and more devices",
			       PCI_SLOTS - 1);
	f->vm = p->dev.vm;
	for (int i = 0; !ret && i < PCI_BARS; i++)
		ret = place_bar(p, f, i, e);
	if (!ret)
		p->fn[p->n++] = f;
	return ret;
}

/* After a write to the command or address registers: what is decoded where. */
static void remap(struct pci_fn *f)
{
	bool on = pci_get(f, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY;

	for (int i = 0; i < PCI_BARS; i++) {
		struct pci_bar *b = &f->bar[i];
		uint64_t at = pci_get(f, bar_register(i), 4) & PCI_BASE_ADDRESS_MEM_MASK;

		if (!b->bytes || (b->mapped == on && (!on || b->at == at)))
			continue;
		if (b->mapped && f->ops->mapped)
			f->ops->mapped(f, i, false);
		b->at = at;
		b->mapped = on;
		if (on && f->ops->mapped)
			f->ops->mapped(f, i, true);
	}
}

static bool overlaps(unsigned int at, unsigned int len, unsigned int first, unsigned int bytes)
{
	return at < first + bytes && first < at + len;
}

static void config_write(struct pci_fn *f, unsigned int at, unsigned int len, const uint8_t *data)
{
	for (unsigned int i = 0; i < len; i++)
		f->config[at + i] = (f->config[at + i] & ~f->writable[at + i]) |
				    (data[i] & f->writable[at + i]);
	if (overlaps(at, len, PCI_COMMAND, 2) ||
	    overlaps(at, len, PCI_BASE_ADDRESS_0, 4 * PCI_BARS))
		remap(f);
	if (f->ops->config_written)
		f->ops->config_written(f, at, len);
}

static void config_read(struct pci_fn *f, unsigned int at, unsigned int len, uint8_t *data)
{
	if (f->ops->config_read)
		f->ops->config_read(f, at, len);
	memcpy(data, f->config + at, len);
}

/* Bus 0, function 0, 256 bytes: there is no more; AMD's way to 4096 uses bits 24 to 27. */
static struct pci_fn *selected(const struct pci *p)
{
	unsigned int slot = p->address >> 11 & 0x1f;

	if (!(p->address & ADDRESS_ENABLE) || p->address >> 16 & 0x7fff || p->address >> 8 & 7)
		return NULL;
	return p->fn[slot];
}

static void one_pio(struct pci *p, struct pio *io, uint8_t *data)
{
	struct pci_fn *f = selected(p);

	if (io->port < DATA) { /* the address register is one only as four bytes */
		if (io->port != PCI_ADDRESS || io->len != 4)
			return;
		if (io->write)
			memcpy(&p->address, data, 4);
		else
			memcpy(data, &p->address, 4);
	} else if (f && io->port + io->len <= DATA + 4) {
		unsigned int at = (p->address & 0xfc) + (io->port & 3);

		if (io->write)
			config_write(f, at, io->len, data);
		else
			config_read(f, at, io->len, data);
	}
}

static enum vcpu_next pio(struct vdev *d, struct vcpu *v, struct pio *io)
{
	struct pci *p = container_of(d, struct pci, dev);

	(void)v;
	vdev_ignore_pio(io);
	pthread_mutex_lock(&p->lock);
	for (uint32_t i = 0; i < io->count; i++)
		one_pio(p, io, io->data + i * io->len);
	pthread_mutex_unlock(&p->lock);
	return VCPU_RUN;
}

static bool access_fn(struct pci_fn *f, struct mmio *m)
{
	for (int i = 0; i < PCI_BARS; i++) {
		const struct pci_bar *b = &f->bar[i];

		if (!b->mapped || m->at < b->at || m->at - b->at >= b->bytes)
			continue;
		if (m->len <= b->bytes - (m->at - b->at))
			f->ops->access(f, i, m->at - b->at, m);
		return true;
	}
	return false;
}

static enum vcpu_next mmio(struct vdev *d, struct vcpu *v, struct mmio *m)
{
	struct pci *p = container_of(d, struct pci, dev);

	(void)v;
	if (!m->write)
		memset(m->data, 0xff, m->len);
	pthread_mutex_lock(&p->lock);
	for (int i = 0; i < p->n; i++)
		if (access_fn(p->fn[i], m))
			break;
	pthread_mutex_unlock(&p->lock);
	return VCPU_RUN;
}

static int init(struct vdev *d, struct err *e)
{
	static const struct pci_fn_ops none;
	struct pci *p = container_of(d, struct pci, dev);
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&p->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	d->vm->pci = d;
	p->next_bar = PCI_WINDOW_FIRST;
	p->bridge.ops = &none;
	pci_identify(&p->bridge, BRIDGE_VENDOR, BRIDGE_DEVICE, BRIDGE_CLASS);
	return pci_attach(p, &p->bridge, e);
}

static void destroy(struct vdev *d)
{
	struct pci *p = container_of(d, struct pci, dev);

	free(p->table);
	pthread_mutex_destroy(&p->lock);
}

const struct vdev_ops pci_ops = {
	.name = "PCI bus",
	.state_bytes = sizeof(struct pci),
	.ports = { { PCI_ADDRESS, 8 } },
	.mmio_first = PCI_WINDOW_FIRST,
	.mmio_bytes = PCI_WINDOW_BYTES,
	.init = init,
	.destroy = destroy,
	.pio = pio,
	.mmio = mmio,
};
