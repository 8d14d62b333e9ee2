// SPDX-License-Identifier: GPL-2.0-only
#include "tracing/reasons.h"

#include <ctype.h>
#include <linux/kvm.h> /* with the exception vectors that asm/svm.h names */
#include <asm/svm.h>
#include <asm/vmx.h>
#include <stdio.h>

#include "lib/cleanup.h"

struct reason {
	uint32_t code;
	const char *name;
};

static const struct reason vmx[] = { VMX_EXIT_REASONS };
static const struct reason svm[] = { SVM_EXIT_REASONS };

/* clang-format off */
#define KVM(name) { KVM_EXIT_##name, #name }
static const struct reason userspace[] = {
	KVM(UNKNOWN), KVM(EXCEPTION), KVM(IO), KVM(HYPERCALL), KVM(DEBUG), KVM(HLT), KVM(MMIO),
	KVM(IRQ_WINDOW_OPEN), KVM(SHUTDOWN), KVM(FAIL_ENTRY), KVM(INTR), KVM(SET_TPR),
	KVM(TPR_ACCESS), KVM(NMI), KVM(INTERNAL_ERROR), KVM(WATCHDOG), KVM(SYSTEM_EVENT),
	KVM(IOAPIC_EOI), KVM(HYPERV), KVM(X86_RDMSR), KVM(X86_WRMSR), KVM(DIRTY_RING_FULL),
	KVM(AP_RESET_HOLD), KVM(X86_BUS_LOCK), KVM(XEN), KVM(NOTIFY),
};
/* clang-format on */

static const struct {
	const char *prefix;
	const struct reason *rows;
	size_t n;
	uint32_t mask;
} sets[] = {
	[REASON_USERSPACE] = { "kvm", userspace, ARRAY_SIZE(userspace), UINT32_MAX },
	[REASON_VMX] = { "vmx", vmx, ARRAY_SIZE(vmx), 0xffff },
	[REASON_SVM] = { "svm", svm, ARRAY_SIZE(svm), UINT32_MAX },
};

char *reason_name(enum reason_set set, uint32_t code, char buf[static REASON_BYTES])
{
	if ((size_t)set >= ARRAY_SIZE(sets)) {
		snprintf(buf, REASON_BYTES, "isa%d_%#x", (int)set, code);
		return buf;
	}
	code &= sets[set].mask;
	snprintf(buf, REASON_BYTES, "%s_%#x", sets[set].prefix, code);
	for (size_t i = 0; i < sets[set].n; i++) {
		if (sets[set].rows[i].code != code)
			continue;
		snprintf(buf, REASON_BYTES, "%s", sets[set].rows[i].name);
		break;
	}
	for (char *p = buf; *p; p++)
		*p = *p == ' ' ? '_' : tolower((unsigned char)*p);
	return buf;
}
