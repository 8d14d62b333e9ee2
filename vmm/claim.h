/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * claim - an isolated CPU carries the vCPU of one guest, and no other guest's threads
 *
 * By locks in sysfs (flock(2)): nothing is made that could be left behind, and they go with the
 * process, however it ends. Every guest, also one that shares, holds a shared lock for each vCPU on
 * its CPU's directory and for other threads on the uevent file there; who wants a CPU alone looks
 * whether an exclusive one can be had. sysfs has one superblock for each network namespace, and any
 * user may hold a lock: guests in other such namespaces are not seen, and the error tells who it is.
 */
#ifndef RTKVM_VMM_CLAIM_H
#define RTKVM_VMM_CLAIM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/cpulist.h"
#include "lib/err.h"

struct claim {
	int *fds;
	size_t n;
	int busy_cpu; /* after -EBUSY: the one that another guest has */
};

struct claim_opts {
	const struct cpulist *isolated; /* of others nothing is claimed */
	const struct cpulist *vcpus; /* for this guest alone */
	const struct cpulist *others; /* other threads of it: may be shared with those of others */
	bool allow_shared; /* what another guest has is no error */
};

/*
 * claim_cpus - -EBUSY with a sentence when another guest has one, -EAGAIN when a stranger's lock is in
 * the way of ours; claim_drop what it took
 */
int claim_cpus(struct claim *c, const char *sysfs, const struct claim_opts *o, struct err *e);

/* claim_drop - accepts a zeroed claim */
void claim_drop(struct claim *c);

/* claim_holder - a process that /proc/locks names for a flock on that file; 0: none it tells of */
pid_t claim_holder(const char *locks, dev_t dev, ino_t ino);

#endif
