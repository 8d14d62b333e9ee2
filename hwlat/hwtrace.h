/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hwtrace - ftrace as a witness: what the kernel ran on the watched CPUs, on the TSC's own clock
 *
 * One instance of our own (lib/tracefs), events of scheduling, interrupts, NMIs and faults on the
 * watched CPUs only, clock x86-tsc: a stamp of an event and a reading of the loop need no
 * conversion.
 */
#ifndef RTKVM_HWLAT_HWTRACE_H
#define RTKVM_HWLAT_HWTRACE_H

#include "hwlat/activity.h"
#include "lib/cpulist.h"
#include "lib/err.h"
#include "lib/tracefs.h"

struct hwtrace {
	struct tfs tfs;
	uint64_t tsc_hz;
	unsigned int n_cpus;
	int *cpus; /* the watched CPUs, ascending */
	struct activity *activity; /* one for each */
	int *tids; /* the detector's thread on each */
	uint64_t lost; /* events dropped so far */
	char missing[256]; /* events this kernel does not have */
};

/* hwtrace_open - make the instance and choose events; nothing is recorded yet */
int hwtrace_open(struct hwtrace *t, const struct cpulist *cpus, uint64_t tsc_hz, struct err *e);

/* hwtrace_close - remove the instance; takes a half-opened one */
void hwtrace_close(struct hwtrace *t);

/* hwtrace_start - record from now on; tids[i] is the detector's thread on the i-th watched CPU */
int hwtrace_start(struct hwtrace *t, const int *tids, struct err *e);

/* hwtrace_stop - record no more; what was recorded can still be read */
int hwtrace_stop(struct hwtrace *t, struct err *e);

/* hwtrace_read - feed all that was recorded since the last call into activity[] */
int hwtrace_read(struct hwtrace *t, struct err *e);

/* hwtrace_events - the events that hwtrace_open asks for, as "system:event ...", for --dry-run */
const char *hwtrace_events(void);

/* One decoded event: pure, so that recorded bytes can be tested. 0 when it is none of ours. */
int hwtrace_decode(struct tep_event *event, struct tep_record *record, int our_tid, uint64_t tsc_hz,
		   struct activity_event *out);

#endif
