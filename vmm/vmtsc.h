/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmtsc - the guest's TSC is the host's: no offset, not scaled, both read back
 */
#ifndef RTKVM_VMM_VMTSC_H
#define RTKVM_VMM_VMTSC_H

#include "lib/err.h"
#include "vmm/vm.h"

/* vmtsc_set - all vCPUs exist, none has run: offset 0, the frequency that KVM has for each */
int vmtsc_set(struct vm *vm, struct err *e);

/*
 * vmtsc_check - that each vCPU's TSC advanced with the host's since vmtsc_set, and the host's frequency
 * for the record, measured from vm_create until now: costs no time unless less than some milliseconds
 * lie between. -EIO when KVM scales
 */
int vmtsc_check(struct vm *vm, struct err *e);

#endif
