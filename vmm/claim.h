/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * claim - an isolated CPU carries the vCPU of one guest, and no other guest's threads
 *
 * By locks on the directories of the CPUs in sysfs (flock(2)): nothing is made that could be left
 * behind, and they go with the process, however it ends.
 */
#ifndef RTKVM_VMM_CLAIM_H
#define RTKVM_VMM_CLAIM_H

#include <stdbool.h>
#include <stddef.h>

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
	bool allow_shared; /* what another guest has is no error, what it has not is claimed */
};

/* claim_cpus - -EBUSY with a sentence when another guest has claimed one; claim_drop what it took */
int claim_cpus(struct claim *c, const char *sysfs, const struct claim_opts *o, struct err *e);

/* claim_drop - accepts a zeroed claim */
void claim_drop(struct claim *c);

#endif
