/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * reasons - names of VM exit reasons, from the kernel's own tables
 *
 * asm/vmx.h and asm/svm.h export the tables that the kernel prints its kvm_exit event with
 * (arch/x86/kvm/trace.h); linux/kvm.h the KVM_EXIT_ codes of kvm_userspace_exit.
 */
#ifndef RTKVM_TRACING_REASONS_H
#define RTKVM_TRACING_REASONS_H

#include <stdint.h>

/* Values of the field isa of kvm_exit: KVM_ISA_VMX, KVM_ISA_SVM (arch/x86/kvm/trace.h). */
enum reason_set {
	REASON_USERSPACE = 0, /* kvm_userspace_exit: KVM_EXIT_... */
	REASON_VMX = 1,
	REASON_SVM = 2,
};

enum { REASON_BYTES = 48 };

/*
 * reason_name - "msr", "external_interrupt", "io": lower case, spaces as underscores, into buf;
 * "svm_0x99" where the kernel's headers have no name. VMX: the low 16 bits are the reason, the
 * flags above them are dropped.
 */
char *reason_name(enum reason_set set, uint32_t code, char buf[static REASON_BYTES]);

#endif
