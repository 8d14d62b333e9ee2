// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "lib/cleanup.h"
#include "vmm/vmtsc.h"

/* A KVM that has the attribute of the TSC's offset, or not, and what it reads back as. */
static struct {
	bool has;
	int set_errno, get_errno;
	int64_t offset;
	int khz;
} fake;

static int answer(int code)
{
	errno = code;
	return code ? -1 : 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	struct kvm_device_attr *a;
	va_list args;

	va_start(args, request);
	a = va_arg(args, void *);
	va_end(args);
	assert_int_equal(fd, -1);
	switch (request) {
	case KVM_HAS_DEVICE_ATTR:
		return answer(fake.has ? 0 : ENXIO);
	case KVM_SET_DEVICE_ATTR:
		assert_int_equal(*(int64_t *)(uintptr_t)a->addr, 0);
		return answer(fake.set_errno);
	case KVM_GET_DEVICE_ATTR:
		*(int64_t *)(uintptr_t)a->addr = fake.offset;
		return answer(fake.get_errno);
	case KVM_GET_TSC_KHZ:
		return fake.khz;
	}
	return answer(EINVAL); /* a TSC is not read */
}

static void an_offset_is_0_or_refused(void **state)
{
	static const struct {
		bool has;
		int set_errno, get_errno;
		int64_t offset;
		int khz, code;
		const char *text; /* of the error */
	} t[] = {
		{ true, 0, 0, 0, 2600000, 0, "" },
		{ false, 0, 0, -33618, 2600000, 0, "" }, /* before Linux 5.16 */
		/* as on a kernel that has found its TSC unstable */
		{ true, 0, 0, -33618, 2600000, -EIO, "wanted offset 0, got -33618, " },
		{ true, 0, 0, -33618, 2600000, -EIO, "boot with tsc=reliable" },
		{ true, EINVAL, 0, 0, 2600000, -EINVAL, "setting vCPU 0's TSC offset failed" },
		{ true, 0, EINVAL, 0, 2600000, -EINVAL, "reading vCPU 0's TSC offset back failed" },
		{ true, 0, 0, 0, 0, -EIO, "KVM does not know the TSC frequency" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct vcpu vcpu = { .fd = -1 };
		struct vm vm = { .vcpus = &vcpu, .n_vcpus = 1 };
		struct err e = { 0 };

		fake = (typeof(fake)){ t[i].has, t[i].set_errno, t[i].get_errno, t[i].offset,
				       t[i].khz };
		assert_int_equal(vmtsc_set(&vm, &e), t[i].code);
		assert_non_null(strstr(e.text, t[i].text));
		assert_int_equal(!t[i].code, !e.text[0]);
		if (!t[i].code) {
			assert_int_equal(vm.tsc_is_host, t[i].has);
			assert_int_equal(vm.tsc_khz, t[i].khz);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_offset_is_0_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
