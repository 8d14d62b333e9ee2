// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "vmm/devopts.h"

static void takes_what_is_right(void **state)
{
	struct dev_opts d = { .n = 0 };
	struct cpulist cpus;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(devopts_add(&d, DEV_DISK, "a.img", &e), 0);
	assert_int_equal(devopts_add(&d, DEV_DISK, "/b,cpu=3,ro", &e), 0);
	assert_int_equal(d.n, 2);
	assert_int_equal(d.at[0].path.len, 5);
	assert_false(d.at[0].read_only);
	assert_int_equal(d.at[0].cpu, -1);
	assert_int_equal(d.at[1].path.len, 2);
	assert_true(d.at[1].read_only);
	assert_int_equal(d.at[1].cpu, 3);
	assert_int_equal(devopts_add(&d, DEV_RNG, NULL, &e), 0);
	cpus = devopts_cpus(&d);
	assert_int_equal(cpulist_count(&cpus), 1);
	assert_true(cpulist_has(&cpus, 3));
}

static void refuses_what_is_wrong(void **state)
{
	static const struct {
		enum dev_kind kind;
		const char *text, *says;
	} rows[] = {
		{ DEV_DISK, "", "is no file name" },
		{ DEV_DISK, ",ro", "is no file name" },
		{ DEV_DISK, "a,", NULL },
		{ DEV_DISK, "a,rw", "\"rw\" is none of its settings; it is FILE[,ro]" },
		{ DEV_DISK, "a,ro=1", "ro, which takes nothing" },
		{ DEV_DISK, "a,ro,ro", "\"ro\" is given twice" },
		{ DEV_DISK, "a,cpu", "lacks a value" },
		{ DEV_DISK, "a,cpu=", "lacks a value" },
		{ DEV_DISK, "a,cpu=x", "--disk" },
		{ DEV_DISK, "a,cpu=-1", "--disk" },
		{ DEV_DISK, "a,cpu=4096", "--disk" },
		{ DEV_DISK, "a,cpu=1,cpu=2", "given twice" },
		{ DEV_NET, "", "tap=NAME is missing" },
		{ DEV_NET, "tap=", "lacks a value" },
		{ DEV_NET, "tap=sixteencharacters", "is no name of an interface" },
		{ DEV_NET, "tap=a,mac=52:54:00:00:00", "is no MAC address" },
		{ DEV_NET, "tap=a,mac=52:54:00:00:00:0g", "is no MAC address" },
		{ DEV_NET, "tap=a,mac=53:54:00:00:00:01", "of many" },
		{ DEV_NET, "tap=a,ro", "none of its settings" },
		{ DEV_CONSOLE, "a,port=", "lacks a value" },
		{ DEV_CONSOLE, "a,port=:b", "is not NAME:PATH" },
		{ DEV_CONSOLE, "a,port=b:", "is not NAME:PATH" },
		{ DEV_CONSOLE, "a,port=b:c,port=b:d", "names two ports" },
		{ DEV_CONSOLE, "a,port=a:a,port=b:a,port=c:a,port=d:a,port=e:a",
		  "more than 4 ports" },
		{ DEV_VSOCK, "", "cid=N is missing" },
		{ DEV_VSOCK, "cid=2", "--vsock" },
		{ DEV_VSOCK, "cid=4294967295", "--vsock" },
		{ DEV_VFIO, "01:00.0", "is no PCI address" },
		{ DEV_VFIO, "0000:01:00.8", "is no PCI address" },
		{ DEV_VFIO, "0000:01:00.0 ", "is no PCI address" },
		{ DEV_VFIO, "../../../:00", "is no PCI address" },
		{ DEV_VFIO, "0000:01:00.0,ro", "none of its settings" },
		{ DEV_RNG, "x", "none of its settings" },
		{ DEV_DISK, "twice", "\"twice\" is given twice" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct dev_opts d = { .n = 0 };
		struct err e = { 0 };
		int ret;

		assert_int_equal(devopts_add(&d, DEV_DISK, "twice", &e), 0);
		ret = devopts_add(&d, rows[i].kind, rows[i].text, &e);
		if (!rows[i].says) {
			assert_int_equal(ret, 0);
			continue;
		}
		if (ret != -EINVAL && ret != -ERANGE)
			fail_msg("%s passes", rows[i].text);
		if (!strstr(e.text, rows[i].says))
			fail_msg("%s: %s", rows[i].text, e.text);
		assert_int_equal(d.n, 1);
	}
}

static void there_is_an_end_to_them(void **state)
{
	static const char *const names[DEVOPTS_MAX + 1] = { "0",  "1",	"2",  "3",  "4",  "5",
							    "6",  "7",	"8",  "9",  "10", "11",
							    "12", "13", "14", "15", "16" };
	struct dev_opts d = { .n = 0 };
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < DEVOPTS_MAX; i++)
		assert_int_equal(devopts_add(&d, DEV_DISK, names[i], &e), 0);
	assert_int_equal(devopts_add(&d, DEV_DISK, names[DEVOPTS_MAX], &e), -EINVAL);
	assert_non_null(strstr(e.text, "more than 16 devices"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_what_is_right),
		cmocka_unit_test(refuses_what_is_wrong),
		cmocka_unit_test(there_is_an_end_to_them),
	};

	return cmocka_run_group_tests_name("devopts", tests, NULL, NULL);
}
