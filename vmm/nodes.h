/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nodes - NUMA nodes: which of them vCPUs are on, what is free there, and memory bound to them
 *
 * A set of nodes is a struct cpulist: same format, same files. An empty one is a kernel without
 * NUMA, or CPUs on nodes that have no memory: there is nothing to bind to.
 */
#ifndef RTKVM_VMM_NODES_H
#define RTKVM_VMM_NODES_H

#include <stdint.h>

#include "lib/cpulist.h"
#include "lib/err.h"

/* nodes_of - the nodes with memory that these CPUs are on; sysfs: "/sys", or a saved tree */
int nodes_of(struct cpulist *nodes, const char *sysfs, const struct cpulist *cpus, struct err *e);

/*
 * nodes_free_bytes - in free huge pages of page_bytes on these nodes (an empty set: on all); with
 * page_bytes 4096 free memory and page cache, 0 for an empty set
 */
uint64_t nodes_free_bytes(const char *sysfs, const struct cpulist *nodes, uint64_t page_bytes);

/* nodes_bind - allocate [at, at + bytes) on these nodes only (MPOL_BIND), nowhere else */
int nodes_bind(void *at, uint64_t bytes, const struct cpulist *nodes, struct err *e);

/*
 * nodes_seen - the nodes that the pages of [at, at + bytes) are on, asked of one page every step
 * bytes (move_pages(2)), and how many of those the kernel says nothing of: not there yet
 */
int nodes_seen(struct cpulist *seen, uint64_t *unseen, uint8_t *at, uint64_t bytes, uint64_t step,
	       struct err *e);

#endif
