/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * threads - what /proc tells about another process's threads
 */
#ifndef RTKVM_LIB_THREADS_H
#define RTKVM_LIB_THREADS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct thread_counts {
	uint64_t page_faults; /* minor and major */
	uint64_t involuntary_switches;
};

/* thread_find - id of the process's thread of that name, 0 when there is none */
pid_t thread_find(pid_t pid, const char *name);

/* thread_counts - the kernel's counters of a thread; -ESRCH when it is gone */
int thread_counts(pid_t pid, pid_t tid, struct thread_counts *c);

/* thread_switches_parse - involuntary switches from a thread's status file; -EINVAL: not there */
int thread_switches_parse(const char *status, uint64_t *switches);

/* process_descends - is pid the ancestor itself, or a child of it at any depth? */
bool process_descends(pid_t pid, pid_t ancestor);

/* A line of /proc/PID/task/TID/stat: proc_pid_stat(5), fields 1, 2, 4, 9, 10, 12, 22, 39 to 41. */
struct thread_stat {
	pid_t tid, parent; /* parent: of the process */
	char name[32];
	unsigned int flags; /* PF_... of the kernel's sched.h */
	uint64_t start_ticks; /* since boot */
	uint64_t minor_faults, major_faults;
	int cpu, priority, policy; /* the CPU it last ran on, real-time priority, SCHED_... */
};

/*
 * process_start - when it started, in ticks since boot: with its id the kernel's own name for a
 * process, so that a reused id is not taken for it; 0 when there is none
 */
uint64_t process_start(pid_t pid);

/* thread_stat_parse - one stat line; -EINVAL when it is none */
int thread_stat_parse(const char *line, struct thread_stat *s);

#endif
