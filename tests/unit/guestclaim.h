/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guestclaim - the CPUs 0 to 5 of a test's tree, 2 to 5 isolated, and a guest that claims some of them
 */
#ifndef RTKVM_TESTS_UNIT_GUESTCLAIM_H
#define RTKVM_TESTS_UNIT_GUESTCLAIM_H

#include "lib/claim.h"
#include "tests/unit/cpus.h"
#include "tests/unit/tree.h"

static inline void guestclaim_tree(void)
{
	tree_put("0-5\n", "devices/system/cpu/present");
	tree_put("0-5\n", "devices/system/cpu/online");
	tree_put("2-5\n", "devices/system/cpu/isolated");
	for (int cpu = 0; cpu < 6; cpu++)
		tree_put("", "devices/system/cpu/cpu%d/uevent", cpu);
}

/* guestclaim - what rtkvm run claims for vCPUs on some CPUs, and its other threads on others */
static inline int guestclaim(struct claim *c, const char *vcpus, const char *others, bool shared,
			     struct err *e)
{
	struct cpulist isolated = cpus_of("2-5"), alone = cpus_of(vcpus), beside = cpus_of(others);
	struct claim_opts o = { .isolated = &isolated,
				.alone = &alone,
				.beside = &beside,
				.alone_for = "--cpus",
				.beside_for = "--housekeeping",
				.remedy = "name others",
				.share_alone = shared,
				.share_beside = shared };

	err_clear(e);
	return claim_cpus(c, root, &o, e);
}

#endif
