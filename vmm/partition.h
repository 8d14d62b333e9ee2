/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * partition - an isolated cpuset partition of cgroup v2 for the vCPU threads, while this VM lives
 *
 * A threaded child of the root cgroup, as a thread can only go where its process's resources stay
 * (cgroup-v2.rst, "Threads"): the process itself moves to the root cgroup. Its CPUs leave the
 * scheduler's domains and everybody else's cpuset. An extended attribute, there before anything is
 * changed, names the owner, so that the next start can remove what a killed one left. Who makes or
 * removes one holds a lock on the root cgroup's directory.
 */
#ifndef RTKVM_VMM_PARTITION_H
#define RTKVM_VMM_PARTITION_H

#include <limits.h>
#include <stdbool.h>

#include "lib/cpulist.h"
#include "lib/err.h"
#include "vmm/cgroup.h"

struct partition {
	struct cgroup group; /* of the process, before */
	char dir[PATH_MAX]; /* "" when there is none */
	char name[65];
	bool enabled; /* we turned the cpuset controller on below the root */
};

/* partition_name_ok - a name that cgroup v2 takes and that is no file of the kernel's there */
bool partition_name_ok(const char *name);

/*
 * partition_create - make it for these CPUs and check that the kernel calls it "isolated"; the
 * process moves to the root cgroup. On failure nothing is left. partition_remove takes one that
 * was never made; every thread must have left it
 */
int partition_create(struct partition *p, const char *name, const struct cpulist *cpus,
		     struct err *e);
int partition_remove(struct partition *p, struct err *e);

/* partition_state - what the kernel calls it now ("isolated", ...), in buf; "" when it cannot be read */
char *partition_state(const struct partition *p, char *buf, size_t size);

/*
 * partition_check - does the kernel still call it isolated? Who writes cpusets on this host, as
 * systemd does, can undo it at any time
 */
int partition_check(const struct partition *p, struct err *e);

/* partition_enter - the calling thread moves into it; read back */
int partition_enter(const struct partition *p, struct err *e);

/* partition_recover - remove those whose owners are gone, below this mount; how many */
int partition_recover(const char *mount, struct err *e);

#endif
