// SPDX-License-Identifier: GPL-2.0-only
/* Checks of the choice of isolated CPUs: cores, memory nodes and caches shared with others. */
#include <errno.h>

#include "lib/cleanup.h"
#include "profiles/isolate.h"
#include "profiles/judge.h"

typedef int isolate_fn(const struct topology *t, const struct cpulist *wanted, struct err *e);

static void judge_choice(const struct machine *m, const struct check *c, isolate_fn *ask,
			 struct finding *f)
{
	struct topology t;
	struct err e = { 0 };
	char text[64];
	int ret = topology_read(m, &t, &e);

	if (ret < 0)
		found_unread(c, f, e.text);
	else if (ask(&t, &m->isolated, &e) < 0)
		found_bad(c, f, "%s", e.text);
	else
		found_pass(f, "CPU %s", cpulist_format(&m->isolated, text, sizeof(text)));
}

static void judge_list(const struct machine *m, const struct check *c, struct finding *f)
{
	judge_choice(m, c, isolate_list_ok, f);
}

/* As isolate_cores_whole, but a core that is not known is no pass here. */
static int cores_known_and_whole(const struct topology *t, const struct cpulist *wanted,
				 struct err *e)
{
	cpulist_for_each(cpu, wanted)
		if (t->at[cpu].core < 0)
			return err_set(e, -EINVAL,
				       "not known: the kernel does not show the core "
				       "of CPU %d",
				       cpu);
	return isolate_cores_whole(t, wanted, e);
}

static void judge_whole_cores(const struct machine *m, const struct check *c, struct finding *f)
{
	judge_choice(m, c, cores_known_and_whole, f);
}

static void judge_nodes_served(const struct machine *m, const struct check *c, struct finding *f)
{
	struct topology t;
	struct err ignored = { 0 };

	if (topology_read(m, &t, &ignored) >= 0 && t.at[cpulist_next(&m->isolated, 0)].node < 0)
		found_na(f, "the kernel shows no memory nodes");
	else
		judge_choice(m, c, isolate_nodes_served, f);
}

/* Two threads of one core disturb each other, whoever runs on the other one. */
static void judge_smt(const struct machine *m, const struct check *c, struct finding *f)
{
	struct topology t;
	struct err e = { 0 };

	if (topology_read(m, &t, &e) < 0) {
		found_unread(c, f, e.text);
		return;
	}
	cpulist_for_each(cpu, &m->isolated) {
		if (t.at[cpu].core < 0) {
			found_na(f, "the kernel does not show the cores");
			return;
		}
		for (int other = 0; other < CPULIST_CPUS; other++) {
			if (other == cpu || !cpulist_has(&m->online, other) ||
			    t.at[other].core != t.at[cpu].core)
				continue;
			found_bad(c, f, "CPU %d and CPU %d are one core", cpu < other ? cpu : other,
				  cpu < other ? other : cpu);
			return;
		}
	}
	found_pass(f, "one hardware thread per core");
}

static void judge_one_kind(const struct machine *m, const struct check *c, struct finding *f)
{
	struct cpulist fast, both;
	struct err e = { 0 };
	int ret = machine_cpus(m, c->path, &fast, &e);
	char text[64];

	if (ret < 0) {
		settle_read_error(c, c->path, ret, e.text, f);
		return;
	}
	both = cpulist_and(&fast, &m->isolated);
	if (cpulist_equal(&both, &m->isolated) || cpulist_empty(&both))
		found_pass(f, "of one kind");
	else
		found_bad(c, f, "only CPU %s of them are performance cores",
			  cpulist_format(&both, text, sizeof(text)));
}

static void judge_l3(const struct machine *m, const struct check *c, struct finding *f)
{
	struct topology t;
	struct err e = { 0 };

	if (topology_read(m, &t, &e) < 0) {
		found_unread(c, f, e.text);
		return;
	}
	cpulist_for_each(cpu, &m->isolated)
		cpulist_for_each(other, &m->housekeeping)
			if (t.at[cpu].l3 >= 0 && t.at[cpu].l3 == t.at[other].l3) {
				found_bad(c, f, "CPU %d shares its L3 with CPU %d", cpu, other);
				return;
			}
	if (t.at[cpulist_next(&m->isolated, 0)].l3 < 0)
		found_na(f, "the kernel shows no L3");
	else
		found_pass(f, "none shared");
}

static const struct check rows[] = {
	{
		.id = "cpus.list",
		.scope = BOTH,
		.severity = SEV_FATAL,
		.what = "the isolated CPUs are a set that can be isolated",
		.path = "/sys/devices/system/cpu/online",
		.expected = "at least one, all online, without CPU 0, others left",
		.why = "A list that the kernel cannot use isolates nothing, without a word.",
		.remedy = "set isolated_cores in the profile's variables file, then activate it "
			  "and boot",
		.judge = judge_list,
	},
	{
		.id = "cpus.whole-cores",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.flags = NEEDS_CPUS,
		.what = "no isolated CPU shares its core with a housekeeping CPU",
		.path = "/sys/devices/system/cpu/cpuN/topology/thread_siblings_list",
		.expected = "both hardware threads of a core isolated, or none",
		.why = "Hardware threads share execution units, first-level caches and TLBs.",
		.remedy = "isolate both, or take one offline",
		.judge = judge_whole_cores,
	},
	{
		.id = "cpus.smt",
		.scope = HOST,
		.severity = SEV_INFO,
		.flags = NEEDS_CPUS,
		.what = "each isolated CPU has its core for itself",
		.path = "/sys/devices/system/cpu/cpuN/topology/thread_siblings_list",
		.expected = "one hardware thread per core",
		.why = "Two busy threads of a core slow each other by tens of per cent at times "
		       "that no scheduler chooses.",
		.remedy = "switch SMT off in the firmware or with nosmt",
		.judge = judge_smt,
	},
	{
		.id = "cpus.node-housekeeping",
		.scope = HOST,
		.severity = SEV_HIGH,
		.flags = NEEDS_CPUS,
		.what = "each memory node with isolated CPUs has a housekeeping CPU",
		.path = "/sys/devices/system/node/node*/cpulist",
		.expected = "one or more",
		.why = "Device emulation and vhost threads then run beside the guest's memory.",
		.remedy = "leave one core of each node out of isolated_cores",
		.judge = judge_nodes_served,
	},
	{
		.id = "cpus.one-kind",
		.scope = HOST,
		.severity = SEV_MEDIUM,
		.flags = NEEDS_CPUS,
		.what = "the isolated CPUs are of one kind",
		.path = "/sys/devices/cpu_core/cpus",
		.expected = "performance or efficiency cores, not both",
		.why = "A limit that holds on one kind says nothing about the other.",
		.remedy = "isolate performance cores only",
		.judge = judge_one_kind,
	},
	{
		.id = "cpus.l3",
		.scope = HOST,
		.severity = SEV_INFO,
		.flags = NEEDS_CPUS,
		.what = "the isolated CPUs share no L3 with housekeeping",
		.path = "/sys/devices/system/cpu/cpuN/cache/index3/shared_cpu_list",
		.expected = "none shared, or divided with resctrl",
		.why = "A busy neighbour evicts the guest's cache lines: microseconds per wake-up.",
		.remedy = "isolate whole L3 domains (AMD), or divide the cache (Intel RDT, AMD "
			  "QoS)",
		.judge = judge_l3,
	},
};

const struct check_table cpus_checks = { rows, ARRAY_SIZE(rows) };
