// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "vmm/prefault.h"

enum { VM_FD = 70, VCPU_FD = 71 };

/* A KVM with KVM_PRE_FAULT_MEMORY (api.rst, 4.143), which gets so far in each call. */
static struct {
	int has, code; /* errno of every call; 0: none */
	uint64_t step_bytes;
	int again; /* errno, in turn with success */
	uint64_t done[8][2];
	size_t n, calls;
} kvm;

struct range {
	uint64_t gpa, size, flags, padding[5];
};

int ioctl(int fd, unsigned long request, ...)
{
	struct range *r;
	va_list args;
	uint64_t step;

	va_start(args, request);
	r = va_arg(args, struct range *);
	va_end(args);
	if (fd == VM_FD)
		return kvm.has;
	assert_int_equal(fd, VCPU_FD);
	assert_int_equal(request & 0xffff, 0xaed5);
	assert_int_equal(request >> 16 & 0x3fff, sizeof(*r));
	assert_int_equal(r->flags, 0);
	errno = kvm.code ? kvm.code : kvm.calls++ % 2 ? kvm.again : 0;
	if (errno)
		return -1;
	assert_true(kvm.n < ARRAY_SIZE(kvm.done));
	step = r->size < kvm.step_bytes ? r->size : kvm.step_bytes;
	kvm.done[kvm.n][0] = r->gpa;
	kvm.done[kvm.n++][1] = step;
	r->gpa += step;
	r->size -= step;
	return 0;
}

static void maps_all_of_ram(void **state)
{
	static const struct {
		const char *what;
		bool populate;
		int has, code, again;
		uint64_t step_bytes, low_bytes, bytes;
		int ret;
		uint64_t want_bytes;
		size_t n;
		uint64_t last; /* address of the last call */
	} rows[] = {
		{ "low", true, 1, 0, 0, 1 << 30, 256 << 20, 256 << 20, 0, 256 << 20, 1, 0 },
		{ "low and high", true, 1, 0, 0, 4ull << 30, 3ull << 30, 5ull << 30, 0, 5ull << 30,
		  2, 4ull << 30 },
		{ "in pieces", true, 1, 0, 0, 128 << 20, 256 << 20, 256 << 20, 0, 256 << 20, 2,
		  128 << 20 },
		{ "interrupted", true, 1, 0, EINTR, 128 << 20, 256 << 20, 256 << 20, 0, 256 << 20,
		  2, 128 << 20 },
		{ "try again", true, 1, 0, EAGAIN, 128 << 20, 256 << 20, 256 << 20, 0, 256 << 20, 2,
		  128 << 20 },
		{ "an older kernel", true, 0, 0, 0, 1 << 30, 256 << 20, 256 << 20, 0, 0, 0, 0 },
		{ "not by that number", true, 1, ENOTTY, 0, 0, 1 << 20, 1 << 20, 0, 0, 0, 0 },
		{ "shadow paging", true, 1, EOPNOTSUPP, 0, 0, 1 << 20, 1 << 20, 0, 0, 0, 0 },
		{ "refused", true, 1, EFAULT, 0, 0, 1 << 20, 1 << 20, -EFAULT, 0, 0, 0 },
		{ "--prefault off", false, 1, 0, 0, 1 << 30, 1 << 20, 1 << 20, 0, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm *vm = aligned_alloc(64, (sizeof(*vm) + 63) / 64 * 64);
		struct vcpu *v = aligned_alloc(64, (sizeof(*v) + 63) / 64 * 64);
		struct err e = { 0 };

		assert_non_null(vm);
		assert_non_null(v);
		memset(vm, 0, sizeof(*vm));
		memset(v, 0, sizeof(*v));
		memset(&kvm, 0, sizeof(kvm));
		kvm.has = rows[i].has;
		kvm.code = rows[i].code;
		kvm.again = rows[i].again;
		kvm.step_bytes = rows[i].step_bytes;
		v->fd = VCPU_FD;
		vm->fd = VM_FD;
		vm->vcpus = v;
		vm->n_vcpus = 1;
		vm->opts.mem.populate = rows[i].populate;
		vm->mem.low_bytes = rows[i].low_bytes;
		vm->mem.bytes = rows[i].bytes;
		if (prefault_guest(vm, &e) != rows[i].ret)
			fail_msg("%s: %s", rows[i].what, e.text);
		assert_int_equal(vm->mem.prefaulted_bytes, rows[i].want_bytes);
		assert_int_equal(kvm.n, rows[i].n);
		if (kvm.n)
			assert_int_equal(kvm.done[kvm.n - 1][0], rows[i].last);
		free(v);
		free(vm);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_all_of_ram),
	};

	return cmocka_run_group_tests_name("prefault", tests, NULL, NULL);
}
