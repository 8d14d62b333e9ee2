/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lockfile - a file that one process at a time has; the kernel lets go when that process ends
 */
#ifndef RTKVM_CYCLIC_LOCKFILE_H
#define RTKVM_CYCLIC_LOCKFILE_H

#include <sys/types.h>

#include "lib/cpulist.h"
#include "lib/err.h"

/*
 * lockfile_take - lock path (made when absent); returns the descriptor that holds the lock.
 * -EBUSY with *owner, the process that has it. The lock also ends when any other descriptor of
 * this file is closed in this process: do not open it twice.
 */
int lockfile_take(const char *path, pid_t *owner);

/* lockfile_owner - the process that has the lock, 0: none. Not for the owner itself. */
pid_t lockfile_owner(const char *path);

/*
 * lockfile_dir - where all users' campaigns of this machine meet: the first of /run/lock and /tmp that
 * everybody may write to. The answer is the same for root and for others.
 */
const char *lockfile_dir(void);

/*
 * lockfile_cpus - claim CPUs in dir until the process ends: measured ones for this campaign alone, used
 * ones (by loads and guests' vCPU 0) beside others that use them; one that is both is measured. -EBUSY
 * names the CPU, what for, and the process that has it
 */
int lockfile_cpus(const char *dir, const struct cpulist *measured, const struct cpulist *used,
		  struct err *e);

#endif
