// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/clock.h"
#include "vmm/vmtsc.h"

enum { VCPUS = 2 };

/* No more of a machine than its vCPUs. */
struct machine {
	struct vm vm;
	struct vcpu vcpus[VCPUS];
};

static int make(void **state)
{
	static struct machine m;
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	*state = NULL;
	if (kvm < 0)
		return 0;
	m.vm = (struct vm){ .kvm = kvm, .vcpus = m.vcpus, .n_vcpus = VCPUS };
	m.vm.fd = ioctl(kvm, KVM_CREATE_VM, 0);
	assert_true(m.vm.fd >= 0);
	for (int i = 0; i < VCPUS; i++) {
		m.vcpus[i] = (struct vcpu){ .vm = &m.vm, .index = i };
		m.vcpus[i].fd = ioctl(m.vm.fd, KVM_CREATE_VCPU, (unsigned long)i);
		assert_true(m.vcpus[i].fd >= 0);
	}
	*state = &m;
	return 0;
}

static int end(void **state)
{
	struct machine *m = *state;

	for (int i = 0; m && i < VCPUS; i++)
		close(m->vcpus[i].fd);
	if (m) {
		close(m->vm.fd);
		close(m->vm.kvm);
	}
	return 0;
}

static struct machine *ready(void **state, struct err *e)
{
	struct machine *m = *state;

	if (!m)
		skip();
	assert_int_equal(vmtsc_set(&m->vm, e), 0);
	assert_true(m->vm.tsc_khz > 0);
	assert_true(m->vcpus[0].tsc.after && m->vcpus[1].tsc.after);
	clock_sleep_until(clock_now_ns() + 50000000);
	return m;
}

/* However long it took: the bound tells. */
static void the_machines_own_is_not_scaled(void **state)
{
	struct err e = { 0 };
	struct machine *m = ready(state, &e);

	if (vmtsc_check(&m->vm, &e) < 0)
		fail_msg("%s", e.text);
	for (int i = 0; i < VCPUS; i++) {
		assert_true(m->vcpus[i].tsc_scale.known);
		assert_true(m->vcpus[i].tsc_scale.bound_ppm > 0);
	}
}

/* Readings as if it had run at a tenth more: each vCPU is looked at, and the difference told. */
static void a_scaled_vcpu_is_refused(void **state)
{
	for (int i = 0; i < VCPUS; i++) {
		struct err e = { 0 };
		struct machine *m = ready(state, &e);
		struct tsc_read *first = &m->vcpus[i].tsc, now = tsc_read(m->vcpus[i].fd);
		char want[64];

		first->guest -= (now.after - first->before) / 10;
		assert_int_equal(vmtsc_check(&m->vm, &e), -EIO);
		snprintf(want, sizeof(want), "TSC of vCPU %d: wanted the host's rate", i);
		if (strncmp(e.text, want, strlen(want)) != 0)
			fail_msg("%s", e.text);
		assert_true(m->vcpus[i].tsc_scale.off_ppm > 1000);
		assert_true(m->vcpus[!i].tsc_scale.known);
	}
}

/* A guest that sets its TSC has another offset, and still the host's rate. */
static void one_that_was_set_is_not_scaled(void **state)
{
	struct err e = { 0 };
	struct machine *m = ready(state, &e);
	uint64_t want = -1000000000ull, got = want;
	struct kvm_device_attr attr = { .group = KVM_VCPU_TSC_CTRL,
					.attr = KVM_VCPU_TSC_OFFSET,
					.addr = (uintptr_t)&got };

	m->vm.state = VM_RUNNING;
	if (!m->vm.tsc_offset_known || ioctl(m->vcpus[1].fd, KVM_SET_DEVICE_ATTR, &attr) ||
	    ioctl(m->vcpus[1].fd, KVM_GET_DEVICE_ATTR, &attr) || got != want)
		skip(); /* this KVM has no offset, or ignores it */
	if (vmtsc_check(&m->vm, &e) < 0)
		fail_msg("%s", e.text);
	assert_false(m->vm.tsc_is_host);
}

/* Without the attribute a guest that has run may have set its TSC. */
static void without_an_offset_only_the_start_is_judged(void **state)
{
	struct err e = { 0 };
	struct machine *m = ready(state, &e);

	m->vm.tsc_offset_known = false;
	m->vcpus[0].tsc.guest = 0;
	assert_int_equal(vmtsc_check(&m->vm, &e), -EIO);
	m->vm.state = VM_RUNNING;
	assert_int_equal(vmtsc_check(&m->vm, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_machines_own_is_not_scaled, make, end),
		cmocka_unit_test_setup_teardown(a_scaled_vcpu_is_refused, make, end),
		cmocka_unit_test_setup_teardown(one_that_was_set_is_not_scaled, make, end),
		cmocka_unit_test_setup_teardown(without_an_offset_only_the_start_is_judged, make,
						end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
