// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "vmm/memory.h"
#include "vmm/nodes.h"

static void one_door(void **state)
{
	static uint8_t ram[1]; /* addresses are computed, never touched */
	const struct memory small = { .host = ram, .bytes = 1 << 20, .low_bytes = 1 << 20 };
	const struct memory large = { .host = ram,
				      .bytes = MEM_HOLE_START + (1ull << 30),
				      .low_bytes = MEM_HOLE_START };
	const struct {
		const struct memory *m;
		uint64_t at, len;
		int64_t offset; /* -1: NULL */
	} rows[] = {
		{ &small, 0, 1, 0 },
		{ &small, 0, 1 << 20, 0 },
		{ &small, 0, (1 << 20) + 1, -1 },
		{ &small, (1 << 20) - 1, 1, (1 << 20) - 1 },
		{ &small, (1 << 20) - 1, 2, -1 },
		{ &small, 1 << 20, 0, -1 },
		{ &small, UINT64_MAX, 1, -1 },
		{ &small, 16, UINT64_MAX, -1 },
		{ &small, MEM_HIGH_START, 1, -1 },
		{ &large, MEM_HOLE_START - 1, 1, MEM_HOLE_START - 1 },
		{ &large, MEM_HOLE_START - 1, 2, -1 }, /* contiguous here, not in the guest */
		{ &large, MEM_HOLE_START, 1, -1 },
		{ &large, MEM_HIGH_START - 1, 1, -1 },
		{ &large, MEM_HIGH_START, 1ull << 30, MEM_HOLE_START },
		{ &large, MEM_HIGH_START, (1ull << 30) + 1, -1 },
		{ &large, MEM_HIGH_START + (1ull << 30), 1, -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t *p = mem_ptr(rows[i].m, GPA(rows[i].at), rows[i].len);

		if (rows[i].offset < 0)
			assert_null(p);
		else
			assert_int_equal(p - ram, rows[i].offset);
		if (p) /* large pages stay large in the second-level tables */
			assert_int_equal((uint64_t)(p - ram) % (1 << 30), rows[i].at % (1 << 30));
	}
}

static void refuses_sizes(void **state)
{
	static const struct {
		uint64_t bytes;
		enum mem_pages pages;
		const char *why;
	} rows[] = {
		{ 0, MEM_PAGES_AUTO, "at least 2M" },
		{ 4096, MEM_PAGES_AUTO, "at least 2M" },
		{ (64 << 20) + 1, MEM_PAGES_AUTO, "no multiple of 4096" },
		{ (64 << 20) + 4096, MEM_PAGES_2M, "no multiple of the 2M pages" },
		{ 64 << 20, MEM_PAGES_1G, "no multiple of the 1G pages" },
		{ 1ull << 50, MEM_PAGES_4K, "this machine has" },
		{ 1ull << 50, MEM_PAGES_1G, "are free" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct mem_opts o = { .bytes = rows[i].bytes, .pages = rows[i].pages };
		struct err e = { 0 };

		assert_true(mem_check(&o, &e) < 0);
		if (!strstr(e.text, rows[i].why))
			fail_msg("%s", e.text);
	}
}

/* proc_pid_smaps(5): dc not in forks, dd not in dumps, lo locked; mg would be mergeable, hg khugepaged's */
static void assert_flags(const uint8_t *host)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	char line[512], start[32];
	bool inside = false, seen = false;

	assert_non_null(f);
	snprintf(start, sizeof(start), "%jx-", (uintmax_t)(uintptr_t)host);
	while (fgets(line, sizeof(line), f)) {
		inside |= !strncmp(line, start, strlen(start));
		if (!inside || strncmp(line, "VmFlags:", 8) != 0)
			continue;
		seen = true;
		assert_non_null(strstr(line, " dc"));
		assert_non_null(strstr(line, " dd"));
		assert_non_null(strstr(line, " lo"));
		assert_null(strstr(line, " mg"));
		assert_null(strstr(line, " hg"));
		break;
	}
	fclose(f);
	assert_true(seen);
}

static void maps_resident_and_aligned(void **state)
{
	struct mem_opts o = { .bytes = 4 << 20, .pages = MEM_PAGES_4K, .populate = true };
	struct err e = { 0 };
	struct memory m = { 0 };
	struct cpulist online;
	int ret;

	(void)state;
	assert_int_equal(cpulist_read(&online, "/sys/devices/system/cpu/online", &e), 0);
	assert_int_equal(nodes_of(&o.nodes, "/sys", &online, &e), 0);
	ret = mem_map(&m, &o, &e);
	if (ret == -EPERM || ret == -ENOMEM) {
		print_message("no right to lock 4 MiB: %s\n", e.text);
		skip();
	}
	assert_int_equal(ret, 0);
	assert_int_equal((uintptr_t)m.host % (1ull << 30), 0);
	assert_int_equal(m.resident_bytes, o.bytes);
	assert_true(m.locked_bytes >= o.bytes);
	assert_true(cpulist_empty(&m.nodes) == cpulist_empty(&o.nodes)); /* read back */
	for (uint64_t i = 0; i < o.bytes; i += 4096)
		assert_int_equal(m.host[i], 0);
	assert_flags(m.host);
	mem_unmap(&m);
	mem_unmap(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_door),
		cmocka_unit_test(refuses_sizes),
		cmocka_unit_test(maps_resident_and_aligned),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
