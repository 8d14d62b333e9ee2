// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/vfio.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "vmm/msix.h"
#include "vmm/pci.h"
#include "vmm/vm.h"

enum {
	FIRST_SLOT = 2, /* 0 and 1 are guest RAM */
	PAGE = 4096,
	PIECES = 2, /* of a BAR: before and behind the page of the MSI-X table */
	MSI_VECTORS_MAX = 32,
};

/* A part of a BAR that the guest reaches without an exit. */
struct piece {
	uint64_t offset, bytes;
	void *host;
	uint32_t slot;
};

struct region {
	uint64_t offset; /* in the device's file */
	uint64_t bytes;
	struct piece piece[PIECES];
	int n_pieces;
};

struct vfio {
	struct pci_fn fn;
	struct vm *vm;
	char address[VFIO_ADDRESS_BYTES];
	int container, group, device;
	uint64_t config_at; /* of configuration space in the device's file */
	struct region bar[PCI_BARS];
	struct msix msix; /* or MSI */
	unsigned int irq_index; /* VFIO_PCI_MSIX_IRQ_INDEX, _MSI_; VFIO_PCI_NUM_IRQS: neither */
	uint32_t table, pending; /* MSI-X: offset | BAR */
	uint64_t table_bytes, pending_bytes; /* the device's own, which may be more than msix has */
	bool ours[PCI_CONFIG_BYTES]; /* emulated: the device's own value is not looked at */
	int triggered; /* the host raises so many of our descriptors */
};

static struct vfio *of(struct pci_fn *f)
{
	return container_of(f, struct vfio, fn);
}

/* --- memory of the function --- */

static int set_slot(const struct vfio *v, const struct piece *p, uint64_t at)
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

/* --- interrupts --- */

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

static void interrupts_written(struct vfio *v)
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
		interrupts_written(v);
}

static const struct pci_fn_ops fn_ops = {
	.access = access_bar,
	.config_read = config_read,
	.config_written = config_written,
	.mapped = mapped,
};

/* --- opening --- */

static int wrong(const struct vfio *v, const char *what, struct err *e)
{
	return err_sys(e, "--vfio %s: %s failed", v->address, what);
}

static int open_group(struct vfio *v, int number, struct err *e)
{
	struct vfio_group_status s = { .argsz = sizeof(s) };
	char path[64];

	snprintf(path, sizeof(path), "/dev/vfio/%d", number);
	v->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (v->container < 0)
		return err_set(
			e, -errno,
			"--vfio %s: opening /dev/vfio/vfio failed: %s; load vfio-pci, or run as "
			"root",
			v->address, strerror(errno));
	if (ioctl(v->container, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
	    ioctl(v->container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) <= 0)
		return err_set(e, -ENOTSUP,
			       "--vfio %s: this kernel has no VFIO of type 1, version 2",
			       v->address);
	v->group = open(path, O_RDWR | O_CLOEXEC);
	if (v->group < 0)
		return err_set(e, -errno, "--vfio %s: opening %s failed: %s; %s", v->address, path,
			       strerror(errno),
			       errno == EBUSY
				       ? "another VM has it, or another function of its group"
				       : "run as root, or be given that file");
	if (ioctl(v->group, VFIO_GROUP_GET_STATUS, &s))
		return wrong(v, "asking for the group's state", e);
	if (!(s.flags & VFIO_GROUP_FLAGS_VIABLE))
		return err_set(
			e, -EBUSY,
			"--vfio %s: IOMMU group %d is not viable; bind all of its functions to "
			"vfio-pci",
			v->address, number);
	if (ioctl(v->group, VFIO_GROUP_SET_CONTAINER, &v->container) ||
	    ioctl(v->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return wrong(v, "setting up the IOMMU", e);
	return 0;
}

/* KVM has to know: DMA of the function may bypass the caches (virt/kvm/devices/vfio.rst). */
static int tell_kvm(struct vfio *v, struct err *e)
{
	struct kvm_create_device d = { .type = KVM_DEV_TYPE_VFIO };
	struct kvm_device_attr attr = { .group = KVM_DEV_VFIO_GROUP,
					.attr = KVM_DEV_VFIO_GROUP_ADD,
					.addr = (uintptr_t)&v->group };

	if (v->vm->vfio.kvm_device < 0) {
		if (ioctl(v->vm->fd, KVM_CREATE_DEVICE, &d))
			return wrong(v, "telling KVM of it", e);
		v->vm->vfio.kvm_device = d.fd;
	}
	if (ioctl(v->vm->vfio.kvm_device, KVM_SET_DEVICE_ATTR, &attr))
		return wrong(v, "telling KVM of its group", e);
	return 0;
}

static int map_ram(struct vfio *v, uint64_t at, void *host, uint64_t bytes, struct err *e)
{
	struct vfio_iommu_type1_dma_map m = {
		.argsz = sizeof(m),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)host,
		.iova = at,
		.size = bytes,
	};

	if (!bytes || !ioctl(v->container, VFIO_IOMMU_MAP_DMA, &m))
		return 0;
	return err_set(e, -errno,
		       "--vfio %s: pinning %" PRIu64
		       " MiB of guest memory for DMA failed: %s; raise "
		       "RLIMIT_MEMLOCK (ulimit -l)",
		       v->address, bytes >> 20, strerror(errno));
}

static int open_device(struct vfio *v, struct err *e)
{
	struct vfio_region_info config = { .argsz = sizeof(config),
					   .index = VFIO_PCI_CONFIG_REGION_INDEX };
	const struct memory *m = &v->vm->mem;
	int ret = map_ram(v, 0, m->host, m->low_bytes, e);

	if (!ret)
		ret = map_ram(v, MEM_HIGH_START, m->host + m->low_bytes, m->bytes - m->low_bytes,
			      e);
	if (ret < 0)
		return ret;
	v->device = ioctl(v->group, VFIO_GROUP_GET_DEVICE_FD, v->address);
	if (v->device < 0)
		return wrong(v, "opening the function", e);
	fcntl(v->device, F_SETFD, FD_CLOEXEC);
	if (ioctl(v->device, VFIO_DEVICE_RESET) && errno != ENOTTY && errno != EINVAL)
		return wrong(v, "resetting it", e);
	if (ioctl(v->device, VFIO_DEVICE_GET_REGION_INFO, &config))
		return wrong(v, "finding its configuration space", e);
	v->config_at = config.offset;
	if (pread(v->device, v->fn.config, PCI_CONFIG_BYTES, v->config_at) != PCI_CONFIG_BYTES)
		return wrong(v, "reading its configuration space", e);
	return 0;
}

/* --- setting up what the guest sees --- */

static unsigned int find_cap(const struct vfio *v, uint8_t id)
{
	unsigned int at = v->fn.config[PCI_CAPABILITY_LIST] & ~3u;

	for (int links = 0; at >= PCI_STD_HEADER_SIZEOF && links < 48; links++) {
		if (v->fn.config[at] == id)
			return at;
		at = v->fn.config[at + 1] & ~3u;
	}
	return 0;
}

/* Take the capability out of the list: what is not given is not shown. */
static void hide_cap(struct vfio *v, uint8_t id)
{
	unsigned int cap = find_cap(v, id), at = PCI_CAPABILITY_LIST;

	while (cap && at && (v->fn.config[at] & ~3u) != cap)
		at = (v->fn.config[at] & ~3u) + 1;
	if (!cap || !at)
		return;
	v->fn.config[at] = v->fn.config[cap + 1];
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

static int set_up_interrupts(struct vfio *v, struct err *e)
{
	unsigned int x = find_cap(v, PCI_CAP_ID_MSIX), msi = find_cap(v, PCI_CAP_ID_MSI);

	v->irq_index = VFIO_PCI_NUM_IRQS;
	pci_put(&v->fn, PCI_INTERRUPT_PIN, 1, 0);
	if (x)
		return set_up_msix(v, x, e);
	return msi ? set_up_msi(v, msi, e) : 0;
}

static int map_piece(struct vfio *v, struct region *r, uint64_t first, uint64_t end, struct err *e)
{
	struct piece *p = &r->piece[r->n_pieces];

	if (first >= end)
		return 0;
	*p = (struct piece){ .offset = first, .bytes = end - first };
	p->host = mmap(NULL, p->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, v->device,
		       r->offset + first);
	if (p->host == MAP_FAILED)
		return wrong(v, "mapping its memory", e);
	p->slot = v->vm->vfio.next_slot++;
	r->n_pieces++;
	return 0;
}

/* The pages of the MSI-X table and its pending bits stay with us; what lies between them, too. */
static int map_region(struct vfio *v, int bar, struct err *e)
{
	struct region *r = &v->bar[bar];
	uint64_t first = r->bytes, end = r->bytes;
	const struct {
		uint32_t where;
		uint64_t bytes;
	} ours[] = { { v->table, v->table_bytes }, { v->pending, v->pending_bytes } };
	int ret;

	for (size_t i = 0; v->irq_index == VFIO_PCI_MSIX_IRQ_INDEX && i < ARRAY_SIZE(ours); i++) {
		uint64_t at = ours[i].where & ~7u, behind = at + ours[i].bytes;

		if ((int)(ours[i].where & 7) != bar || behind > r->bytes)
			continue;
		behind = (behind + PAGE - 1) / PAGE * PAGE;
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
	struct region *r = &v->bar[bar];

	pci_put(&v->fn, PCI_BASE_ADDRESS_0 + 4 * bar, 4, 0);
	if (ioctl(v->device, VFIO_DEVICE_GET_REGION_INFO, &info))
		return wrong(v, "asking for its memory", e);
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

static int set_up(struct vfio *v, struct err *e)
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
	ret = set_up_interrupts(v, e);
	if (!ret)
		ret = set_up_bars(v, e);
	return ret < 0 ? ret : pci_attach(pci_of(v->vm), &v->fn, e);
}

int vfio_create(struct vfio_set *set, struct vm *vm, const struct dev_opt *o, struct err *e)
{
	struct vfio *v = calloc(1, sizeof(*v));
	int group, ret;

	if (!v)
		return err_set(e, -ENOMEM, "no memory for a PCI function");
	v->vm = vm;
	v->container = v->group = v->device = -1;
	if (!set->n) {
		set->next_slot = FIRST_SLOT;
		set->kvm_device = -1;
	}
	set->at[set->n++] = v;
	span_copy(o->path, v->address, sizeof(v->address));
	group = vfio_check("/sys", v->address, e);
	if (group < 0)
		return group;
	ret = open_group(v, group, e);
	if (!ret)
		ret = tell_kvm(v, e);
	if (!ret)
		ret = open_device(v, e);
	return ret < 0 ? ret : set_up(v, e);
}

static void destroy(struct vfio *v)
{
	for (int b = 0; b < PCI_BARS; b++)
		for (int i = 0; i < v->bar[b].n_pieces; i++)
			munmap(v->bar[b].piece[i].host, v->bar[b].piece[i].bytes);
	if (v->device >= 0)
		close(v->device); /* its interrupts end */
	msix_destroy(&v->msix);
	if (v->group >= 0)
		close(v->group);
	if (v->container >= 0)
		close(v->container);
	free(v);
}

void vfio_destroy(struct vfio_set *set)
{
	if (!set->n)
		return;
	if (set->kvm_device >= 0)
		close(set->kvm_device); /* lets the groups go */
	while (set->n)
		destroy(set->at[--set->n]);
}
