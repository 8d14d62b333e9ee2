// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "vmm/choose.h"
#include "vmm/nodes.h"
#include "tests/unit/cpus.h"
#include "tests/unit/tree.h"

enum { NODES = 2, SHARED = 1, TICK = 2, SHARE_CLAIMED = 3 };

/* A host of 8 CPUs; smt: CPU n and n ^ 1 are one core. */
struct row {
	const char *isolated, *nohz; /* nohz NULL: the same */
	bool smt;
	const char *node[NODES]; /* their CPUs; none: no NUMA */
	unsigned int huge[NODES]; /* free 2 MiB pages */
	const char *kept, *taken, *claimed;
	int claimed_last; /* by process 71 */
	int vcpus, allow;
	enum mem_pages pages;
	const char *cpus; /* host CPUs of the vCPUs; NULL: there is no choice ... */
	const char *refused; /* ... and a part of the reason */
	const char *why; /* a part of the explanation */
};

static const struct row cases[] = {
	{ .isolated = "2-7", .vcpus = 2, .cpus = "2 3", .why = "isolated and nohz_full" },
	{ .isolated = "2-7", .smt = true, .vcpus = 3, .cpus = "2 4 6" },
	{ .isolated = "2-7",
	  .smt = true,
	  .vcpus = 4,
	  .refused = "3 at best (CPU 2,4,6), isolated there are 2-7: 3,5,7 beside a busy" },
	{ .isolated = "3-7",
	  .smt = true,
	  .vcpus = 3, /* 2 keeps house beside 3 */
	  .refused = "2 at best (CPU 4,6)" },
	{ .isolated = "2-7",
	  .taken = "4",
	  .vcpus = 3,
	  .smt = true,
	  .refused = "4 taken by a pinned thread, 3,5,7 beside" },
	{ .isolated = "2-7", .taken = "2,6", .vcpus = 3, .cpus = "3 4 5" },
	/* what this run's other threads get is no vCPU's */
	{ .isolated = "2-7", .kept = "2", .vcpus = 2, .cpus = "3 4" },
	{ .isolated = "2-7", .smt = true, .kept = "2", .vcpus = 2, .cpus = "4 6" },
	{ .isolated = "2-3",
	  .kept = "2",
	  .taken = "2-3",
	  .vcpus = 1,
	  .refused =
		  "2 kept for other threads (--housekeeping, cpu=), 3 taken by a pinned thread; isolate" },
	/* claimed, but nobody is pinned there: a guest that is being set up, devices' threads */
	{ .isolated = "2-7", .claimed = "2,6", .vcpus = 3, .cpus = "3 4 5" },
	{ .isolated = "2-7",
	  .claimed = "2-3,5",
	  .taken = "5",
	  .claimed_last = 3,
	  .vcpus = 4,
	  .refused =
		  "5 taken by a pinned thread, 2-3 claimed, CPU 3 by process 71 (rtkvm run --cpus 3); "
		  "end process 71, isolate more, or give" },
	{ .isolated = "2-7",
	  .claimed = "4",
	  .claimed_last = 4,
	  .vcpus = 3,
	  .smt = true,
	  .refused =
		  "4 claimed by process 71 (rtkvm run --cpus 3), 3,5,7 beside a busy thread of their "
		  "core; end process 71, isolate" },
	/* the last one looked at is on another node: of these it is not known */
	{ .isolated = "2-3,6-7",
	  .node = { "0-3", "4-7" },
	  .claimed = "2-3,6-7",
	  .claimed_last = 7,
	  .vcpus = 1,
	  .refused = "are 2-3: 2-3 claimed by others; isolate more" },
	{ .isolated = "2-3", .claimed = "2", .claimed_last = 2, .vcpus = 1, .cpus = "3" },
	/* what is shared: last, and only where it is allowed and not pinned to by its owner */
	{ .isolated = "2-5",
	  .claimed = "2-3",
	  .claimed_last = 3,
	  .vcpus = 3,
	  .allow = SHARE_CLAIMED,
	  .cpus = "2 4 5",
	  .why = "CPU 2,4-5: isolated and nohz_full; shared, as too few are nobody's: CPU 2 claimed "
		 "by others" },
	{ .isolated = "2",
	  .claimed = "2",
	  .claimed_last = 2,
	  .vcpus = 2,
	  .allow = SHARE_CLAIMED,
	  .cpus = "7 2",
	  .why = "; vCPU 0 shares a housekeeping CPU; shared, as too few are nobody's: CPU 2 claimed "
		 "by process 71 (rtkvm run --cpus 3)" },
	{ .isolated = "2-3",
	  .claimed = "2-3",
	  .claimed_last = 3,
	  .vcpus = 2,
	  .allow = SHARE_CLAIMED,
	  .cpus = "2 3",
	  .why = "CPU 2-3 claimed, CPU 3 by process 71" },
	{ .isolated = "2-3",
	  .claimed = "2-3",
	  .claimed_last = 3,
	  .taken = "3",
	  .vcpus = 3,
	  .allow = SHARE_CLAIMED,
	  .refused = "3 taken by a pinned thread, 2 claimed by others" },
	{ .isolated = "2-3,6-7", /* a node where nobody's are enough comes first */
	  .node = { "0-3", "4-7" },
	  .huge = { 128, 0 },
	  .claimed = "2",
	  .claimed_last = 2,
	  .vcpus = 2,
	  .allow = SHARE_CLAIMED,
	  .cpus = "6 7" },
	{ .isolated = "2-5", .nohz = "4-7", .vcpus = 2, .cpus = "4 5" },
	{ .isolated = "2-5", .nohz = "4-7", .vcpus = 3, .refused = "2-3 not nohz_full" },
	{ .isolated = "2-5",
	  .nohz = "4-7",
	  .vcpus = 3,
	  .allow = TICK,
	  .cpus = "2 3 4",
	  .why = "not nohz_full" },
	{ .isolated = "", .vcpus = 1, .refused = "no CPU of this machine is isolated" },
	{ .isolated = "", .vcpus = 1, .allow = SHARED, .cpus = "7", .why = "vCPU 0 shares" },
	{ .isolated = "6",
	  .taken = "6",
	  .vcpus = 1,
	  .allow = SHARED,
	  .cpus = "7",
	  .why = "no isolated CPU is free; vCPU 0 shares" },
	{ .isolated = "1-3,5-7", /* a node whose CPUs are all isolated has none for vCPU 0 */
	  .node = { "0-3", "5-7" },
	  .huge = { 0, 128 },
	  .vcpus = 4,
	  .allow = SHARED,
	  .cpus = "0 1 2 3",
	  .why = "NUMA node 0; vCPU 0 shares" },
	{ .isolated = "6-7", .vcpus = 3, .allow = SHARED, .cpus = "5 6 7" },
	{ .isolated = "6-7", .vcpus = 4, .allow = SHARED, .refused = "CPUs for 3 vCPUs wanted" },
	{ .isolated = "6-7", .vcpus = 2, .allow = SHARED, .cpus = "6 7" },
	{ .isolated = "0-7", /* no housekeeping CPU for vCPU 0 */
	  .taken = "0-7",
	  .vcpus = 1,
	  .allow = SHARED,
	  .refused = "CPUs for 1 vCPUs wanted, this machine has 0 at best" },
	{ .isolated = "6-7",
	  .node = { "0-3", "4-7" },
	  .taken = "6-7",
	  .vcpus = 1,
	  .refused = "NUMA node 1 has 0 at best (CPU none), isolated there are 6-7: 6-7 taken" },
	/* two nodes: enough CPUs first, then huge pages, then more CPUs to spare */
	{ .isolated = "2-3,5-7",
	  .node = { "0-3", "4-7" },
	  .vcpus = 2,
	  .cpus = "5 6",
	  .why = "NUMA node 1" },
	{ .isolated = "2-3,5-7",
	  .node = { "0-3", "4-7" },
	  .huge = { 128, 0 },
	  .vcpus = 2,
	  .cpus = "2 3",
	  .why = "NUMA node 0 with free huge pages" },
	{ .isolated = "2-3,5-7",
	  .node = { "0-3", "4-7" },
	  .huge = { 128, 0 },
	  .vcpus = 3,
	  .cpus = "5 6 7" },
	{ .isolated = "2-3,5-7",
	  .node = { "0-3", "4-7" },
	  .huge = { 128, 0 },
	  .vcpus = 3,
	  .pages = MEM_PAGES_2M,
	  .refused = "no NUMA node has both 3 CPUs for vCPUs and 256" },
	{ .isolated = "2-3,5-7",
	  .node = { "0-3", "4-7" },
	  .huge = { 0, 128 },
	  .vcpus = 2,
	  .pages = MEM_PAGES_2M,
	  .cpus = "5 6" },
	{ .isolated = "2-3,6-7",
	  .node = { "0-3", "4-7" },
	  .vcpus = 3, /* not across nodes */
	  .refused = "CPUs for 3 vCPUs wanted, NUMA node 0 has 2 at best" },
};

static void lay_out(const struct row *r)
{
	char text[64];

	for (int cpu = 0; cpu < 8; cpu++) {
		snprintf(text, sizeof(text), r->smt ? "%d,%d\n" : "%d\n", cpu & ~1, cpu | 1);
		if (!r->smt)
			snprintf(text, sizeof(text), "%d\n", cpu);
		tree_put(text, "devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
	}
	for (int n = 0; n < NODES && r->node[n]; n++) {
		snprintf(text, sizeof(text), "0-%d\n", n);
		tree_put(text, "devices/system/node/online");
		tree_put(text, "devices/system/node/has_memory");
		tree_put(r->node[n], "devices/system/node/node%d/cpulist", n);
		snprintf(text, sizeof(text), "%u\n", r->huge[n]);
		tree_put(text,
			 "devices/system/node/node%d/hugepages/hugepages-2048kB/free_hugepages", n);
		tree_put(
			"Node 0 MemFree:  900000 kB\nNode 0 Active(file): 150000 kB\nNode 0 Inactive(file): 50000 kB\n",
			"devices/system/node/node%d/meminfo", n);
	}
}

static void check(const struct row *r, size_t i)
{
	struct hostcpus h = { .present = cpus_of("0-7"),
			      .online = cpus_of("0-7"),
			      .isolated = cpus_of(r->isolated),
			      .nohz_full = cpus_of(r->nohz ? r->nohz : r->isolated),
			      .has_nohz_full = true };
	struct mem_opts mem = { .bytes = 256 << 20, .pages = r->pages };
	struct cpulist kept = cpus_of(r->kept), taken = cpus_of(r->taken);
	struct cpulist claimed = cpus_of(r->claimed);
	struct choose_opts o = { .vcpus = r->vcpus,
				 .allow_shared = r->allow == SHARED || r->allow == SHARE_CLAIMED,
				 .share_claimed = r->allow == SHARE_CLAIMED,
				 .claimed_last = r->claimed_last,
				 .claimed_by = "process 71 (rtkvm run --cpus 3)",
				 .allow_tick = r->allow == TICK,
				 .mem = &mem,
				 .kept = &kept,
				 .taken = &taken,
				 .claimed = &claimed };
	struct err e = { 0 };
	struct choice c;
	char got[64] = "";

	if (choose_cpus(&c, &h, root, &o, &e) < 0) {
		if (r->cpus || !strstr(e.text, r->refused))
			fail_msg("row %zu: %s", i, e.text);
		return;
	}
	if (!r->cpus)
		fail_msg("row %zu: %s", i, c.why);
	for (int k = 0; k < c.map.n; k++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%d", k ? " " : "",
			 c.map.host[k]);
	if (strcmp(got, r->cpus))
		fail_msg("row %zu: CPU %s, not %s", i, got, r->cpus);
	if (r->why && !strstr(c.why, r->why))
		fail_msg("row %zu: %s", i, c.why);
}

static void chooses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		lay_out(&cases[i]);
		check(&cases[i], i);
		tree_remove(state);
		assert_int_equal(tree_make(state), 0);
	}
}

/* Of the largest guest every CPU is named. */
static void names_all_of_many(void **state)
{
	struct mem_opts mem = { .bytes = 256 << 20, .pages = MEM_PAGES_AUTO };
	struct hostcpus h = { .has_nohz_full = true };
	struct cpulist none = { 0 };
	struct choose_opts o = {
		.vcpus = CPUMAP_VCPUS, .mem = &mem, .kept = &none, .taken = &none, .claimed = &none
	};
	struct err e = { 0 };
	struct choice c;
	char text[16];

	(void)state;
	for (int i = 0; i < CPUMAP_VCPUS; i++) {
		int cpu = 1000 + 2 * i;

		cpulist_add(&h.isolated, cpu);
		snprintf(text, sizeof(text), "%d\n", cpu);
		tree_put(text, "devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
	}
	h.present = h.online = h.nohz_full = h.isolated;
	assert_int_equal(choose_cpus(&c, &h, root, &o, &e), 0);
	assert_non_null(strstr(c.why, "CPU 1000,1002,"));
	assert_non_null(strstr(c.why, ",1254: isolated and nohz_full, no busy SMT sibling"));
}

static void memory_of_nodes(void **state)
{
	static const struct row two = { .node = { "0-3", "4-7" }, .huge = { 3, 5 } };
	struct cpulist nodes, cpus = cpus_of("2,6"), none = { 0 }, second = cpus_of("1");
	struct err e = { 0 };

	(void)state;
	assert_int_equal(nodes_of(&nodes, root, &cpus, &e), 0); /* no NUMA */
	assert_true(cpulist_empty(&nodes));
	lay_out(&two);
	tree_put("7\n", "kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
	assert_int_equal(nodes_of(&nodes, root, &cpus, &e), 0);
	assert_int_equal(cpulist_count(&nodes), 2);
	assert_int_equal(nodes_free_bytes(root, &nodes, 2 << 20), 8 * (2ull << 20));
	assert_int_equal(nodes_free_bytes(root, &second, 2 << 20), 5 * (2ull << 20));
	assert_int_equal(nodes_free_bytes(root, &none, 2 << 20), 7 * (2ull << 20));
	assert_int_equal(nodes_free_bytes(root, &second, 4096), 1100000 * 1024ull);
	tree_put("0\n", "devices/system/node/has_memory"); /* node 1 has CPUs only */
	assert_int_equal(nodes_of(&nodes, root, &cpus, &e), 0);
	assert_false(cpulist_has(&nodes, 1));
}

static void finds_pinned_threads(void **state)
{
	static const char status[] = "Name:\tx\nCpus_allowed:\tf\nCpus_allowed_list:\t%s\nx:\t1\n";
	static const struct {
		int pid;
		const char *cpus, *stat;
	} rows[] = {
		{ 10, "3", "10 (vcpu) (0) S 1 1 1 0 -1 4194304 0 0" },
		{ 11, "4", "11 (ksoftirqd/4) S 2 0 0 0 -1 69238848 0 0" }, /* PF_KTHREAD */
		{ 12, "5-6", "12 (sh) S 1 1 1 0 -1 4194304 0 0" },
		{ 13, "6", "13 (self) S 1 1 1 0 -1 4194304 0 0" },
		{ 14, "garbage", "" },
	};
	static const char rest[] = " 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0";
	struct cpulist taken;
	struct err e = { 0 };
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(text, sizeof(text), status, rows[i].cpus);
		tree_put(text, "%d/task/%d/status", rows[i].pid, rows[i].pid);
		snprintf(text, sizeof(text), "%s%s", rows[i].stat, rest);
		tree_put(text, "%d/task/%d/stat", rows[i].pid, rows[i].pid);
	}
	tree_put("x", "uptime");
	assert_int_equal(choose_taken(&taken, root, 13, &e), 0);
	assert_string_equal(cpulist_format(&taken, text, sizeof(text)), "3");
	assert_true(choose_taken(&taken, "/nowhere", 0, &e) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(chooses),
		tree_test(names_all_of_many),
		tree_test(memory_of_nodes),
		tree_test(finds_pinned_threads),
	};

	return cmocka_run_group_tests_name("choose", tests, NULL, NULL);
}
