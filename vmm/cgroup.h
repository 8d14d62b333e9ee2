/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cgroup - where in cgroup v2 this process is, and what the groups above it allow
 */
#ifndef RTKVM_VMM_CGROUP_H
#define RTKVM_VMM_CGROUP_H

#include <limits.h>
#include <stdint.h>

#include "lib/err.h"

struct cgroup {
	char mount[PATH_MAX / 4]; /* where cgroup v2 is mounted; "" on a host without it */
	char path[PATH_MAX / 4]; /* of this process below it: "/" or "/a/b" */
};

/*
 * cgroup_find - from PROC/self/cgroup and PROC/self/mounts ("/proc"); a host without cgroup v2, or
 * a process outside of what is mounted, is no error: nothing limits it there
 */
int cgroup_find(struct cgroup *g, const char *proc, struct err *e);

/*
 * cgroup_check_memory - does every group from ours to the root have room for bytes more? The page
 * cache of a group counts as room, as the kernel gives it up first. page_bytes above 4096: huge
 * pages, whose limit is another. -ENOMEM names the file that says no
 */
int cgroup_check_memory(const struct cgroup *g, uint64_t bytes, uint64_t page_bytes, struct err *e);

#endif
