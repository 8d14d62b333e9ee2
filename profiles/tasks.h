/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tasks - the threads of a machine, from /proc
 */
#ifndef RTKVM_PROFILES_TASKS_H
#define RTKVM_PROFILES_TASKS_H

#include "profiles/machine.h"

/* Flags of a task that the checks ask for (include/linux/sched.h). */
enum {
	TASK_KTHREAD = 0x00200000, /* PF_KTHREAD */
	TASK_BOUND = 0x04000000, /* PF_NO_SETAFFINITY: user space may not move it */
};

/* tasks_read - fill m->tasks; threads that end meanwhile are left out */
int tasks_read(struct machine *m, struct err *e);

/* task_parse_stat - one line of /proc/PID/stat; -EINVAL when it is none */
int task_parse_stat(struct task *t, const char *text);

#endif
