/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * choose - --placement auto: the host CPUs that suit vCPUs best, and why
 *
 * Isolated and nohz_full, all on one NUMA node, one thread a core and none beside a busy one, not
 * taken by another pinned thread nor claimed by another guest, on the node whose free pages hold the guest's memory.
 */
#ifndef RTKVM_VMM_CHOOSE_H
#define RTKVM_VMM_CHOOSE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/cpulist.h"
#include "lib/cpumap.h"
#include "lib/err.h"
#include "lib/hostcpus.h"
#include "vmm/memory.h"

struct choose_opts {
	int vcpus;
	bool allow_shared; /* vCPU 0 may share a housekeeping CPU when too few are isolated */
	bool allow_tick; /* CPUs that are isolated, but not nohz_full, will do */
	const struct mem_opts *mem;
	const struct cpulist *kept; /* CPUs of this run's other threads */
	const struct cpulist *taken; /* CPUs that a thread of somebody else is pinned to */
	const struct cpulist *claimed; /* CPUs that another has (lib/claim.h) */
	int claimed_last; /* the one of them that was tried last, ... */
	const char *claimed_by; /* ... and who has it: "process 71 (rtkvm run --cpus 2-3)" */
	bool share_claimed; /* they will do where too few are nobody's */
};

enum { CHOOSE_WHY_BYTES = 2048 }; /* of 128 vCPUs, and whose CPUs they share */

struct choice {
	struct cpumap map;
	char why[CHOOSE_WHY_BYTES]; /* "isolated, nohz_full, NUMA node 0 (...), ..." */
};

/* choose_cpus - -EBUSY with a sentence that tells what is missing when there is no such choice */
int choose_cpus(struct choice *c, const struct hostcpus *h, const char *sysfs,
		const struct choose_opts *o, struct err *e);

/*
 * choose_taken - the CPUs that a thread is pinned to alone, from PROC/PID/task; the kernel's own
 * threads (one a CPU everywhere) and those of process self do not count
 */
int choose_taken(struct cpulist *taken, const char *proc, pid_t self, struct err *e);

#endif
