/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vcpu - the thread that runs a vCPU, and the registers it starts with
 */
#ifndef RTKVM_VMM_VCPU_H
#define RTKVM_VMM_VCPU_H

#include "vmm/vm.h"

/* What the boot code asks the first vCPU to start as. */
enum vcpu_mode {
	VCPU_LONG_MODE, /* 64-bit boot protocol: paging on, RSI = arg */
	VCPU_PROTECTED, /* PVH and multiboot-1: 32-bit flat, paging off, EBX = arg, EAX = magic */
};

struct vcpu_entry {
	enum vcpu_mode mode;
	uint64_t rip;
	uint64_t arg;
	uint32_t magic;
};

/* Low memory that the initial state needs (one page each unless said); boot code stays clear. */
#define VCPU_GDT   0x500ull
#define VCPU_STACK 0x8ff0ull
#define VCPU_PML4  0x9000ull
#define VCPU_PDPT  0xa000ull
#define VCPU_PD	   0xb000ull /* four pages: 4 GiB by 2 MiB */

/* vcpu_init - MSRs, local APIC and, for vCPU 0, the entry state; the others wait for INIT/SIPI */
int vcpu_init(struct vcpu *v, const struct vcpu_entry *entry, struct err *e);

/*
 * vcpus_start - one thread a vCPU: named, pinned, SCHED_FIFO, all of it read back; they wait for
 * vcpus_go, and once the machine has ended for vcpus_stop, which kicks those that run and joins
 * them all; harmless when none was started.
 */
int vcpus_start(struct vm *vm, struct err *e);
void vcpus_go(struct vm *vm);
void vcpus_stop(struct vm *vm);

/*
 * vcpus_pause - have every vCPU thread leave the guest and park where it is; vcpus_parked - are they
 * all there? vcpus_resume - only then: back into the guest. Only from the thread that also calls
 * vcpus_stop: two that set and clear immediate_exit would lose kicks.
 */
void vcpus_pause(struct vm *vm);
bool vcpus_parked(const struct vm *vm);
void vcpus_resume(struct vm *vm);

/*
 * vcpu_park_if_pausing - for a device that keeps a vCPU thread waiting: a pause takes effect there,
 * and the thread comes back when it is over, or the machine is stopped
 */
void vcpu_park_if_pausing(struct vcpu *v);

/* vcpus_realtime - SCHED_FIFO as asked at the start, or SCHED_OTHER, for all; read back */
int vcpus_realtime(struct vm *vm, bool on, struct err *e);

/* vcpus_nmi - a non-maskable interrupt to every vCPU, none of which leaves the guest for it */
int vcpus_nmi(struct vm *vm, struct err *e);

/* vcpu_stats_copy - one vCPU's counters as they are now */
void vcpu_stats_copy(struct vcpu_stats *to, const struct vcpu_stats *from);

/* vcpu_exit_name - "io", "mmio", ... of KVM_EXIT_*; NULL for numbers without a name */
const char *vcpu_exit_name(unsigned int reason);

#endif
