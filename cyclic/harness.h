/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * harness - one guest, one instrument in it, one run directory
 *
 * Phases: check what can be checked before anything exists (harness.c); start the VMM and follow its
 * events, with VM exits counted between the job's marks (follow.c); read what the guest sent; judge;
 * report. Whatever ends a phase early, children end with it and run.json says how far it got.
 */
#ifndef RTKVM_CYCLIC_HARNESS_H
#define RTKVM_CYCLIC_HARNESS_H

#include <limits.h>
#include <stdio.h>

#include "cyclic/guestjob.h"
#include "cyclic/guestsample.h"
#include "cyclic/outcome.h"
#include "cyclic/spiketrace.h"
#include "cyclic/tracer.h"
#include "cyclic/vmproc.h"
#include "lib/claim.h"
#include "lib/progress.h"

struct harness {
	struct ctopts o;
	struct cpumap cpus;
	struct claim claim; /* of them for QEMU; rtkvm run has its own */
	struct cpulist ordinary; /* vCPUs on host CPUs that are not isolated */
	char kernel[PATH_MAX], initrd[PATH_MAX], console[PATH_MAX];
	char append[CTOPTS_APPEND_BYTES];
	char version[256]; /* the VMM's */
	struct run run;
	struct vmproc vm;
	struct tracer tracer;
	struct spiketrace spike;
	struct gathered g;
	struct guestsample sample; /* slices of our own sampler, as they come */
	FILE *events; /* events.jsonl */
	uint64_t resumed_ns; /* CLOCK_MONOTONIC when the guest was let go */
	uint64_t
		asked_ns; /* CLOCK_MONOTONIC when the guest was asked to end before its time, 0: not */
	uint64_t told_ns; /* when it was last */
	bool window; /* the tracer's is open */
	struct progress progress;
};

/* harness_main - the verbs that measure in a guest: rtkvm cyclictest, rtkvm sample --guest */
int harness_main(enum guest_instrument instrument, int argc, char **argv, struct err *e);

/* harness_stage - how far the guest has come, as part of a sentence */
const char *harness_stage(const struct harness *h);

/* harness_follow - take events until the VMM has ended; after a stop or an error, end it first */
int harness_follow(struct harness *h, struct err *e);

#endif
