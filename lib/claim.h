/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * claim - an isolated CPU carries the vCPU of one guest or one measurement, and nobody else's threads
 *
 * By locks in sysfs (flock(2)): nothing is made that could be left behind, and they go with the
 * process, however it ends. Everybody, also who shares, holds a shared lock: for a CPU meant to be
 * alone on its directory, for one that others may use on the uevent file there; who wants a CPU alone
 * looks whether an exclusive one can be had. sysfs has one superblock for each network namespace, and
 * any user may hold a lock: those in other such namespaces are not seen, and the error tells who it is.
 * Whoever has claimed a CPU and starts what measures on it leaves it the descriptor (proc_opts.keep,
 * flock(1)): what was handed over so is neither looked at again nor claimed twice.
 */
#ifndef RTKVM_LIB_CLAIM_H
#define RTKVM_LIB_CLAIM_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/cpulist.h"
#include "lib/err.h"

enum { CLAIM_WHO_BYTES = 96, CLAIM_HELD_BYTES = PATH_MAX + 256 };

struct claim {
	int *fds;
	size_t n;
	int busy_cpu; /* after -EBUSY: the one that another has, ... */
	char busy_by
		[CLAIM_WHO_BYTES]; /* ... and who: "process 71 (rtkvm run --cpus 2-3)", "somebody" */
};

struct claim_opts {
	const struct cpulist *isolated; /* of others nothing is claimed; NULL: as sysfs has them */
	const struct cpulist *alone; /* vCPUs, what is measured: beside nobody */
	const struct cpulist *beside; /* other threads: beside others of the kind; NULL: none */
	const char *alone_for, *beside_for; /* for the sentence: "--cpus" */
	const char *remedy; /* what to do; NULL: CLAIM_REMEDY */
	bool share_alone, share_beside; /* what another has of them is no error */
};

#define CLAIM_REMEDY "wait for its end or take other CPUs"

/*
 * claim_cpus - -EBUSY with a sentence when another has one, -EAGAIN when a stranger's lock is in the
 * way of ours; claim_drop what it took
 */
int claim_cpus(struct claim *c, const char *sysfs, const struct claim_opts *o, struct err *e);

/* claim_drop - accepts a zeroed claim */
void claim_drop(struct claim *c);

/* claim_holder - a process that /proc/locks names for a flock on that file; 0: none it tells of */
pid_t claim_holder(const char *locks, dev_t dev, ino_t ino);

/*
 * claim_held - for the sentence of who found fd, which is path, locked (flock(2)): "process 71 (rtkvm run
 * --cpus 2-3) holds the lock on PATH"; without the command where /proc hides it (hidepid), with somebody
 * in its place where it does not tell
 */
const char *claim_held(char buf[static CLAIM_HELD_BYTES], int fd, const char *path);

#endif
