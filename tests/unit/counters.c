// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <limits.h>
#include <unistd.h>

#include "hwlat/counters.h"
#include "lib/cleanup.h"
#include "lib/file.h"

static const char interrupts_1[] =
	"           CPU0       CPU1       CPU3       \n"
	" 24:          1          5          9  IO-APIC   5-edge      ACPI:Ged\n"
	" 36:          0      96308          4 PCI-MSIX-0000:00:02.0   1-edge      virtio1-req.0\n"
	"NMI:          0          7          2   Non-maskable interrupts\n"
	"LOC:      17344      15745       1000   Local timer interrupts\n"
	"ERR:          0\n"
	"MIS:          0\n";
static const char interrupts_2[] =
	"           CPU0       CPU1       CPU3       \n"
	" 24:          1          5          9  IO-APIC   5-edge      ACPI:Ged\n"
	" 36:          0      96358          4 PCI-MSIX-0000:00:02.0   1-edge      virtio1-req.0\n"
	" 37:          0          0          0 PCI-MSIX-0000:00:03.0   0-edge      virtio2-config\n"
	"NMI:          0          9          2   Non-maskable interrupts\n"
	"LOC:      17344      15755       1003   Local timer interrupts\n"
	"ERR:          0\n";
static const char stat_1[] = "cpu  2308 0 2059 143910 543 0 45 7 0 0\n"
			     "cpu0 797 0 777 72825 14 0 9 2 0 0\n"
			     "cpu1 1510 0 1281 71084 529 0 35 5 0 0\n"
			     "cpu3 1510 0 1281 71084 529 0 35 0 0 0\nintr 1 2\n";
static const char stat_2[] = "cpu  2308 0 2059 143910 543 0 45 7 0 0\n"
			     "cpu1 1510 0 1281 71084 529 0 35 9 0 0\n"
			     "cpu3 1510 0 1281 71084 529 0 35 0 0 0\n";

static void put(const char *dir, const char *name, const char *text)
{
	char path[PATH_MAX];
	struct err e = { 0 };

	file_path(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(file_replace(path, text, strlen(text), &e), 0);
}

static char *fixture(void)
{
	static char dir[64];

	snprintf(dir, sizeof(dir), "/tmp/rtkvm-counters.XXXXXX");
	assert_non_null(mkdtemp(dir));
	put(dir, "interrupts", interrupts_1);
	put(dir, "stat", stat_1);
	return dir;
}

/* CPU 2 is offline, so the columns are not the CPU numbers. */
static void tells_what_fired(void **state)
{
	char *dir = fixture();
	struct cpulist cpus;
	struct err e = { 0 };
	struct counters c;
	const char *name;

	(void)state;
	assert_int_equal(cpulist_parse(&cpus, "1,3", &e), 0);
	assert_int_equal(counters_open(&c, &cpus, dir, &e), 0);
	assert_int_equal(counters_busiest(&c, 0, &name), 0);
	assert_string_equal(name, "");
	put(dir, "interrupts", interrupts_2);
	put(dir, "stat", stat_2);
	assert_int_equal(counters_read(&c, &e), 0);
	assert_int_equal(counters_busiest(&c, 0, &name), 50);
	assert_string_equal(name, "36 virtio1-req.0");
	assert_int_equal(counters_busiest(&c, 1, &name), 3);
	assert_string_equal(name, "LOC");
	assert_int_equal(counters_nmi(&c, 0), 2);
	assert_int_equal(counters_nmi(&c, 1), 0);
	assert_int_equal(counters_steal_ns(&c, 0), 4 * (1000000000 / sysconf(_SC_CLK_TCK)));
	assert_int_equal(counters_steal_ns(&c, 1), 0);
	assert_int_equal(counters_steal_total(&c, 0), counters_steal_ns(&c, 0));
	counters_mark_steal(&c);
	assert_int_equal(counters_steal_total(&c, 0), 0);
	counters_close(&c);
	assert_int_equal(file_remove_tree(dir, &e), 0);
}

static void survives_odd_files(void **state)
{
	static const char *const rows[] = {
		"",
		"\n",
		"no header\nLOC: 1 2 3\n",
		"   CPU0 CPU1\nLOC: x y\n",
		"   CPU0 CPU1\nLOC: 1\n",
		"   CPU0 CPU1\nLOC 1 2\n",
		"   CPU0 CPU1\n:::\n",
		"   CPU0 CPU1\n 9: 18446744073709551615 99999999999999999999999 a b c\n",
	};
	char *dir = fixture();
	struct cpulist cpus;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(cpulist_parse(&cpus, "0-1", &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct counters c;
		const char *name;

		put(dir, "interrupts", rows[i]);
		assert_int_equal(counters_open(&c, &cpus, dir, &e), 0);
		counters_busiest(&c, 1, &name);
		counters_close(&c);
	}
	put(dir, "stat", "cpu1 1 2\ncpu-1 1 1 1 1 1 1 1 1\ncpu999999999999 0 0 0 0 0 0 0 1\n");
	assert_int_equal(file_remove_tree(dir, &e), 0);
}

static void says_what_is_missing(void **state)
{
	struct cpulist cpus;
	struct err e = { 0 };
	struct counters c;

	(void)state;
	assert_int_equal(cpulist_parse(&cpus, "0", &e), 0);
	assert_true(counters_open(&c, &cpus, "/nonexistent", &e) < 0);
	assert_non_null(strstr(e.text, "/nonexistent/interrupts"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_what_fired),
		cmocka_unit_test(survives_odd_files),
		cmocka_unit_test(says_what_is_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
