// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/tscread.h"

#include <errno.h>
#include <linux/kvm.h>
#include <math.h>
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

int tsc_check_scale(struct tsc_scale *s, int index, const struct tsc_read *from,
		    const struct tsc_read *to, struct err *e)
{
	/* differences wrap; the host's lies between least and most */
	double guest = (int64_t)(to->guest - from->guest);
	double least = (int64_t)(to->before - from->after);
	double most = (int64_t)(to->after - from->before);
	double host = (least + most) / 2;

	*s = (struct tsc_scale){ 0 };
	if (!from->after || !to->after)
		return 0;
	if (least <= 0)
		return err_set(
			e, -EIO,
			"the host's own TSC stands still or runs backwards, and the guest's with "
			"it; check the host's clock (dmesg, \"tsc\")");
	*s = (struct tsc_scale){ true, (guest - host) / host * 1e6,
				 (most - least) / 2 / host * 1e6 };
	if (fabs(s->off_ppm) <= s->bound_ppm + TSC_TOLERANCE_PPM)
		return 0;
	return err_set(
		e, -EIO,
		"TSC of vCPU %d: wanted the host's rate, got one that is %.0f ppm off, give or "
		"take %.0f: KVM scales it, so that stamps of guest and host do not agree; check "
		"the host's clock (dmesg, \"tsc\")",
		index, s->off_ppm, s->bound_ppm);
}
