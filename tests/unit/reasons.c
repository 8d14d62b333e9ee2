// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "tracing/reasons.h"

static void names(void **state)
{
	/* numbers from the Intel SDM appendix C, the AMD APM volume 2 appendix C, linux/kvm.h */
	static const struct {
		enum reason_set set;
		uint32_t code;
		const char *name;
	} rows[] = {
		{ REASON_VMX, 1, "external_interrupt" },
		{ REASON_VMX, 12, "hlt" },
		{ REASON_VMX, 32, "msr_write" },
		{ REASON_VMX, 52, "preemption_timer" },
		{ REASON_VMX, 0x80000021, "invalid_state" }, /* with the failed-entry flag */
		{ REASON_VMX, 5, "vmx_0x5" },
		{ REASON_SVM, 0x60, "interrupt" },
		{ REASON_SVM, 0x64, "vintr" },
		{ REASON_SVM, 0x78, "hlt" },
		{ REASON_SVM, 0x7b, "io" },
		{ REASON_SVM, 0x7c, "msr" },
		{ REASON_SVM, 0x4e, "pf_excp" },
		{ REASON_SVM, 0x400, "npf" },
		{ REASON_SVM, 0xffffffff, "invalid_guest_state" },
		{ REASON_SVM, 0x3ff, "svm_0x3ff" },
		{ REASON_USERSPACE, 2, "io" },
		{ REASON_USERSPACE, 8, "shutdown" },
		{ REASON_USERSPACE, 10, "intr" },
		{ REASON_USERSPACE, 999, "kvm_0x3e7" },
		{ (enum reason_set)7, 3, "isa7_0x3" },
	};
	char buf[REASON_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(reason_name(rows[i].set, rows[i].code, buf), rows[i].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
