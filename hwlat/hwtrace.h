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

/* The detector's thread on one CPU, as the scheduler's events tell of it. */
struct hwtrace_thread {
	int tid;
	bool waits; /* it wants to run and does not */
};

struct hwtrace {
	struct tfs tfs;
	uint64_t tsc_hz;
	bool fair_server; /* this kernel has one */
	unsigned int n_cpus;
	int *cpus; /* the watched CPUs, ascending */
	struct activity *activity; /* one for each */
	struct hwtrace_thread *threads; /* the detector's, one on each */
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

/* hwtrace_has_fair_server - does a kernel of this release (uname -r) have it by itself? */
bool hwtrace_has_fair_server(const char *release);

/* hwtrace_cpu - which CPU an event that was recorded on cpu is about; it need not be a watched one */
int hwtrace_cpu(struct tep_event *event, struct tep_record *record, int cpu);

/*
 * hwtrace_decode - one event, pure, so that recorded bytes can be tested; keeps us. 0 when it is none
 * of ours.
 */
int hwtrace_decode(struct tep_event *event, struct tep_record *record, struct hwtrace_thread *us,
		   bool fair_server, uint64_t tsc_hz, struct activity_event *out);

#endif
