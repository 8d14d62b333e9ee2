/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * prefault - guest RAM in the second-level page tables before the first instruction
 */
#ifndef RTKVM_VMM_PREFAULT_H
#define RTKVM_VMM_PREFAULT_H

#include "lib/err.h"
#include "vmm/vm.h"

/*
 * prefault_guest - KVM_PRE_FAULT_MEMORY (Linux 6.11) over all of RAM, from vCPU 0: the tables are
 * the machine's. mem.prefaulted_bytes tells how much; 0 where this KVM cannot: the guest then
 * takes those faults itself, at its first touch
 */
int prefault_guest(struct vm *vm, struct err *e);

#endif
