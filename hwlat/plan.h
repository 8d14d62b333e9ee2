/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * plan - which CPUs are watched and which stay free, decided before anything is touched
 */
#ifndef RTKVM_HWLAT_PLAN_H
#define RTKVM_HWLAT_PLAN_H

#include "hwlat/options.h"
#include "lib/cpulist.h"
#include "lib/err.h"

/* What the machine offers; read by plan_read, made up by tests. */
struct plan_machine {
	struct cpulist online;
	struct cpulist present;
	struct cpulist isolated; /* isolcpus=domain, cpuset partitions, nohz_full= */
};

struct plan {
	struct cpulist watched;
	struct cpulist housekeeping; /* the supervisor runs here; never empty, never watched */
};

/* plan_read - the machine's CPUs below sysfs (normally "/sys") */
int plan_read(struct plan_machine *m, const char *sysfs, struct err *e);

/*
 * plan_make - the CPUs to watch (asked for, else the isolated ones) and those to keep free.
 * -EINVAL names what stands against it: offline or forbidden CPUs, or no CPU left over.
 */
int plan_make(struct plan *p, const struct plan_machine *m, const struct hwlat_opts *o,
	      struct err *e);

#endif
