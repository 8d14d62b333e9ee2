// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/prefault.h"

#include <errno.h>
#include <sys/ioctl.h>

/* Documentation/virt/kvm/api.rst, 4.143 KVM_PRE_FAULT_MEMORY; Debian 12's headers are older */
#ifndef KVM_PRE_FAULT_MEMORY
#define KVM_CAP_PRE_FAULT_MEMORY 236
struct kvm_pre_fault_memory {
	__u64 gpa;
	__u64 size;
	__u64 flags;
	__u64 padding[5];
};
#define KVM_PRE_FAULT_MEMORY _IOWR(KVMIO, 0xd5, struct kvm_pre_fault_memory)
#endif

/* The kernel moves gpa and size along, so that an interrupted call goes on where it was. */
static int slot(struct vm *vm, uint64_t gpa, uint64_t bytes, struct err *e)
{
	struct kvm_pre_fault_memory range = { .gpa = gpa, .size = bytes };

	while (range.size) {
		if (!ioctl(vm->vcpus[0].fd, KVM_PRE_FAULT_MEMORY, &range) || errno == EINTR ||
		    errno == EAGAIN)
			continue;
		if (errno == EOPNOTSUPP ||
		    errno == ENOTTY) /* no two-level paging, or an older KVM */
			return 0;
		return err_sys(e, "mapping guest memory before its start failed at %#llx",
			       (unsigned long long)range.gpa);
	}
	vm->mem.prefaulted_bytes += bytes;
	return 0;
}

int prefault_guest(struct vm *vm, struct err *e)
{
	struct memory *m = &vm->mem;
	int ret;

	/* the number has meant something else in a vendor's kernel: what the ioctl says counts */
	if (!vm->opts.mem.populate ||
	    ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_PRE_FAULT_MEMORY) <= 0)
		return 0;
	ret = slot(vm, 0, m->low_bytes, e);
	return ret < 0 ? ret : slot(vm, MEM_HIGH_START, m->bytes - m->low_bytes, e);
}
