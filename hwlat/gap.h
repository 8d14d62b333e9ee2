/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * gap - one moment in which one CPU stood still, and which of them belong together
 */
#ifndef RTKVM_HWLAT_GAP_H
#define RTKVM_HWLAT_GAP_H

#include <stddef.h>
#include <stdint.h>

#include "hwlat/culprit.h"

struct gap {
	unsigned int index; /* place of the CPU among the watched */
	int cpu;
	uint64_t start_tsc, end_tsc;
	uint64_t wall_ns; /* CLOCK_REALTIME of its start */
	uint64_t mono_ns;
	uint64_t ns; /* length */
	uint64_t group; /* gaps of one event share it; 0: alone */
	struct culprit_facts facts;
	struct culprit cause;
};

/* gap_sort - by start, then CPU */
void gap_sort(struct gap *gaps, size_t n);

/*
 * gap_settled - how many of n sorted gaps can be judged: the longest prefix that no later gap, and
 * none still to come from before horizon_tsc, overlaps or touches within near_tsc
 */
size_t gap_settled(const struct gap *gaps, size_t n, uint64_t horizon_tsc, uint64_t near_tsc);

/*
 * gap_group - give sorted gaps of several CPUs that belong together the same group number, from
 * *next on, and count the CPUs in facts.group_cpus. Together means: they start within near_tsc, or
 * they overlap for more than half of the shorter and a third of the longer one: a host that stopped
 * all of its CPUs may let one of them wait longer, before or after.
 */
void gap_group(struct gap *gaps, size_t n, uint64_t near_tsc, uint64_t *next);

/*
 * gap_judge - settle who bears witness that the machine stood still, then the cause of each gap. A
 * CPU of the group does if its kernel explains its gap as little as ours explains this one, or if the
 * two gaps overlap as those of one event do: a long gap that is explained by itself is no part of a
 * short one beside it.
 */
void gap_judge(struct gap *gaps, size_t n);

#endif
