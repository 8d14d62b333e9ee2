// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/cpuid.h"

#include <asm/kvm_para.h>
#include <cpuid.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "vmm/vm.h"

enum { CPUID_ENTRIES = 256 };

#define BIT(n)		(1u << (n))
#define KVM_LEAF_TIMING 0x40000010u /* EAX: TSC kHz, EBX: APIC bus kHz */
#define APIC_BUS_KHZ	1000000u /* KVM's emulated APIC counts nanoseconds */
#define X2AVIC		BIT(18) /* leaf 0x8000000a, EDX */

enum reg { EAX, EBX, ECX, EDX };

/* Feature bits set or cleared whatever the host has; why is the point of each row. */
static const struct mask {
	uint32_t leaf, index;
	enum reg reg;
	uint32_t set, clear;
	bool pmu; /* not where the guest is to have one */
} masks[] = {
	/* x2APIC (MSR, no MMIO decoding), TSC-deadline timer, hypervisor */
	{ 1, 0, ECX, BIT(21) | BIT(24) | BIT(31), 0, false },
	/* no PDCM and no debug store (DTES64, DS-CPL, DS) */
	{ 1, 0, ECX, 0, BIT(2) | BIT(4) | BIT(15), true },
	{ 1, 0, EDX, 0, BIT(21), true },
	/* architectural PMU: counters cost loads and stores of MSRs at every entry */
	{ 0xa, 0, EAX, 0, ~0u, true },
	{ 0xa, 0, EBX, 0, ~0u, true },
	{ 0xa, 0, ECX, 0, ~0u, true },
	{ 0xa, 0, EDX, 0, ~0u, true },
	/* AMD: PERFCTR_CORE, PERFCTR_NB and PERFCTR_LLC for the same reason */
	{ 0x80000001, 0, ECX, 0, BIT(23) | BIT(24) | BIT(28), true },
	/* AMD: PerfMonV2, which KVM offers whether or not this machine has a PMU */
	{ 0x80000022, 0, EAX, 0, BIT(0), true },
	{ 0x80000022, 0, EBX, 0, ~0u, true },
	/* async page faults and steal time write to guest memory at entry; memory is locked */
	{ KVM_CPUID_FEATURES, 0, EAX, 0,
	  BIT(KVM_FEATURE_ASYNC_PF) | BIT(KVM_FEATURE_ASYNC_PF_VMEXIT) |
		  BIT(KVM_FEATURE_ASYNC_PF_INT) | BIT(KVM_FEATURE_STEAL_TIME) |
		  BIT(KVM_FEATURE_PV_TLB_FLUSH) | BIT(KVM_FEATURE_PV_UNHALT) |
		  BIT(KVM_FEATURE_PV_SCHED_YIELD),
	  false },
	/* vCPUs are never preempted for long: spin, do not yield to the host */
	{ KVM_CPUID_FEATURES, 0, EDX, BIT(KVM_HINTS_REALTIME), 0, false },
};

static uint32_t *reg_of(struct kvm_cpuid_entry2 *c, enum reg r)
{
	switch (r) {
	case EAX:
		return &c->eax;
	case EBX:
		return &c->ebx;
	case ECX:
		return &c->ecx;
	default:
		return &c->edx;
	}
}

static uint32_t bits_for(uint32_t n)
{
	return n > 1 ? 32 - __builtin_clz(n - 1) : 0;
}

/* Topology leaves: a core per vCPU, no threads, one package. */
static void topology(struct kvm_cpuid_entry2 *c, const struct cpuid_facts *f)
{
	uint32_t ids = 1u << bits_for(f->n_vcpus);

	switch (c->function) {
	case 1:
		c->ebx = (c->ebx & 0xff00u) | ids << 16 | f->apic_id << 24;
		c->edx = f->n_vcpus > 1 ? c->edx | BIT(28) : c->edx & ~BIT(28);
		break;
	case 4: /* no cache shared by less than the package; the L1/L2 split is not guessed */
		if (c->eax & 0x1f)
			c->eax = (c->eax & 0x3fffu) | (ids - 1) << 26 |
				 (((c->eax >> 5) & 7) >= 3 ? (ids - 1) << 14 : 0);
		break;
	case 0x8000001d: /* AMD's leaf 4: the same fields, without a count of cores */
		if (c->eax & 0x1f)
			c->eax = (c->eax & 0x3fffu) |
				 (((c->eax >> 5) & 7) >= 3 ? (ids - 1) << 14 : 0);
		break;
	case 0xb:
	case 0x1f:
		c->edx = f->apic_id;
		c->eax = c->index == 1 ? bits_for(f->n_vcpus) : 0;
		c->ebx = c->index == 0 ? 1 : c->index == 1 ? f->n_vcpus : 0;
		c->ecx = c->index | (c->index == 0 ? 1u << 8 : c->index == 1 ? 2u << 8 : 0);
		break;
	case 0x80000008:
		c->ecx = bits_for(f->n_vcpus) << 12 | (f->n_vcpus - 1);
		break;
	case 0x8000001e:
		c->eax = f->apic_id;
		c->ebx = f->apic_id & 0xff;
		c->ecx = 0;
		break;
	}
}

void cpuid_adjust(struct kvm_cpuid_entry2 *c, const struct cpuid_facts *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(masks); i++) {
		const struct mask *m = &masks[i];
		uint32_t *r = reg_of(c, m->reg);

		if (m->leaf == c->function && m->index == c->index && !(m->pmu && f->pmu))
			*r = (*r & ~m->clear) | m->set;
	}
	topology(c, f);
	if (c->function == 1)
		c->ecx = f->mwait ? c->ecx | BIT(3) : c->ecx & ~BIT(3);
	if (c->function == 5 &&
	    f->mwait) { /* without its sizes and C-states idle drivers stay away */
		c->eax = f->monitor[EAX];
		c->ebx = f->monitor[EBX];
		c->ecx = f->monitor[ECX];
		c->edx = f->monitor[EDX];
	}
	if (c->function == 6 && f->aperfmperf)
		c->ecx |= BIT(0);
	if (c->function == KVM_CPUID_FEATURES && f->ipi_virtual)
		c->eax &= ~BIT(KVM_FEATURE_PV_SEND_IPI);
	if (c->function == 0x80000007 && f->invtsc)
		c->edx |= BIT(8);
	if (c->function == KVM_CPUID_SIGNATURE)
		c->eax = KVM_LEAF_TIMING;
}

/* KVM may describe one topology subleaf only; Linux walks them until type 0. */
static int complete_leaf_b(struct kvm_cpuid2 *list, const struct cpuid_facts *f)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < list->nent; i++)
		if (list->entries[i].function != 0xb && list->entries[i].function != 0x1f)
			list->entries[n++] = list->entries[i];
	if (n + 4 > CPUID_ENTRIES)
		return -E2BIG;
	for (uint32_t index = 0; index < 3; index++) {
		struct kvm_cpuid_entry2 *c = &list->entries[n++];

		*c = (struct kvm_cpuid_entry2){ .function = 0xb,
						.index = index,
						.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX };
		topology(c, f);
	}
	list->entries[n++] = (struct kvm_cpuid_entry2){ .function = KVM_LEAF_TIMING,
							.eax = f->tsc_khz,
							.ebx = APIC_BUS_KHZ };
	list->nent = n;
	return 0;
}

/* "Y" of a bool, "1" of the int that avic was for a while */
static bool is_on(const char *sysfs, const char *parameter)
{
	char path[PATH_MAX], line[16];

	if (!file_path(path, sizeof(path), "%s/module/%s", sysfs, parameter))
		return false;
	file_read_line(path, line, sizeof(line));
	return !strcmp(line, "Y") || !strcmp(line, "1");
}

/* AVIC knows the xAPIC alone: without x2AVIC each IPI of a guest in x2APIC mode, as ours is, exits. */
bool cpuid_ipi_virtual(const char *sysfs, uint32_t svm_edx)
{
	return is_on(sysfs, "kvm_intel/parameters/enable_ipiv") ||
	       (is_on(sysfs, "kvm_amd/parameters/avic") && svm_edx & X2AVIC);
}

/* What the processor has of virtualization: leaf 0x8000000a's EDX on AMD's, 0 elsewhere. */
static uint32_t svm_features(void)
{
	uint32_t eax, ebx, ecx, edx;

	return __get_cpuid(0x8000000a, &eax, &ebx, &ecx, &edx) ? edx : 0;
}

int cpuid_set(struct vcpu *v, struct err *e)
{
	struct cpuid_facts f = {
		.apic_id = v->index,
		.n_vcpus = v->vm->n_vcpus,
		.tsc_khz = v->vm->tsc_khz,
		.mwait = v->vm->opts.no_exit & KVM_X86_DISABLE_EXITS_MWAIT,
		.invtsc = v->vm->invtsc,
		.pmu = v->vm->opts.pmu,
		.ipi_virtual = cpuid_ipi_virtual("/sys", svm_features()),
		.aperfmperf = v->vm->opts.no_exit & KVM_X86_DISABLE_EXITS_APERFMPERF,
	};
	_cleanup_free_ struct kvm_cpuid2 *list = NULL;

	__get_cpuid(5, &f.monitor[EAX], &f.monitor[EBX], &f.monitor[ECX], &f.monitor[EDX]);
	list = calloc(1, sizeof(*list) + CPUID_ENTRIES * sizeof(list->entries[0]));
	if (!list)
		return err_set(e, -ENOMEM, "no memory for CPUID leaves");
	list->nent = CPUID_ENTRIES;
	if (ioctl(v->vm->kvm, KVM_GET_SUPPORTED_CPUID, list))
		return err_sys(e, "reading the CPUID leaves that KVM supports failed");
	for (uint32_t i = 0; i < list->nent; i++)
		cpuid_adjust(&list->entries[i], &f);
	if (complete_leaf_b(list, &f))
		return err_set(e, -E2BIG, "KVM supports more CPUID leaves than fit");
	if (ioctl(v->fd, KVM_SET_CPUID2, list))
		return err_sys(e, "setting vCPU %d's CPUID failed", v->index);
	return 0;
}
