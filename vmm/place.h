/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * place - which CPUs may carry vCPUs, which everything else, and proof that it is so
 */
#ifndef RTKVM_VMM_PLACE_H
#define RTKVM_VMM_PLACE_H

#include <stdbool.h>

#include "lib/cpulist.h"
#include "lib/err.h"
#include "lib/cpumap.h"
#include "lib/hostcpus.h"
#include "vmm/vm.h"

struct place_opts {
	const struct cpumap *map;
	const struct cpulist *housekeeping; /* NULL: chosen */
	const struct cpulist *devices; /* NULL: none; CPUs that devices' threads are bound to */
	const struct cpulist *allowed; /* this process's affinity when it started */
	bool allow_shared; /* take CPUs that are not isolated or not nohz_full */
	bool allow_tick; /* take CPUs that are isolated, but not nohz_full */
};

/*
 * place_check - may these CPUs carry vCPUs? One sentence for CPUs that do not exist, are offline,
 * not isolated, not nohz_full or carry a device's thread, too; *housekeeping gets the CPUs of all other threads
 */
int place_check(const struct hostcpus *h, const struct place_opts *o, struct cpulist *housekeeping,
		struct err *e);

/*
 * place_ordinary - thread tid (0: the caller): SCHED_OTHER, should it have a real-time policy; one
 * that is below it (SCHED_BATCH, SCHED_IDLE) stays
 */
int place_ordinary(pid_t tid, struct err *e);

/*
 * place_core_sched - core scheduling: this process and the threads that it starts get a cookie of
 * their own, so that nobody else runs on the other threads of a vCPU's core (prctl(2), Linux 5.14).
 * Soon after boot this waits, seconds at most, until the kernel tells cookies
 */
int place_core_sched(struct err *e);

/* place_uclamp_effective - a thread's least utilization as it is in force; below proc ("/proc") */
int place_uclamp_effective(const char *proc, const char *task);

/* place_rt_runtime_us - what of each second real-time tasks may have (-1: all); -2: not known */
int64_t place_rt_runtime_us(void);

/* place_policy - thread tid becomes SCHED_FIFO prio, or SCHED_OTHER for 0; read back into placed */
int place_policy(pid_t tid, int prio, struct vcpu_placed *placed, struct err *e);

/*
 * place_vcpu - calling thread: full utilization for frequency scaling where the kernel has uclamp,
 * --cpuset-partition's cgroup, --resctrl's group, one CPU, SCHED_FIFO (not with --fifo 0, not yet with --rt-delay), in
 * this order: a cgroup would change the affinity. Read back, or an error
 */
int place_vcpu(const struct vm_opts *o, int vcpu, int cpu, struct vcpu_placed *placed,
	       struct err *e);

/* place_priority - of a vCPU that is real-time: --fifo's, 0 for one of --ordinary */
int place_priority(const struct vm_opts *o, int vcpu);

/* place_highest - of all vCPUs' priorities; 0: none of them is ever SCHED_FIFO */
int place_highest(const struct vm_opts *o);

#endif
