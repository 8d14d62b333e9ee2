// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/tscread.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <time.h>
#include <x86intrin.h>

#include "lib/clock.h"

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

struct tsc_instant tsc_instant(void)
{
	struct tsc_instant best = { .error_tsc = UINT64_MAX };

	for (int i = 0; i < TRIES; i++) {
		struct timespec ts;
		uint64_t before = __rdtsc(), half;

		clock_gettime(CLOCK_MONOTONIC_RAW, &ts); /* what NTP does to clocks is not in it */
		_mm_lfence();
		half = (__rdtsc() - before) / 2;
		if (half < best.error_tsc)
			best = (struct tsc_instant){ before + half,
						     ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec, half };
	}
	return best;
}

int tsc_rate(struct tsc_rate *r, const struct tsc_instant *from, const struct tsc_instant *to,
	     struct err *e)
{
	uint64_t ticks = to->tsc - from->tsc, ns = to->raw_ns - from->raw_ns, ppm;

	if (to->tsc <= from->tsc || to->raw_ns <= from->raw_ns)
		return err_set(e, -EIO,
			       "measuring the host's TSC failed: it or CLOCK_MONOTONIC_RAW stands "
			       "still");
	ppm = (unsigned __int128)(from->error_tsc + to->error_tsc) * 1000000 / ticks + 1;
	if (ppm > TSC_ERROR_MAX_PPM)
		return err_set(e, -EIO,
			       "measuring the host's TSC failed: readings of the clocks took "
			       "%" PRIu64 " of %" PRIu64 " ticks",
			       from->error_tsc + to->error_tsc, ticks);
	*r = (struct tsc_rate){ (unsigned __int128)ticks * 1000000 / ns, ppm };
	return 0;
}

int tsc_check_scale(int index, const struct tsc_read *from, const struct tsc_read *to,
		    struct err *e)
{
	uint64_t guest = to->guest - from->guest, least = to->before - from->after,
		 most = to->after - from->before;

	if (!from->after || !to->after)
		return 0;
	if (guest >= least - least / 1000000 * TSC_TOLERANCE_PPM &&
	    guest <= most + most / 1000000 * TSC_TOLERANCE_PPM)
		return 0;
	return err_set(
		e, -EIO,
		"TSC of vCPU %d: wanted the host's rate, got %" PRIu64 " ticks in %" PRIu64
		" of the host's: KVM scales it, so that stamps of guest and host do not agree; "
		"check the host's clock (dmesg, \"tsc\")",
		index, guest, most);
}
