/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * isolate - which CPUs may be isolated, and which are a good choice
 */
#ifndef RTKVM_PROFILES_ISOLATE_H
#define RTKVM_PROFILES_ISOLATE_H

#include "profiles/machine.h"

/* Where a CPU is; each place is named by its lowest CPU, -1 when the kernel does not say. */
struct cpu_place {
	int core, node, l3;
};

struct topology {
	struct cpulist online;
	struct cpulist performance; /* cores of the faster kind; empty when all are of one kind */
	struct cpu_place at[CPULIST_CPUS];
};

/* topology_read - places of the online CPUs; files that are missing leave -1 */
int topology_read(const struct machine *m, struct topology *t, struct err *e);

/*
 * isolate_check - may these CPUs be isolated? The three questions below in turn; -EINVAL with the
 * sentence for the user
 */
int isolate_check(const struct topology *t, const struct cpulist *wanted, struct err *e);

/* isolate_list_ok - some CPUs, all online, never CPU 0 (it keeps the time), never all of them */
int isolate_list_ok(const struct topology *t, const struct cpulist *wanted, struct err *e);

/* isolate_cores_whole - hardware threads of a core are isolated together or not at all */
int isolate_cores_whole(const struct topology *t, const struct cpulist *wanted, struct err *e);

/* isolate_nodes_served - each memory node keeps a housekeeping CPU for what serves the guests */
int isolate_nodes_served(const struct topology *t, const struct cpulist *wanted, struct err *e);

/*
 * isolate_auto - a choice for who does not want to make one: every core but one per node (the one
 * of CPU 0 in its node), of the faster kind only. -EINVAL when nothing would be left to isolate
 */
int isolate_auto(const struct topology *t, struct cpulist *out, struct err *e);

#endif
