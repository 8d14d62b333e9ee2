// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/file.h"
#include "tracing/kvmfs.h"

static char root[64];

/* a vCPU as KVM shows it, below the directory of its guest */
static void make_vcpu(pid_t vmm, unsigned int id, int tid, long offset)
{
	struct err e = { 0 };
	char path[160], text[32];

	snprintf(path, sizeof(path), "%s/%d-7", root, vmm);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%d-7/vcpu%u", root, vmm, id);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/%d-7/vcpu%u/tsc-offset", root, vmm, id);
	snprintf(text, sizeof(text), "%ld\n", offset);
	assert_int_equal(file_replace(path, text, strlen(text), &e), 0);
	snprintf(path, sizeof(path), "%s/%d-7/vcpu%u/pid", root, vmm, id);
	snprintf(text, sizeof(text), "%d\n", tid);
	assert_int_equal(file_replace(path, text, strlen(text), &e), 0);
}

static int begin(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/rtkvm-unit-kvmfs.XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int end(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command);
}

/* The only guest there is, until that of the command comes: nothing of the first may stay. */
static void another_guest(void **state)
{
	struct kvm_wanted w = { .ancestor = getpid(), .root = root };
	struct manifest m = { 0 };

	(void)state;
	for (unsigned int i = 0; i < 4; i++)
		make_vcpu(1, i, 900 + i, -1000);
	kvm_look(&m, &w);
	assert_int_equal(m.n_vcpus, 4);
	assert_int_equal(m.vcpus[3].tid, 903);
	for (unsigned int i = 0; i < 2; i++)
		make_vcpu(getpid(), i, 500 + i, -2000);
	kvm_look(&m, &w);
	assert_int_equal(m.n_vcpus, 2);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(m.vcpus[i].tid, 500 + i);
		assert_int_equal(m.vcpus[i].map.offset, -2000);
	}
	manifest_free(&m);
}

/* 6 vCPUs of two sockets: APIC ids 0 to 2 and 4 to 6, the guest's CPUs are 0 to 5 */
static void ids_with_gaps(void **state)
{
	static const unsigned int ids[] = { 6, 0, 5, 1, 4, 2 }, sorted[] = { 0, 1, 2, 4, 5, 6 };
	struct kvm_wanted w = { .vmm = 1, .root = root };
	struct manifest m = { 0 };

	(void)state;
	for (unsigned int i = 0; i < 6; i++) {
		make_vcpu(1, ids[i], 100 + ids[i], -7);
		kvm_look(&m, &w); /* QEMU makes one after the other */
		assert_int_equal(m.n_vcpus, i + 1);
	}
	for (unsigned int i = 0; i < 6; i++) {
		assert_int_equal(m.vcpus[i].vcpu, i);
		assert_int_equal(m.vcpus[i].kvm_id, sorted[i]);
		assert_int_equal(m.vcpus[i].tid, 100 + sorted[i]);
	}
	manifest_free(&m);
}

/* A guest that ends takes its vCPUs down one by one: what was known of them stays. */
static void a_guest_that_goes(void **state)
{
	struct kvm_wanted w = { .vmm = 1, .root = root };
	struct manifest m = { 0 };
	char command[96];

	(void)state;
	for (unsigned int i = 0; i < 3; i++)
		make_vcpu(1, i, 100 + i, 0);
	kvm_look(&m, &w);
	snprintf(command, sizeof(command), "rm -r %s/1-7/vcpu1", root);
	assert_int_equal(system(command), 0);
	kvm_look(&m, &w);
	assert_int_equal(m.n_vcpus, 3);
	assert_int_equal(m.vcpus[1].tid, 101);
	manifest_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(another_guest, begin, end),
		cmocka_unit_test_setup_teardown(ids_with_gaps, begin, end),
		cmocka_unit_test_setup_teardown(a_guest_that_goes, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
