/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmtsc - the guest's TSC is the host's: no offset, not scaled, both read back
 */
#ifndef RTKVM_VMM_VMTSC_H
#define RTKVM_VMM_VMTSC_H

#include "lib/err.h"
#include "vmm/vm.h"

/*
 * vmtsc_set - all vCPUs exist, none has run: offset 0, the frequency that a guest is told, and a first
 * reading of each
 */
int vmtsc_set(struct vm *vm, struct err *e);

/*
 * vmtsc_check - no vCPU runs: did the TSC of each advance with the host's since vmtsc_set? What was
 * seen stands in its tsc_scale. Waits for nothing: how finely it shows depends on the time since then,
 * as does what a difference could amount to. -EIO when KVM scales
 */
int vmtsc_check(struct vm *vm, struct err *e);

#endif
