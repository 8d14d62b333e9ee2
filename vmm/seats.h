/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * seats - the CPUs that this run gets: chosen or named, checked, and claimed against other runs
 */
#ifndef RTKVM_VMM_SEATS_H
#define RTKVM_VMM_SEATS_H

#include "lib/claim.h"
#include "lib/cpulist.h"
#include "lib/err.h"
#include "vmm/choose.h"
#include "vmm/opts.h"

struct seats {
	struct run_opts *opts; /* borrowed */
	struct cpulist housekeeping; /* of all threads but the vCPUs' */
	char why[CHOOSE_WHY_BYTES]; /* what --placement auto has to say for its choice, else "" */
	struct claim claim; /* against other guests and campaigns */
};

/* seats_init - none yet; seats_leave accepts that */
void seats_init(struct seats *s);

/*
 * seats_take - for each vCPU of these options, which may get their map and memory nodes by it; an
 * error says which CPU cannot be had, and whose it is
 */
int seats_take(struct seats *s, struct run_opts *opts, struct err *e);

void seats_leave(struct seats *s);

#endif
