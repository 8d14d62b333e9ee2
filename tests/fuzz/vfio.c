// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function of the host with any configuration space and BARs of any size, and a guest that makes
 * any access to it. The device's file is one in memory; what goes to the kernel is not done.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "vmm/vfiofn.h"
#include "vmm/vm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum {
	OP_BYTES = 8,
	SHAPE_BYTES = PCI_BARS + 1, /* a byte for each BAR, and how many vectors the host has */
	BAR_MAX = 1 << 16,
	FILE_BYTES = PCI_BARS * BAR_MAX + PCI_CONFIG_BYTES,
	UNMAPPABLE = 0x80,
};

static const uint8_t *shape; /* of the input that runs */

/* Powers of two up to BAR_MAX, and sizes that are none. */
static void region_info(struct vfio_region_info *r)
{
	uint8_t b = r->index < PCI_BARS ? shape[r->index] : 0;

	r->offset = r->index * (uint64_t)BAR_MAX;
	r->size = !(b & 31) || (b & 31) > 17 ? b & 0x20 ? 12345 : 0 : 1u << ((b & 31) - 1);
	r->flags = b & UNMAPPABLE ? 0 : VFIO_REGION_INFO_FLAG_MMAP;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;

	(void)fd;
	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (request == VFIO_DEVICE_GET_REGION_INFO)
		region_info(argument);
	if (request == VFIO_DEVICE_SET_IRQS && ((struct vfio_irq_set *)argument)->count > shape[6])
		return shape[6] ? shape[6] : (errno = EINVAL, -1);
	return 0;
}

struct fuzz {
	struct vm vm;
	struct vfio *v;
};

static int begin(struct fuzz *f, const uint8_t *config)
{
	struct err e = { 0 };

	f->vm.kvm = f->vm.fd = f->vm.io_wake = f->vm.opts.freeze_fd = -1;
	f->vm.vfio = (struct vfio_set){ .n = 1, .kvm_device = -1, .next_slot = VFIO_FIRST_SLOT };
	f->v = f->vm.vfio.at[0] = calloc(1, sizeof(*f->v));
	if (!f->v)
		abort();
	f->v->vm = &f->vm;
	f->v->container = f->v->group = -1;
	f->v->device = memfd_create("function", MFD_CLOEXEC);
	f->v->config_at = PCI_BARS * BAR_MAX;
	if (f->v->device < 0 || ftruncate(f->v->device, FILE_BYTES) ||
	    pwrite(f->v->device, config, PCI_CONFIG_BYTES, f->v->config_at) != PCI_CONFIG_BYTES ||
	    vm_devices_init(&f->vm, &e) || vm_pci_init(&f->vm, &e))
		abort();
	memcpy(f->v->fn.config, config, PCI_CONFIG_BYTES);
	return vfio_show(f->v, &e);
}

static void config_access(struct fuzz *f, const uint8_t *op)
{
	uint32_t address = 1u << 31 | 1 << 11 | (op[2] & 0xfc);
	uint32_t value = op[4] | op[5] << 8 | op[6] << 16 | (uint32_t)op[7] << 24;
	struct pio select = { PCI_ADDRESS, 4, true, 1, (void *)&address };
	struct pio io = { PCI_ADDRESS + 4 + (op[2] & 3), 1 << op[3] % 3, op[1] & 1, 1,
			  (void *)&value };

	f->vm.pci->ops->pio(f->vm.pci, NULL, &select);
	f->vm.pci->ops->pio(f->vm.pci, NULL, &io);
}

/* Where a BAR is now, or where the first ones were put. */
static void memory_access(struct fuzz *f, const uint8_t *op)
{
	const struct pci_bar *b = &f->v->fn.bar[op[1] % PCI_BARS];
	uint64_t value = op[4] * 0x0101010101010101ull;
	struct mmio m = { .at = b->mapped ? b->at : PCI_WINDOW_FIRST,
			  .len = 1 + op[3] % 8,
			  .write = op[3] & 0x80,
			  .data = (void *)&value };

	m.at += (op[6] << 8 | op[7]) - (op[5] & 7);
	f->vm.pci->ops->mmio(f->vm.pci, NULL, &m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz *f;

	if (len < SHAPE_BYTES + PCI_CONFIG_BYTES)
		return 0;
	f = aligned_alloc(64, (sizeof(*f) + 63) / 64 * 64);
	if (!f)
		return 0;
	memset(f, 0, sizeof(*f));
	shape = data;
	if (!begin(f, data + SHAPE_BYTES)) {
		data += SHAPE_BYTES + PCI_CONFIG_BYTES;
		len -= SHAPE_BYTES + PCI_CONFIG_BYTES;
		for (; len >= OP_BYTES; data += OP_BYTES, len -= OP_BYTES)
			(data[0] % 2 ? memory_access : config_access)(f, data);
	}
	vm_devices_destroy(&f->vm);
	free(f);
	return 0;
}
