// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/tscread.h"

#include <linux/kvm.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <x86intrin.h>

enum { MSR_TSC = 0x10, TRIES = 8 };

static bool read_once(int vcpu_fd, struct tsc_read *r)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry tsc;
	} msrs = { .head.nmsrs = 1, .tsc.index = MSR_TSC };
	int n;

	r->before = __rdtsc();
	n = ioctl(vcpu_fd, KVM_GET_MSRS, &msrs);
	_mm_lfence(); /* not before the answer is there */
	r->after = __rdtsc();
	r->guest = msrs.tsc.data;
	return n == 1;
}

struct tsc_read tsc_read(int vcpu_fd)
{
	struct tsc_read best = { 0 }, r;

	for (int i = 0; i < TRIES; i++)
		if (read_once(vcpu_fd, &r) &&
		    (!best.after || r.after - r.before < best.after - best.before))
			best = r;
	return best;
}
