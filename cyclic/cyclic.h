/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cyclic - latency over time: instruments, loads, and the campaigns that conduct them
 *
 * What: measures timer latency with a sampler of its own, makes load with proof of it, and runs
 *	campaigns of many phases, each phase a process.
 * Verbs: rtkvm cyclictest, oslat, hwlat-guest, sample, noise, campaign.
 * Threads: sampler.h and noise.h tell theirs; a campaign has one and waits.
 * Files written: run directories (results/record.h); a campaign's own are in campaign.h.
 * Must not know: how a VMM, a doctor or a report works: it starts them and reads what they leave.
 */
#ifndef RTKVM_CYCLIC_CYCLIC_H
#define RTKVM_CYCLIC_CYCLIC_H

#include "lib/err.h"

/* cyclic_sample - rtkvm sample: timer latency of CPUs; a verdict, or -errno with e set */
int cyclic_sample(int argc, char **argv, struct err *e);

/* cyclic_noise - rtkvm noise: load CPUs, with proof; a verdict, or -errno with e set */
int cyclic_noise(int argc, char **argv, struct err *e);

/* cyclic_cyclictest - rtkvm cyclictest: boot a guest, run cyclictest in it; a verdict, or -errno */
int cyclic_cyclictest(int argc, char **argv, struct err *e);

/* cyclic_oslat - rtkvm oslat: boot a guest, run oslat in it; a verdict, or -errno */
int cyclic_oslat(int argc, char **argv, struct err *e);

/* cyclic_hwlat_guest - rtkvm hwlat-guest: boot a guest, run rtkvm hwlat in it; a verdict, or -errno */
int cyclic_hwlat_guest(int argc, char **argv, struct err *e);

/* cyclic_campaign - rtkvm campaign WHAT ...: runs the sub-verb; a verdict, or -errno with e set */
int cyclic_campaign(int argc, char **argv, struct err *e);

#endif
