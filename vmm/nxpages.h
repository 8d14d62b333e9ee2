/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nxpages - KVM's mitigation of iTLB multihit (kvm.nx_huge_pages), and this VM without it
 *
 * Where it is on, KVM maps huge pages as not executable: the guest's first instruction in each is a
 * fault that splits it, and a worker makes it whole again some time later, for the next fault.
 * Facts: Documentation/admin-guide/hw-vuln/multihit.rst; KVM_CAP_VM_DISABLE_NX_HUGE_PAGES in
 * Documentation/virt/kvm/api.rst (Linux 6.0: before any vCPU, with CAP_SYS_BOOT).
 */
#ifndef RTKVM_VMM_NXPAGES_H
#define RTKVM_VMM_NXPAGES_H

#include "lib/err.h"

enum nxpages_mode {
	NXPAGES_AUTO, /* without it where that can be had */
	NXPAGES_KEEP, /* as the host has it: for a guest that is not trusted */
	NXPAGES_OFF, /* without it, or an error */
};

enum nxpages {
	NXPAGES_HOST_OFF, /* the host has no use for it, or has turned it off */
	NXPAGES_VM_OFF, /* on, but for this VM */
	NXPAGES_ON, /* asked for */
	NXPAGES_NO_CAP, /* on: this kernel cannot turn it off for a VM */
	NXPAGES_NO_RIGHT, /* on: CAP_SYS_BOOT is lacking */
};

/*
 * nxpages_set - on the VM of descriptor vm, which has no vCPU yet; the parameter is read below sysfs
 * ("/sys"). A sentence with -EPERM or -ENOTSUP for NXPAGES_OFF that cannot be had
 */
int nxpages_set(enum nxpages *got, enum nxpages_mode mode, const char *sysfs, int vm,
		struct err *e);

/* nxpages_name - "off", "off for this VM", "on"; nxpages_remedy - NULL when there is none to give */
const char *nxpages_name(enum nxpages n);
const char *nxpages_remedy(enum nxpages n);

#endif
