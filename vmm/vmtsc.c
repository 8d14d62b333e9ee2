// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/vmtsc.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/file.h"

static const char clocksource[] =
	"/sys/devices/system/clocksource/clocksource0/current_clocksource";

/* A TSC that the host's kernel keeps its own time by is invariant, whatever CPUID says of it. */
static bool host_trusts_tsc(void)
{
	char name[32];

	return !strcmp(file_read_line(clocksource, name, sizeof(name)), "tsc");
}

/* Where the kernel has found its TSC unstable KVM makes up an offset of its own at each entry. */
static int refuse_offset(int vcpu, int64_t offset, struct err *e)
{
	char name[32];

	return err_set(e, -EIO,
		       "TSC of vCPU %d: wanted offset 0, got %" PRId64
		       ", the host's clocksource is "
		       "%s; KVM keeps an offset where the kernel trusts its TSC: see what dmesg "
		       "says of it, or boot with tsc=reliable where it is",
		       vcpu, offset, file_read_line(clocksource, name, sizeof(name)));
}

static struct kvm_device_attr offset_at(uint64_t *offset)
{
	return (struct kvm_device_attr){ .group = KVM_VCPU_TSC_CTRL,
					 .attr = KVM_VCPU_TSC_OFFSET,
					 .addr = (uintptr_t)offset };
}

/*
 * Guest TSC = host TSC, so that stamps of both can be compared; Linux 5.16 and later have the
 * attribute. What a set attribute reads back as is what counts.
 */
static int align(struct vm *vm, struct err *e)
{
	uint64_t offset;
	struct kvm_device_attr attr = offset_at(&offset);

	for (int i = 0; i < vm->n_vcpus; i++) {
		int fd = vm->vcpus[i].fd;

		if (ioctl(fd, KVM_HAS_DEVICE_ATTR, &attr))
			return 0;
		offset = 0;
		if (ioctl(fd, KVM_SET_DEVICE_ATTR, &attr))
			return err_sys(e, "setting vCPU %d's TSC offset failed", i);
		offset = 1;
		if (ioctl(fd, KVM_GET_DEVICE_ATTR, &attr))
			return err_sys(e, "reading vCPU %d's TSC offset back failed", i);
		if (offset)
			return refuse_offset(i, offset, e);
	}
	vm->tsc_offset_known = vm->tsc_is_host = true;
	return 0;
}

int vmtsc_set(struct vm *vm, struct err *e)
{
	int ret = align(vm, e), khz;

	if (ret < 0)
		return ret;
	vm->invtsc = host_trusts_tsc();
	khz = ioctl(vm->vcpus[0].fd, KVM_GET_TSC_KHZ, 0);
	if (khz <= 0)
		return err_set(e, -EIO, "KVM does not know the TSC frequency: it is not stable");
	vm->tsc_khz = khz;
	for (int i = 0; i < vm->n_vcpus; i++)
		vm->vcpus[i].tsc = tsc_read(vm->vcpus[i].fd);
	return 0;
}

static int check_one(struct vcpu *v, struct err *e)
{
	struct tsc_read now = tsc_read(v->fd);
	uint64_t offset = 0;
	struct kvm_device_attr attr = offset_at(&offset);

	if (v->vm->tsc_offset_known && ioctl(v->fd, KVM_GET_DEVICE_ATTR, &attr))
		return err_sys(e, "reading vCPU %d's TSC offset failed", v->index);
	if (offset) { /* the guest has set its TSC: that is no scale */
		v->vm->tsc_is_host = false;
		now.guest -= offset;
	}
	return tsc_check_scale(&v->tsc_scale, v->index, &v->tsc, &now, e);
}

int vmtsc_check(struct vm *vm, struct err *e)
{
	int ret = 0;

	/* without the attribute nothing tells whether a guest that has run has set its TSC */
	if (!vm->tsc_offset_known && vm->state != VM_HELD)
		return 0;
	for (int i = 0; i < vm->n_vcpus; i++) /* of all, also when the first is scaled */
		if (check_one(&vm->vcpus[i], e) < 0)
			ret = e->code;
	return ret;
}
