/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nxpages - KVM's mitigation of iTLB multihit (kvm.nx_huge_pages), and this VM without it
 *
 * Where it is on, KVM maps huge pages as not executable: the guest's first instruction in each is a
 * fault that splits it, and a worker makes it whole again some time later, for the next fault. A VM
 * without it can halt the host's processors, so nothing but the user's word turns it off.
 * Facts: Documentation/admin-guide/hw-vuln/multihit.rst; KVM_CAP_VM_DISABLE_NX_HUGE_PAGES in
 * Documentation/virt/kvm/api.rst (Linux 6.0: before any vCPU, with CAP_SYS_BOOT).
 */
#ifndef RTKVM_VMM_NXPAGES_H
#define RTKVM_VMM_NXPAGES_H

#include "lib/err.h"

enum nxpages_mode {
	NXPAGES_KEEP, /* as the host has it */
	NXPAGES_OFF, /* without it, or an error: for a guest that is trusted */
};

enum nxpages {
	NXPAGES_HOST_OFF, /* the host has no use for it, or has turned it off */
	NXPAGES_VM_OFF, /* on, but for this VM */
	NXPAGES_ON,
};

/*
 * nxpages_set - on the VM of descriptor vm, which has no vCPU yet; the parameter is read below sysfs
 * ("/sys"). A sentence with -EPERM or -ENOTSUP for NXPAGES_OFF that cannot be had
 */
int nxpages_set(enum nxpages *got, enum nxpages_mode mode, const char *sysfs, int vm,
		struct err *e);

/* nxpages_name - "off", "off for this VM", "on" */
const char *nxpages_name(enum nxpages n);

/* nxpages_remedy - how to be without what it costs, and for whom that is; NULL where it is not on */
const char *nxpages_remedy(enum nxpages n);

#endif
