// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <asm/kvm_para.h>

#include "lib/cleanup.h"
#include "tests/unit/tree.h"
#include "vmm/cpuid.h"

static const struct cpuid_facts facts = {
	.apic_id = 2, .n_vcpus = 3, .tsc_khz = 2600000, .invtsc = true
};

static struct kvm_cpuid_entry2 adjusted(uint32_t leaf, uint32_t index, uint32_t fill)
{
	struct kvm_cpuid_entry2 c = {
		.function = leaf, .index = index, .eax = fill, .ebx = fill, .ecx = fill, .edx = fill
	};

	cpuid_adjust(&c, &facts);
	return c;
}

static void mwait_comes_with_its_leaf(void **state)
{
	const struct cpuid_facts with = { .n_vcpus = 1,
					  .mwait = true,
					  .monitor = { 64, 65, 3, 0x2020 } };
	struct kvm_cpuid_entry2 c = { .function = 5 };

	(void)state;
	cpuid_adjust(&c, &with);
	assert_int_equal(c.eax, 64);
	assert_int_equal(c.ebx, 65);
	assert_int_equal(c.ecx, 3);
	assert_int_equal(c.edx, 0x2020);
	c = adjusted(5, 0, 0); /* where MWAIT would exit */
	assert_int_equal(c.eax | c.ebx | c.ecx | c.edx, 0);
}

static void what_a_realtime_guest_sees(void **state)
{
	struct kvm_cpuid_entry2 c = adjusted(1, 0, 0);

	(void)state;
	assert_true(c.ecx & 1u << 21); /* x2APIC */
	assert_true(c.ecx & 1u << 24); /* TSC-deadline */
	assert_true(c.ecx & 1u << 31); /* hypervisor */
	assert_int_equal(c.ebx >> 24, 2);
	assert_int_equal(c.ebx >> 16 & 0xff, 4); /* ids, rounded up to a power of two */
	assert_true(c.edx & 1u << 28);

	c = adjusted(1, 0, ~0u);
	assert_false(c.ecx & 1u << 3); /* MWAIT would exit */
	assert_false(c.ecx & 1u << 15); /* no PMU */

	assert_false(c.ecx & (1u << 2 | 1u << 4)); /* no debug store */
	assert_false(c.edx & 1u << 21);

	c = adjusted(0x80000022, 0, ~0u);
	assert_int_equal(c.eax & 1, 0); /* no PerfMonV2 */
	assert_int_equal(c.ebx, 0);

	c = adjusted(0xa, 0, ~0u);
	assert_int_equal(c.eax | c.ebx | c.ecx | c.edx, 0);

	c = adjusted(KVM_CPUID_FEATURES, 0, ~0u);
	assert_true(c.edx & 1u << KVM_HINTS_REALTIME);
	assert_true(c.eax & 1u << KVM_FEATURE_CLOCKSOURCE2);
	assert_true(c.eax & 1u << KVM_FEATURE_CLOCKSOURCE_STABLE_BIT);
	assert_false(c.eax & 1u << KVM_FEATURE_STEAL_TIME);
	assert_false(c.eax & 1u << KVM_FEATURE_ASYNC_PF);

	c = adjusted(KVM_CPUID_SIGNATURE, 0, 0x4b4d564b);
	assert_int_equal(c.eax, 0x40000010);
	assert_int_equal(c.ebx, 0x4b4d564b);

	c = adjusted(0x80000007, 0, 0);
	assert_int_equal(c.edx, 1u << 8);
}

static void what_is_asked_for_or_virtual(void **state)
{
	static const struct cpuid_facts with = {
		.n_vcpus = 1, .pmu = true, .ipi_virtual = true, .aperfmperf = true
	};
	static const struct {
		uint32_t leaf;
		size_t reg; /* offset */
		uint32_t bits; /* that one has and the other has not */
		bool with;
	} t[] = {
		{ 1, offsetof(struct kvm_cpuid_entry2, ecx), 1u << 15, true }, /* PDCM */
		{ 0xa, offsetof(struct kvm_cpuid_entry2, eax), ~0u, true },
		{ 0x80000001, offsetof(struct kvm_cpuid_entry2, ecx), 1u << 23, true },
		{ 0x80000022, offsetof(struct kvm_cpuid_entry2, eax), 1, true },
		{ KVM_CPUID_FEATURES, offsetof(struct kvm_cpuid_entry2, eax),
		  1u << KVM_FEATURE_PV_SEND_IPI, false },
	};
	struct kvm_cpuid_entry2 c = { .function = 6 };

	(void)state;
	cpuid_adjust(&c, &with);
	assert_int_equal(c.ecx,
			 1); /* whatever KVM says: the host has them, or would not allow it */
	assert_int_equal(adjusted(6, 0, 0).ecx, 0);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct kvm_cpuid_entry2 without = adjusted(t[i].leaf, 0, ~0u), *a = &c;

		c = (struct kvm_cpuid_entry2){ t[i].leaf, 0, 0, ~0u, ~0u, ~0u, ~0u, { 0 } };
		cpuid_adjust(&c, &with);
		if (!t[i].with)
			a = &without;
		assert_int_equal(*(uint32_t *)((char *)a + t[i].reg) & t[i].bits, t[i].bits);
		a = a == &c ? &without : &c;
		assert_int_equal(*(uint32_t *)((char *)a + t[i].reg) & t[i].bits, 0);
	}
}

static void who_delivers_ipis(void **state)
{
	const uint32_t x2avic = 1u << 18; /* AMD APM vol. 3 appendix E, leaf 0x8000000a */
	const struct {
		const char *file, *text;
		uint32_t svm;
		bool want;
	} t[] = { { "module/kvm_intel/parameters/enable_ipiv", "N\n", 0, false },
		  { "module/kvm_intel/parameters/enable_ipiv", "Y\n", 0, true },
		  { "module/kvm_intel/parameters/enable_ipiv", "N\n", 0, false },
		  { "module/kvm_amd/parameters/avic", "0\n", x2avic, false },
		  { "module/kvm_amd/parameters/avic", "1\n", x2avic, true },
		  { "module/kvm_amd/parameters/avic", "Y\n", x2avic, true },
		  /* Zen 3 and before: of xAPICs alone */
		  { "module/kvm_amd/parameters/avic", "Y\n", ~x2avic, false } };

	(void)state;
	assert_false(cpuid_ipi_virtual(root, x2avic));
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		tree_put(t[i].text, "%s", t[i].file);
		assert_int_equal(cpuid_ipi_virtual(root, t[i].svm), t[i].want);
	}
}

static void topology_is_a_core_each(void **state)
{
	struct kvm_cpuid_entry2 c = adjusted(0xb, 0, ~0u);

	(void)state;
	assert_int_equal(c.eax, 0);
	assert_int_equal(c.ebx, 1);
	assert_int_equal(c.ecx, 1u << 8);
	assert_int_equal(c.edx, 2);
	c = adjusted(0xb, 1, ~0u);
	assert_int_equal(c.eax, 2);
	assert_int_equal(c.ebx, 3);
	assert_int_equal(c.ecx, 2u << 8 | 1);
	c = adjusted(0x80000008, 0, ~0u);
	assert_int_equal(c.ecx, 2 << 12 | 2);
	c = adjusted(0x8000001e, 0, ~0u);
	assert_int_equal(c.eax, 2);
	assert_int_equal(c.ecx, 0);
}

/* EAX: type in bits 4:0, level in 7:5, sharing threads less one in 25:14 */
static void caches_are_shared_by_all_or_none(void **state)
{
	static const uint32_t leaves[] = { 4, 0x8000001d };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(leaves); i++) {
		/* as a host with two threads a core and 16 a package tells it */
		struct kvm_cpuid_entry2 c = adjusted(leaves[i], 2, 1u << 14 | 2u << 5 | 3);

		assert_int_equal(c.eax >> 14 & 0xfff, 0);
		assert_int_equal(c.eax & 0x3fff, 2u << 5 | 3);
		c = adjusted(leaves[i], 3, 15u << 14 | 3u << 5 | 3);
		assert_int_equal(c.eax >> 14 & 0xfff, 3);
		c = adjusted(leaves[i], 4, 0); /* the end of the list stays one */
		assert_int_equal(c.eax, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mwait_comes_with_its_leaf),
		cmocka_unit_test(what_a_realtime_guest_sees),
		cmocka_unit_test(what_is_asked_for_or_virtual),
		tree_test(who_delivers_ipis),
		cmocka_unit_test(topology_is_a_core_each),
		cmocka_unit_test(caches_are_shared_by_all_or_none),
	};

	return cmocka_run_group_tests_name("cpuid", tests, NULL, NULL);
}
