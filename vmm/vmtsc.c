// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/vmtsc.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/clock.h"
#include "lib/file.h"

/* Until two points are far enough apart: most set-ups take longer than one step by themselves. */
enum { STEPS = 40, STEP_NS = 5000000 };

/*
 * Guest TSC = host TSC, so that stamps of both can be compared; Linux 5.16 and later have the
 * attribute. What a set attribute reads back as is what counts.
 */
static int align(struct vm *vm, struct err *e)
{
	uint64_t offset;
	struct kvm_device_attr attr = { .group = KVM_VCPU_TSC_CTRL,
					.attr = KVM_VCPU_TSC_OFFSET,
					.addr = (uintptr_t)&offset };

	for (int i = 0; i < vm->n_vcpus; i++) {
		int fd = vm->vcpus[i].fd;

		if (ioctl(fd, KVM_HAS_DEVICE_ATTR, &attr))
			return 0;
		offset = 0;
		if (ioctl(fd, KVM_SET_DEVICE_ATTR, &attr))
			return err_sys(e, "setting vCPU %d's TSC offset failed", i);
		offset = 1;
		if (ioctl(fd, KVM_GET_DEVICE_ATTR, &attr) || offset)
			return err_set(e, -EIO, "TSC of vCPU %d: wanted offset 0, got %" PRId64, i,
				       (int64_t)offset);
	}
	vm->tsc_is_host = true;
	return 0;
}

/* A TSC that the host's kernel keeps its own time by is invariant, whatever CPUID says of it. */
static bool host_trusts_tsc(void)
{
	char name[32];

	return !strcmp(
		file_read_line("/sys/devices/system/clocksource/clocksource0/current_clocksource",
			       name, sizeof(name)),
		"tsc");
}

static int read_khz(struct vcpu *v, struct err *e)
{
	int khz = ioctl(v->fd, KVM_GET_TSC_KHZ, 0);

	if (khz <= 0)
		return err_set(e, -EIO, "KVM does not know the TSC frequency: it is not stable");
	v->tsc_khz = khz;
	return 0;
}

int vmtsc_set(struct vm *vm, struct err *e)
{
	int ret = align(vm, e);

	vm->invtsc = host_trusts_tsc();
	for (int i = 0; i < vm->n_vcpus && !ret; i++) {
		ret = read_khz(&vm->vcpus[i], e);
		vm->vcpus[i].tsc = tsc_read(vm->vcpus[i].fd);
	}
	vm->tsc_khz = vm->vcpus[0].tsc_khz;
	return ret;
}

int vmtsc_check(struct vm *vm, struct err *e)
{
	struct err why = { 0 };
	int ret = -EIO;

	for (int i = 0; ret < 0 && i < STEPS; i++) {
		struct tsc_instant now = tsc_instant();

		why = (struct err){ 0 };
		ret = tsc_rate(&vm->host_tsc, &vm->created, &now, &why);
		if (ret < 0)
			clock_sleep_until(clock_now_ns() + STEP_NS);
	}
	if (ret < 0)
		return err_set(e, ret, "%s", why.text);
	for (int i = 0; i < vm->n_vcpus && !ret; i++) {
		struct tsc_read now = tsc_read(vm->vcpus[i].fd);

		ret = tsc_check_scale(i, &vm->vcpus[i].tsc, &now, e);
	}
	return ret;
}
