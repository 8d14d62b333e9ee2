/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * neighbours - which other threads ran on a vCPU's CPU between two moments
 *
 * A vCPU thread that was switched away from against its will lost the CPU to one of them. From
 * PROC/PID/task/TID/{stat,schedstat}, read by the I/O thread at the job's two marks: nothing is
 * traced, nothing runs on the vCPU's CPU for it.
 */
#ifndef RTKVM_VMM_NEIGHBOURS_H
#define RTKVM_VMM_NEIGHBOURS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/err.h"
#include "vmm/helpers.h"

struct neighbour {
	pid_t tid, pid; /* the thread's and its process's */
	int cpu; /* the one it last ran on */
	uint64_t runs, run_ns; /* times on a CPU and time there, since it started */
	char name[32];
};

struct neighbours {
	struct neighbour *list; /* by tid */
	size_t n, room;
};

/* neighbours_reserve - room for twice the threads of now (PROC/loadavg), and some */
int neighbours_reserve(struct neighbours *all, const char *proc, struct err *e);

/*
 * neighbours_read - every thread below proc ("/proc"); one that ends meanwhile is left out. On a
 * kernel without schedstat the list is empty. neighbours_free accepts a zeroed struct
 */
int neighbours_read(struct neighbours *all, const char *proc, struct err *e);
void neighbours_free(struct neighbours *all);

/*
 * neighbours_next - the next thread from *at on that was last on cpu and ran between the two
 * readings, with what it did between them in *out; false at the end. A thread that the kernel moved
 * about in between counts with its runs elsewhere, too; those bound to the CPU are exact
 */
bool neighbours_next(const struct neighbours *before, const struct neighbours *after, int cpu,
		     size_t *at, struct neighbour *out);

/*
 * neighbours_own_runs - how often threads of process pid and the kernel's helpers for it got the CPU
 * of its vCPU thread tid between the two readings, which is what no thread of a VMM should do; -1:
 * the kernel tells of no thread
 */
int64_t neighbours_own_runs(const struct neighbours *before, const struct neighbours *after,
			    int cpu, pid_t tid, pid_t pid, const struct helpers *helpers);

#endif
