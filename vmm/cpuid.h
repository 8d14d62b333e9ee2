/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cpuid - the processor a guest sees: the host's, less what costs a real-time guest
 *
 * Facts: Documentation/virt/kvm/x86/cpuid.rst (leaves 0x4000000x), Intel SDM vol. 2A CPUID (leaves
 * 1, 4, 0xb), AMD APM vol. 3 appendix E (0x80000008, 0x8000001e).
 */
#ifndef RTKVM_VMM_CPUID_H
#define RTKVM_VMM_CPUID_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

struct vcpu;

struct cpuid_facts {
	uint32_t apic_id;
	uint32_t n_vcpus; /* one package, one thread a core */
	uint32_t tsc_khz;
	bool mwait; /* MWAIT does not exit: the guest may use it */
	uint32_t monitor[4]; /* the host's leaf 5 (MONITOR/MWAIT), EAX to EDX */
	bool invtsc; /* the TSC never stops or changes its rate */
	bool pmu; /* the guest has performance counters, as KVM offers them */
	bool ipi_virtual; /* the processor delivers IPIs between vCPUs: no hypercall is cheaper */
	bool aperfmperf; /* APERF and MPERF do not exit: the guest may read them */
};

/* cpuid_adjust - turn one entry of KVM_GET_SUPPORTED_CPUID into what this vCPU sees */
void cpuid_adjust(struct kvm_cpuid_entry2 *c, const struct cpuid_facts *f);

/*
 * cpuid_ipi_virtual - does Intel's IPI virtualization work here, or AMD's AVIC for x2APICs? By KVM, below
 * sysfs ("/sys"), and by EDX of the processor's leaf 0x8000000a
 */
bool cpuid_ipi_virtual(const char *sysfs, uint32_t svm_edx);

/* cpuid_set - KVM_SET_CPUID2 for one vCPU (before any MSR is set) */
int cpuid_set(struct vcpu *v, struct err *e);

#endif
