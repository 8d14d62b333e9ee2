// SPDX-License-Identifier: GPL-2.0-only
#include "profiles/tasks.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "profiles/collect.h"

#define REST                                                                               \
	" S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9 10 11 18446744073709551615 1 1 " \
	"0 0 0 0 0 0 0 0 0 0 17 3 1 1 0 0 0"

static void stat_line(void **state)
{
	static const struct {
		const char *text, *comm; /* NULL: no such line */
	} t[] = {
		{ "42 (CPU 0/KVM)" REST, "CPU 0/KVM" },
		{ "42 (a) b (c)" REST, "a) b (c" },
		{ "42 ()" REST, "" },
		{ "x (a)" REST, NULL },
		{ "42 a" REST, NULL },
		{ "42 (a) S 1", NULL },
		{ ")(", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct task task = { 0 };

		assert_int_equal(task_parse_stat(&task, t[i].text), t[i].comm ? 0 : -EINVAL);
		if (!t[i].comm)
			continue;
		assert_string_equal(task.comm, t[i].comm);
		assert_int_equal(task.tid, 42);
		assert_int_equal(task.flags, 4194560);
		assert_int_equal(task.cpu, 3);
		assert_int_equal(task.rt_priority, 1);
		assert_int_equal(task.policy, 1);
	}
}

static void vcpu_names(void **state)
{
	static const struct {
		const char *comm;
		bool vcpu;
	} t[] = {
		{ "CPU 0/KVM", true },	      { "CPU 12/KVM", true }, { "vcpu0", true },
		{ "kvm-vcpu-3", true },	      { "CPU 0/TCG", false }, { "cpuhp/0", false },
		{ "qemu-system-x86", false }, { "", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct task task = { 0 };

		strcpy(task.comm, t[i].comm);
		assert_int_equal(machine_is_vcpu(&task), t[i].vcpu);
	}
}

static void masks(void **state)
{
	static const struct {
		const char *text, *list; /* NULL: no mask */
	} t[] = {
		{ "3", "0-1" },
		{ "0000000c", "2-3" },
		{ "1,00000000", "32" },
		{ "80000000,00000001", "0,63" },
		{ "0", "" },
		{ "", NULL },
		{ ",", NULL },
		{ "0x3", NULL },
		{ "g", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct cpulist l;
		struct err e = { 0 };
		char text[64];
		int ret = mask_parse(&l, t[i].text, &e);

		assert_int_equal(ret, t[i].list ? 0 : -EINVAL);
		if (t[i].list)
			assert_string_equal(cpulist_format(&l, text, sizeof(text)), t[i].list);
	}
}

static void scrubbing(void **state)
{
	static const struct {
		const char *line, *kept;
	} t[] = {
		{ "root=UUID=1 isolcpus=2-3 ro", "xxxxxxxxxxx isolcpus=2-3 xx" },
		{ "\"nohz_full=1 ip=1.2.3.4\"", "\"nohz_full=1 xxxxxxxxxx\"" },
		{ "myisolcpus=1", "xxxxxxxxxxxx" },
		{ "  kvm.nx_huge_pages=0\n", "  kvm.nx_huge_pages=0\n" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		char line[128];

		strcpy(line, t[i].line);
		scrub_cmdline(line);
		assert_string_equal(line, t[i].kept);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stat_line),
		cmocka_unit_test(vcpu_names),
		cmocka_unit_test(masks),
		cmocka_unit_test(scrubbing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
