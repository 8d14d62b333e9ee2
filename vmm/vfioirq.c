// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfioirq - interrupts of a function of the host: the guest's capability is ours, and turns vectors
 * of the host's on and off; each is an event descriptor from the host's handler to KVM
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/vfiofn.h"
#include "vmm/vm.h"

enum { MSI_VECTORS_MAX = 32 };

/* --- on and off --- */

/* The first n vectors to their descriptors: 0; more than 0: the host has but so many; -errno */
static int set_trigger(const struct vfio *v, int n)
{
	struct {
		struct vfio_irq_set head;
		int32_t fds[MSIX_VECTORS_MAX];
	} s = { .head = { .index = v->irq_index, .flags = VFIO_IRQ_SET_ACTION_TRIGGER } };
	int ret;

	s.head.flags |= n ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE;
	s.head.count = n;
	s.head.argsz = sizeof(s.head) + n * sizeof(s.fds[0]);
	for (int i = 0; i < n; i++)
		s.fds[i] = v->msix.v[i].fd;
	ret = ioctl(v->device, VFIO_DEVICE_SET_IRQS, &s);
	return ret < 0 ? -errno : ret;
}

/* Another number of them only by way of none. */
static void trigger(struct vfio *v, int n)
{
	int ret = 0;

	if (n == v->triggered)
		return;
	if (v->triggered)
		set_trigger(v, 0);
	if (n)
		ret = set_trigger(v, n);
	v->triggered = n;
	if (ret < 0)
		vm_fail(v->vm, ret, "--vfio %s: the host takes no interrupt of it: %s", v->address,
			strerror(-ret));
	else if (ret)
		vm_fail(v->vm, -ENOSPC,
			"--vfio %s: the guest's driver enables %d interrupt vectors, the host has "
			"%d for it; let the driver use fewer",
			v->address, n, ret);
}

static void msi_written(struct vfio *v)
{
	struct pci_fn *f = &v->fn;
	unsigned int cap = v->msix.cap;
	uint32_t flags = pci_get(f, cap + PCI_MSI_FLAGS, 2);
	bool wide = flags & PCI_MSI_FLAGS_64BIT;
	int n = 1 << ((flags & PCI_MSI_FLAGS_QSIZE) >> 4);
	struct msix_message m = {
		.address = pci_get(f, cap + PCI_MSI_ADDRESS_LO, 4),
		.upper = wide ? pci_get(f, cap + PCI_MSI_ADDRESS_HI, 4) : 0,
		.data = pci_get(f, cap + (wide ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32), 2),
	};

	msix_set_all(&v->msix, &m, flags & PCI_MSI_FLAGS_ENABLE ? n : 0);
	trigger(v, v->msix.msi_on);
}

void vfio_irq_written(struct vfio *v)
{
	bool on;

	if (v->irq_index == VFIO_PCI_MSI_IRQ_INDEX) {
		msi_written(v);
	} else {
		msix_config_written(&v->msix);
		on = pci_get(&v->fn, v->msix.cap + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_ENABLE;
		trigger(v, on ? v->msix.n : 0);
	}
}

/* --- setting up --- */

/* Of len bytes, which lie in configuration space whatever the device says; 0: it has none. */
static unsigned int find_cap(const struct vfio *v, uint8_t id, unsigned int len)
{
	unsigned int at = v->fn.config[PCI_CAPABILITY_LIST] & ~3u;

	for (int links = 0; at >= PCI_STD_HEADER_SIZEOF && links < 48; links++) {
		if (v->fn.config[at] == id)
			return at + len <= PCI_CONFIG_BYTES ? at : 0;
		at = v->fn.config[at + 1] & ~3u;
	}
	return 0;
}

/* Take the capability out of the list: what is not given is not shown. */
static void hide_cap(struct vfio *v, uint8_t id)
{
	unsigned int cap = find_cap(v, id, 2), at = PCI_CAPABILITY_LIST;

	while (cap && at && (v->fn.config[at] & ~3u) != cap)
		at = (v->fn.config[at] & ~3u) + 1;
	if (!cap || !at)
		return;
	v->fn.config[at] = v->fn.config[cap + 1];
	v->fn.writable[at] = 0;
	v->ours[at] = true;
}

static int set_up_msix(struct vfio *v, unsigned int cap, struct err *e)
{
	int n = (pci_get(&v->fn, cap + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) + 1;

	v->table_bytes = (uint64_t)n * PCI_MSIX_ENTRY_SIZE;
	v->pending_bytes = (n + 63) / 64 * 8;
	n = n < MSIX_VECTORS_MAX ? n : MSIX_VECTORS_MAX; /* drivers take what there is */
	v->irq_index = VFIO_PCI_MSIX_IRQ_INDEX;
	v->table = pci_get(&v->fn, cap + PCI_MSIX_TABLE, 4);
	v->pending = pci_get(&v->fn, cap + PCI_MSIX_PBA, 4);
	hide_cap(v, PCI_CAP_ID_MSI);
	memset(v->ours + cap, true, PCI_CAP_MSIX_SIZEOF);
	return msix_init_at(&v->msix, &v->fn, n, cap, e);
}

static int set_up_msi(struct vfio *v, unsigned int cap, struct err *e)
{
	uint32_t flags = pci_get(&v->fn, cap + PCI_MSI_FLAGS, 2);
	/* what follows a short one may be the next capability */
	unsigned int len = flags & PCI_MSI_FLAGS_64BIT ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32;
	int n = 1 << ((flags & PCI_MSI_FLAGS_QMASK) >> 1);

	if (n > MSI_VECTORS_MAX)
		return err_set(e, -EINVAL, "--vfio %s: %d MSI vectors", v->address, n);
	v->irq_index = VFIO_PCI_MSI_IRQ_INDEX;
	/* no masking of single vectors: Linux does without */
	pci_put(&v->fn, cap + PCI_MSI_FLAGS, 2,
		flags & (PCI_MSI_FLAGS_QMASK | PCI_MSI_FLAGS_64BIT));
	memset(v->fn.writable + cap, 0, PCI_MSI_ADDRESS_LO);
	v->fn.writable[cap + PCI_MSI_FLAGS] = PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE;
	memset(v->fn.writable + cap + PCI_MSI_ADDRESS_LO, 0xff, len - PCI_MSI_ADDRESS_LO);
	memset(v->ours + cap, true, len);
	return msix_init_msi(&v->msix, &v->fn, n, cap, e);
}

int vfio_irq_init(struct vfio *v, struct err *e)
{
	unsigned int x = find_cap(v, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF);
	unsigned int msi = find_cap(v, PCI_CAP_ID_MSI, PCI_MSI_MASK_64);

	v->irq_index = VFIO_PCI_NUM_IRQS;
	pci_put(&v->fn, PCI_INTERRUPT_PIN, 1, 0);
	if (x)
		return set_up_msix(v, x, e);
	return msi ? set_up_msi(v, msi, e) : 0;
}
