/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hostcpus - which CPUs this host has, which of them are kept free, and where they sit
 *
 * All of it from sysfs, or from a saved tree of it: ROOT is "/sys" on a live machine.
 */
#ifndef RTKVM_LIB_HOSTCPUS_H
#define RTKVM_LIB_HOSTCPUS_H

#include <stdbool.h>

#include "lib/cpulist.h"
#include "lib/err.h"

struct hostcpus {
	struct cpulist present, online;
	/* isolcpus=domain (cpu/isolated) and isolated cpuset partitions (cpuset.cpus.isolated) */
	struct cpulist isolated;
	struct cpulist nohz_full;
	bool has_nohz_full; /* the kernel can (CONFIG_NO_HZ_FULL: it has the file) */
};

/* hostcpus_read - the sets; files that a kernel without the feature lacks are empty sets */
int hostcpus_read(struct hostcpus *h, const char *root, struct err *e);

/* hostcpus_siblings - the threads of cpu's core, cpu among them; alone where nothing says more */
int hostcpus_siblings(struct cpulist *l, const char *root, int cpu, struct err *e);

/* hostcpus_nodes - the NUMA nodes that are online; none on a kernel without NUMA */
int hostcpus_nodes(struct cpulist *nodes, const char *root, struct err *e);

/* hostcpus_node_cpus - the CPUs of one NUMA node (may be none: memory only) */
int hostcpus_node_cpus(struct cpulist *l, const char *root, int node, struct err *e);

/* hostcpus_memory_nodes - the NUMA nodes that have memory; none on a kernel without NUMA */
int hostcpus_memory_nodes(struct cpulist *nodes, const char *root, struct err *e);

#endif
