// SPDX-License-Identifier: GPL-2.0-only
#include "profiles/isolate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A file that holds the list of CPUs of one place: the lowest of them is its name. */
static int place(const struct machine *m, int cpu, const char *file)
{
	struct err ignored = { 0 };
	struct cpulist l;
	char path[128];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/%s", cpu, file);
	return machine_cpus(m, path, &l, &ignored) < 0 ? -1 : cpulist_next(&l, 0);
}

int topology_read(const struct machine *m, struct topology *t, struct err *e)
{
	struct err ignored = { 0 };
	struct paths nodes;
	int ret;

	t->online = m->online;
	if (machine_cpus(m, "/sys/devices/cpu_core/cpus", &t->performance, &ignored) < 0)
		memset(&t->performance, 0, sizeof(t->performance));
	for (int cpu = 0; cpu < CPULIST_CPUS; cpu++)
		t->at[cpu] = (struct cpu_place){ -1, -1, -1 };
	cpulist_for_each(cpu, &t->online) {
		t->at[cpu].core = place(m, cpu, "topology/thread_siblings_list");
		t->at[cpu].l3 = place(m, cpu, "cache/index3/shared_cpu_list");
	}
	ret = machine_glob(m, "/sys/devices/system/node/node[0-9]*/cpulist", &nodes, e);
	if (ret < 0)
		return ret;
	for (size_t i = 0; i < nodes.n; i++) {
		struct err why = { 0 };
		struct cpulist l;

		if (machine_cpus(m, nodes.v[i], &l, &why) < 0)
			continue;
		cpulist_for_each(cpu, &l)
			t->at[cpu].node = cpulist_next(&l, 0);
	}
	paths_free(&nodes);
	return 0;
}

static bool node_has_one(const struct topology *t, int node, const struct cpulist *l)
{
	cpulist_for_each(cpu, l)
		if (t->at[cpu].node == node)
			return true;
	return false;
}

int isolate_list_ok(const struct topology *t, const struct cpulist *wanted, struct err *e)
{
	struct cpulist off = cpulist_minus(wanted, &t->online);
	struct cpulist rest = cpulist_minus(&t->online, wanted);
	char text[64];

	if (cpulist_empty(wanted))
		return err_set(e, -EINVAL, "no CPU is isolated; give a list such as 2-5");
	if (!cpulist_empty(&off))
		return err_set(e, -EINVAL, "CPU %s is not online",
			       cpulist_format(&off, text, sizeof(text)));
	if (cpulist_empty(&rest))
		return err_set(e, -EINVAL, "no housekeeping CPU is left; leave at least CPU 0");
	if (cpulist_has(wanted, 0))
		return err_set(e, -EINVAL,
			       "CPU 0 cannot be isolated, it keeps the time; leave it out");
	return 0;
}

int isolate_cores_whole(const struct topology *t, const struct cpulist *wanted, struct err *e)
{
	struct cpulist rest = cpulist_minus(&t->online, wanted);

	cpulist_for_each(cpu, wanted)
		cpulist_for_each(other, &rest)
			if (t->at[cpu].core >= 0 && t->at[cpu].core == t->at[other].core)
				return err_set(e, -EINVAL,
					       "CPU %d and CPU %d share a core; isolate both or "
					       "none",
					       cpu, other);
	return 0;
}

int isolate_nodes_served(const struct topology *t, const struct cpulist *wanted, struct err *e)
{
	struct cpulist rest = cpulist_minus(&t->online, wanted);

	cpulist_for_each(cpu, wanted)
		if (t->at[cpu].node >= 0 && !node_has_one(t, t->at[cpu].node, &rest))
			return err_set(e, -EINVAL,
				       "the memory node of CPU %d has no housekeeping CPU left; "
				       "leave one",
				       cpu);
	return 0;
}

int isolate_check(const struct topology *t, const struct cpulist *wanted, struct err *e)
{
	int ret = isolate_list_ok(t, wanted, e);

	if (!ret)
		ret = isolate_cores_whole(t, wanted, e);
	return ret ? ret : isolate_nodes_served(t, wanted, e);
}

int isolate_auto(const struct topology *t, struct cpulist *out, struct err *e)
{
	struct cpulist nodes_served = { 0 }, all = t->online;

	if (!cpulist_empty(&t->performance))
		all = cpulist_and(&t->online, &t->performance);
	*out = all;
	cpulist_for_each(cpu, &t->online) {
		int node = t->at[cpu].node < 0 ? 0 : t->at[cpu].node;

		if (cpulist_has(&nodes_served, node))
			continue;
		cpulist_add(&nodes_served, node);
		cpulist_remove(out, cpu);
		cpulist_for_each(other, &all)
			if (t->at[cpu].core >= 0 && t->at[cpu].core == t->at[other].core)
				cpulist_remove(out, other);
	}
	if (cpulist_empty(out))
		return err_set(e, -EINVAL,
			       "this machine has too few cores: none is left to "
			       "isolate after one for housekeeping");
	return 0;
}
