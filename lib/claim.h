/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * claim - an isolated CPU carries the vCPU of one guest or one measurement, and nobody else's threads
 *
 * By locks in sysfs (flock(2)): nothing is made that could be left behind, and they go with the
 * process, however it ends. Everybody, also who shares, holds a shared lock: for a CPU meant to be
 * alone on its directory, for one that others may use on the uevent file there; who wants a CPU alone
 * looks whether an exclusive one can be had. sysfs has one superblock for each network namespace, and
 * any user may hold a lock: those in other such namespaces are not seen, and the error tells who it is.
 */
#ifndef RTKVM_LIB_CLAIM_H
#define RTKVM_LIB_CLAIM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/cpulist.h"
#include "lib/err.h"

struct claim {
	int *fds;
	size_t n;
	int busy_cpu; /* after -EBUSY: the one that another has */
};

struct claim_opts {
	const struct cpulist *isolated; /* of others nothing is claimed */
	const struct cpulist *alone; /* vCPUs, what is measured: beside nobody */
	const struct cpulist *beside; /* other threads: beside others of the kind */
	const char *alone_for, *beside_for, *remedy; /* for the sentence: "--cpus", what to do */
	bool allow_shared; /* what another has is no error */
};

/*
 * claim_cpus - -EBUSY with a sentence when another has one, -EAGAIN when a stranger's lock is in the
 * way of ours; claim_drop what it took
 */
int claim_cpus(struct claim *c, const char *sysfs, const struct claim_opts *o, struct err *e);

/* claim_drop - accepts a zeroed claim */
void claim_drop(struct claim *c);

/* claim_holder - a process that /proc/locks names for a flock on that file; 0: none it tells of */
pid_t claim_holder(const char *locks, dev_t dev, ino_t ino);

#endif
