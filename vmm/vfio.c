// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/vfiofn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "vmm/vm.h"

enum { PAGE = 4096 };

static struct vfio *of(struct pci_fn *f)
{
	return container_of(f, struct vfio, fn);
}

/* --- memory of the function --- */

static int set_slot(const struct vfio *v, const struct vfio_piece *p, uint64_t at)
{
	struct kvm_userspace_memory_region r = {
		.slot = p->slot,
		.guest_phys_addr = at + p->offset,
		.memory_size = at ? p->bytes : 0, /* 0: the slot ends */
		.userspace_addr = (uintptr_t)p->host,
	};

	return ioctl(v->vm->fd, KVM_SET_USER_MEMORY_REGION, &r);
}

/* What KVM does not take (two BARs at one place) is reached by exits instead. */
static void mapped(struct pci_fn *f, int bar, bool on)
{
	struct vfio *v = of(f);

	for (int i = 0; i < v->bar[bar].n_pieces; i++)
		set_slot(v, &v->bar[bar].piece[i], on ? f->bar[bar].at : 0);
}

static bool within(uint32_t where, uint64_t bytes, int bar, uint64_t offset)
{
	uint32_t at = where & ~7u;

	return (int)(where & 7) == bar && offset >= at && offset - at < bytes;
}

static void access_bar(struct pci_fn *f, int bar, uint64_t offset, struct mmio *m)
{
	struct vfio *v = of(f);
	bool x = v->irq_index == VFIO_PCI_MSIX_IRQ_INDEX;
	uint64_t at = v->bar[bar].offset + offset;
	ssize_t n;

	if (x && within(v->table, v->table_bytes, bar, offset)) {
		msix_table(&v->msix, offset - (v->table & ~7u), m);
	} else if (x && within(v->pending, v->pending_bytes, bar, offset)) {
		msix_pending(&v->msix, offset - (v->pending & ~7u), m);
	} else if (m->write) {
		n = pwrite(v->device, m->data, m->len, at);
		(void)n; /* a bus that does not take it drops it */
	} else if (pread(v->device, m->data, m->len, at) != m->len) {
		memset(m->data, 0xff, m->len);
	}
}

/* --- configuration space --- */

static void config_read(struct pci_fn *f, unsigned int at, unsigned int len)
{
	struct vfio *v = of(f);

	for (unsigned int i = at; i < at + len; i++) {
		uint8_t byte;

		if (!v->ours[i] && pread(v->device, &byte, 1, v->config_at + i) == 1)
			f->config[i] = byte;
	}
}

static void config_write_through(const struct vfio *v, unsigned int at, unsigned int len)
{
	ssize_t n = pwrite(v->device, v->fn.config + at, len, v->config_at + at);

	(void)n; /* read-only there */
}

static void config_written(struct pci_fn *f, unsigned int at, unsigned int len)
{
	struct vfio *v = of(f);

	if (at < PCI_COMMAND + 2 && PCI_COMMAND < at + len)
		config_write_through(v, PCI_COMMAND, 2);
	else if (!v->ours[at])
		config_write_through(v, at, len);
	if (v->irq_index != VFIO_PCI_NUM_IRQS && v->ours[at] && at >= PCI_STD_HEADER_SIZEOF)
		vfio_irq_written(v);
}

static const struct pci_fn_ops fn_ops = {
	.access = access_bar,
	.config_read = config_read,
	.config_written = config_written,
	.mapped = mapped,
};

/* --- setting up what the guest sees --- */

static int map_piece(struct vfio *v, struct vfio_bar *r, uint64_t first, uint64_t end,
		     struct err *e)
{
	struct vfio_piece *p = &r->piece[r->n_pieces];

	if (first >= end)
		return 0;
	*p = (struct vfio_piece){ .offset = first, .bytes = end - first };
	p->host = mmap(NULL, p->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, v->device,
		       r->offset + first);
	if (p->host == MAP_FAILED)
		return vfio_wrong(v, "mapping its memory", e);
	p->slot = v->vm->vfio.next_slot++;
	r->n_pieces++;
	return 0;
}

/* The pages of the MSI-X table and its pending bits stay with us; what lies between them, too. */
static int map_region(struct vfio *v, int bar, struct err *e)
{
	struct vfio_bar *r = &v->bar[bar];
	uint64_t first = r->bytes, end = r->bytes;
	const struct {
		uint32_t where;
		uint64_t bytes;
	} ours[] = { { v->table, v->table_bytes }, { v->pending, v->pending_bytes } };
	int ret;

	for (size_t i = 0; v->irq_index == VFIO_PCI_MSIX_IRQ_INDEX && i < ARRAY_SIZE(ours); i++) {
		uint64_t at = ours[i].where & ~7u, behind = at + ours[i].bytes;

		if ((int)(ours[i].where & 7) != bar || at >= r->bytes)
			continue;
		behind = behind < r->bytes ? (behind + PAGE - 1) / PAGE * PAGE : r->bytes;
		end = first == r->bytes || behind > end ? behind : end;
		first = at / PAGE * PAGE < first ? at / PAGE * PAGE : first;
	}
	ret = map_piece(v, r, 0, first, e);
	return ret < 0 ? ret : map_piece(v, r, end, r->bytes, e);
}

static int set_up_bar(struct vfio *v, int bar, struct err *e)
{
	struct vfio_region_info info = { .argsz = sizeof(info),
					 .index = VFIO_PCI_BAR0_REGION_INDEX + bar };
	struct vfio_bar *r = &v->bar[bar];

	pci_put(&v->fn, PCI_BASE_ADDRESS_0 + 4 * bar, 4, 0);
	if (ioctl(v->device, VFIO_DEVICE_GET_REGION_INFO, &info))
		return vfio_wrong(v, "asking for its memory", e);
	if (!info.size || info.size & (info.size - 1))
		return 0;
	r->offset = info.offset;
	r->bytes = v->fn.bar[bar].bytes = info.size;
	if (!(info.flags & VFIO_REGION_INFO_FLAG_MMAP) || info.size < PAGE)
		return 0;
	return map_region(v, bar, e);
}

static int set_up_bars(struct vfio *v, struct err *e)
{
	uint32_t was[PCI_BARS];
	int ret = 0;

	for (int i = 0; i < PCI_BARS; i++)
		was[i] = pci_get(&v->fn, PCI_BASE_ADDRESS_0 + 4 * i, 4);
	for (int i = 0; !ret && i < PCI_BARS; i++) {
		bool io = was[i] & PCI_BASE_ADDRESS_SPACE_IO;

		if (io) /* there is no I/O space for it */
			pci_put(&v->fn, PCI_BASE_ADDRESS_0 + 4 * i, 4, 0);
		else
			ret = set_up_bar(v, i, e);
		if (!ret && !io && was[i] & PCI_BASE_ADDRESS_MEM_TYPE_64 && i + 1 < PCI_BARS)
			pci_put(&v->fn, PCI_BASE_ADDRESS_0 + 4 * ++i, 4, 0); /* its upper half */
	}
	pci_put(&v->fn, PCI_ROM_ADDRESS, 4, 0);
	return ret;
}

int vfio_show(struct vfio *v, struct err *e)
{
	int ret;

	v->fn.ops = &fn_ops;
	v->fn.vm = v->vm;
	memset(v->ours, true, PCI_STD_HEADER_SIZEOF);
	v->ours[PCI_STATUS] = v->ours[PCI_STATUS + 1] = false;
	memset(v->fn.writable, 0, PCI_STD_HEADER_SIZEOF);
	memset(v->fn.writable + PCI_STD_HEADER_SIZEOF, 0xff,
	       PCI_CONFIG_BYTES - PCI_STD_HEADER_SIZEOF);
	pci_put(&v->fn, PCI_COMMAND, 2, 0);
	pci_put(&v->fn, PCI_HEADER_TYPE, 1, 0); /* the only function of its slot */
	v->fn.writable[PCI_COMMAND] = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	v->fn.writable[PCI_COMMAND + 1] = PCI_COMMAND_INTX_DISABLE >> 8;
	ret = vfio_irq_init(v, e);
	if (!ret)
		ret = set_up_bars(v, e);
	return ret < 0 ? ret : pci_attach(pci_of(v->vm), &v->fn, e);
}

void vfio_unmap(struct vfio *v)
{
	for (int b = 0; b < PCI_BARS; b++)
		while (v->bar[b].n_pieces) {
			const struct vfio_piece *p = &v->bar[b].piece[--v->bar[b].n_pieces];

			munmap(p->host, p->bytes);
		}
}

int vfio_create(struct vfio_set *set, struct vm *vm, const struct dev_opt *o, struct err *e)
{
	struct vfio *v = calloc(1, sizeof(*v));
	int ret;

	if (!v)
		return err_set(e, -ENOMEM, "no memory for a PCI function");
	v->vm = vm;
	v->container = v->group = v->device = -1;
	if (!set->n) {
		set->next_slot = VFIO_FIRST_SLOT;
		set->kvm_device = -1;
	}
	set->at[set->n++] = v;
	span_copy(o->path, v->address, sizeof(v->address));
	ret = vfio_open(v, e);
	return ret < 0 ? ret : vfio_show(v, e);
}

void vfio_destroy(struct vfio_set *set)
{
	if (!set->n)
		return;
	if (set->kvm_device >= 0)
		close(set->kvm_device); /* lets the groups go */
	while (set->n) {
		struct vfio *v = set->at[--set->n];

		vfio_unmap(v);
		vfio_close(v);
		msix_destroy(&v->msix);
		free(v);
	}
}
