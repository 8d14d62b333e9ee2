// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "results/host.h"

static char root[] = "/tmp/rtkvm-host-XXXXXX";

static void put(const char *path, const char *text)
{
	char full[512], *slash;
	struct err e = { 0 };

	snprintf(full, sizeof(full), "%s%s", root, path);
	slash = strrchr(full, '/');
	*slash = '\0';
	assert_int_equal(file_mkdirs(full, &e), 0);
	*slash = '/';
	assert_int_equal(file_replace(full, text, strlen(text), &e), 0);
}

static int make_root(void **state)
{
	(void)state;
	strcpy(root, "/tmp/rtkvm-host-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	struct err e = { 0 };

	(void)state;
	return file_remove_tree(root, &e);
}

#define CPUINFO(flags)                                                                  \
	"processor\t: 0\nmodel name\t: Test CPU: 3 GHz\nmicrocode\t: 0x2b\nflags\t\t: " \
	"fpu svm " flags "\n\nprocessor\t: 1\nmodel name\t: Other\n"

static void conditions(void **state)
{
	static const struct {
		const char *signature, *flags, *file, *text;
		enum conditions want;
	} cases[] = {
		{ "", "avx", NULL, NULL, CONDITIONS_HARDWARE },
		{ "", "hypervisor avx", NULL, NULL, CONDITIONS_NESTED },
		{ "KVMKVMKVM", "avx", NULL, NULL, CONDITIONS_NESTED },
		{ "TCGTCGTCGTCG", "avx", NULL, NULL, CONDITIONS_EMULATED },
		{ "TCGTCGTCGTCG", "avx", "/sys/class/dmi/id/sys_vendor", "VMware\n",
		  CONDITIONS_EMULATED },
		{ "KVMKVMKVM", "hypervisor", "/sys/module/kvm_pvm/refcnt", "0\n",
		  CONDITIONS_EMULATED },
		{ "", "avx", "/sys/class/dmi/id/product_name", "Standard PC (Q35 + ICH9, 2009)\n",
		  CONDITIONS_NESTED },
		{ "", "avx", "/sys/class/dmi/id/sys_vendor", "Dell Inc.\n", CONDITIONS_HARDWARE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char cpuinfo[512];
		const char *why = NULL;

		make_root(NULL);
		snprintf(cpuinfo, sizeof(cpuinfo), CPUINFO("%s"), cases[i].flags);
		put("/proc/cpuinfo", cpuinfo);
		if (cases[i].file)
			put(cases[i].file, cases[i].text);
		assert_int_equal(conditions_detect(root, cases[i].signature, &why), cases[i].want);
		assert_non_null(why);
		assert_int_equal(host_interprets_guests(root),
				 cases[i].file && strstr(cases[i].file, "kvm_pvm") != NULL);
		remove_root(NULL);
	}
}

static void facts(void **state)
{
	_cleanup_json_ json_object *o = NULL;

	(void)state;
	put("/proc/cpuinfo", CPUINFO("avx"));
	put("/proc/cmdline", "ro isolcpus=2-3 nohz_full=2-3 \n");
	put("/sys/devices/system/cpu/isolated", "2-3\n");
	put("/sys/devices/system/cpu/online", "0-1\n");
	put("/sys/devices/system/cpu/vulnerabilities/l1tf", "Not affected\n");
	put("/sys/devices/system/cpu/cpu1/topology/core_id", "4\n");
	put("/sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "0-1\n");
	put("/etc/tuned/active_profile", "realtime-virtual-host\n");
	o = host_facts(root);
	assert_string_equal(json_str(o, "cpu_model", ""), "Test CPU: 3 GHz");
	assert_string_equal(json_str(o, "microcode", ""), "0x2b");
	assert_string_equal(json_str(o, "cmdline", ""), "ro isolcpus=2-3 nohz_full=2-3");
	assert_string_equal(json_str(o, "isolated", ""), "2-3");
	assert_string_equal(json_str(o, "tuned_profile", ""), "realtime-virtual-host");
	assert_string_equal(json_str(o, "mitigations.l1tf", ""), "Not affected");
	assert_null(json_at(o, "nohz_full")); /* the kernel has no such file: absent, not empty */
	assert_int_equal(json_object_array_length(json_at(o, "topology")), 2);
	assert_int_equal(json_int(json_object_array_get_idx(json_at(o, "topology"), 1), "core", -1),
			 4);
}

static void an_empty_root_gives_no_facts_and_no_crash(void **state)
{
	_cleanup_json_ json_object *o = host_facts(root);
	const char *why;

	(void)state;
	assert_null(json_at(o, "kernel"));
	assert_int_equal(conditions_detect(root, "", &why), CONDITIONS_HARDWARE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conditions),
		cmocka_unit_test_setup_teardown(facts, make_root, remove_root),
		cmocka_unit_test_setup_teardown(an_empty_root_gives_no_facts_and_no_crash,
						make_root, remove_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
