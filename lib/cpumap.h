/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cpumap - which host CPU carries which vCPU
 */
#ifndef RTKVM_LIB_CPUMAP_H
#define RTKVM_LIB_CPUMAP_H

#include "lib/cpulist.h"
#include "lib/err.h"

enum { CPUMAP_VCPUS = 128 }; /* APIC ids stay below 255: no x2APIC-only guest needed */

struct cpumap {
	int n;
	int host[CPUMAP_VCPUS]; /* host CPU of vCPU i */
};

/*
 * cpumap_parse - "2-3", "5,2" (a host CPU for each vCPU, in that order) or "0:2,1:6", "0:2,1-3:5-7"
 * (vCPU:CPU, also ranges of equal length; every vCPU from 0 exactly once); no host CPU twice;
 * -EINVAL with the reason otherwise
 */
int cpumap_parse(struct cpumap *m, const char *text, struct err *e);

/* cpumap_cpus - the set of host CPUs used */
struct cpulist cpumap_cpus(const struct cpumap *m);

#endif
