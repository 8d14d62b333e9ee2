// SPDX-License-Identifier: GPL-2.0-only
/* vfioopen - a function of the host and the kernel: its group, the IOMMU, KVM (driver-api/vfio.rst) */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/vfiofn.h"
#include "vmm/vm.h"

int vfio_wrong(const struct vfio *v, const char *what, struct err *e)
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
		return vfio_wrong(v, "asking for the group's state", e);
	if (!(s.flags & VFIO_GROUP_FLAGS_VIABLE))
		return err_set(
			e, -EBUSY,
			"--vfio %s: IOMMU group %d is not viable; bind all of its functions to "
			"vfio-pci",
			v->address, number);
	if (ioctl(v->group, VFIO_GROUP_SET_CONTAINER, &v->container) ||
	    ioctl(v->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return vfio_wrong(v, "setting up the IOMMU", e);
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
			return vfio_wrong(v, "telling KVM of it", e);
		v->vm->vfio.kvm_device = d.fd;
	}
	if (ioctl(v->vm->vfio.kvm_device, KVM_SET_DEVICE_ATTR, &attr))
		return vfio_wrong(v, "telling KVM of its group", e);
	return 0;
}

static int open_device(struct vfio *v, struct err *e)
{
	struct vfio_region_info config = { .argsz = sizeof(config),
					   .index = VFIO_PCI_CONFIG_REGION_INDEX };

	v->device = ioctl(v->group, VFIO_GROUP_GET_DEVICE_FD, v->address);
	if (v->device < 0)
		return vfio_wrong(v, "opening the function", e);
	fcntl(v->device, F_SETFD, FD_CLOEXEC);
	if (ioctl(v->device, VFIO_DEVICE_RESET) && errno != ENOTTY && errno != EINVAL)
		return vfio_wrong(v, "resetting it", e);
	if (ioctl(v->device, VFIO_DEVICE_GET_REGION_INFO, &config))
		return vfio_wrong(v, "finding its configuration space", e);
	v->config_at = config.offset;
	if (pread(v->device, v->fn.config, PCI_CONFIG_BYTES, v->config_at) != PCI_CONFIG_BYTES)
		return vfio_wrong(v, "reading its configuration space", e);
	return 0;
}

int vfio_open(struct vfio *v, struct err *e)
{
	int group = vfio_check("/sys", v->address, e), ret = group;

	if (group >= 0)
		ret = open_group(v, group, e);
	if (!ret)
		ret = tell_kvm(v, e);
	return ret < 0 ? ret : open_device(v, e);
}

void vfio_close(struct vfio *v)
{
	if (v->device >= 0)
		close(v->device); /* its interrupts end */
	if (v->group >= 0)
		close(v->group);
	if (v->container >= 0)
		close(v->container);
	v->device = v->group = v->container = -1;
}

static int map_ram(const struct vfio *v, uint64_t at, void *host, uint64_t bytes, struct err *e)
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

int vfio_map_memory(const struct vfio_set *set, const struct memory *m, struct err *e)
{
	int ret = 0;

	for (int i = 0; !ret && i < set->n; i++) {
		ret = map_ram(set->at[i], 0, m->host, m->low_bytes, e);
		if (!ret)
			ret = map_ram(set->at[i], MEM_HIGH_START, m->host + m->low_bytes,
				      m->bytes - m->low_bytes, e);
	}
	return ret;
}
