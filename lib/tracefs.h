/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tracefs - one trace instance of our own, gone when we are
 *
 * An instance has its own buffers, events, filters and clock: nothing another user of the machine
 * set is read, changed or disturbed, and /proc/sys/kernel/ftrace_enabled is never written. The
 * name is rtkvm-PID-PURPOSE. Its owner holds a flock on the directory, which the kernel drops
 * however the owner dies: whoever makes the next instance removes the orphans first.
 *
 * Where tracefs is not mounted it is mounted for this process alone, attached nowhere: the mount
 * ends with the process. The prefix is tfs_ because tracefs_ is libtracefs's.
 */
#ifndef RTKVM_LIB_TRACEFS_H
#define RTKVM_LIB_TRACEFS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <tracefs.h>

#include "lib/cpulist.h"
#include "lib/err.h"

struct tfs {
	struct tracefs_instance *instance; /* for libtracefs's calls; NULL before the first */
	struct tep_handle *tep; /* formats of the events enabled, NULL before the first */
	char root[64]; /* where this process finds tracefs */
	char dir[192]; /* the instance */
	int mount; /* detached mount, -1: tracefs was mounted already */
	int lock; /* the instance's directory, locked; -1: no instance */
};

#define TFS_INIT                         \
	{                                \
		.mount = -1, .lock = -1, \
	}

/*
 * tfs_remedy - what to do where tracefs refused with code: "; run as root", "; the kernel is under
 * lockdown...", or ""; to end a sentence with
 */
const char *tfs_remedy(int code);

/* tfs_create - sweep, then make rtkvm-PID-PURPOSE, tracing off, no event enabled; needs root */
int tfs_create(struct tfs *t, const char *purpose, struct err *e);

/* tfs_destroy - remove the instance and free t; takes a half-built one, and one destroyed before */
void tfs_destroy(struct tfs *t);

/*
 * tfs_remove - tfs_destroy for a program that only writes and reads an instance's files: none of
 * tfs_enable, tfs_learn, tfs_drain, and so nothing of libtracefs or libtraceevent
 */
void tfs_remove(struct tfs *t);

/* tfs_sweep - remove instances of ours whose owner is dead; returns how many */
int tfs_sweep(struct err *e);

/* tfs_has - does a file exist in the instance ("events/kvm/kvm_exit/hist")? */
bool tfs_has(const struct tfs *t, const char *file);

/* tfs_load - the text of a file in the instance, at most max bytes; the caller frees it */
int tfs_load(const struct tfs *t, const char *file, size_t max, char **text, struct err *e);

/*
 * tfs_shared - the path of a file of the instance for other processes, while this one lives: also
 * where tracefs is mounted for this one alone; false when it does not fit
 */
bool tfs_shared(const struct tfs *t, const char *file, char *path, size_t size);

/* tfs_write - write a file of the instance; the kernel's own error_log line joins the sentence */
int tfs_write(const struct tfs *t, const char *file, const char *text, struct err *e);

/* tfs_enable - switch an event on, with a filter in the kernel's syntax unless it is NULL */
int tfs_enable(struct tfs *t, const char *system, const char *event, const char *filter,
	       struct err *e);

/* tfs_learn - be able to read what a tracer records ("ftrace", "hwlat"): nobody enables such events */
int tfs_learn(struct tfs *t, const char *system, const char *event, struct err *e);

/* tfs_cpumask - record on these CPUs only */
int tfs_cpumask(struct tfs *t, const struct cpulist *cpus, struct err *e);

/* tfs_clock - set a trace clock ("x86-tsc"); -ENOENT, with the clocks there are, if not offered */
int tfs_clock(struct tfs *t, const char *clock, struct err *e);

/* tfs_buffer - size of the ring buffer of each CPU in KiB */
int tfs_buffer(struct tfs *t, unsigned int kib, struct err *e);

/* tfs_on - start or stop recording into the ring buffer */
int tfs_on(struct tfs *t, bool on, struct err *e);

/*
 * tfs_drain - hand what the enabled events recorded so far to fn, oldest first, and take it out of
 * the buffer; a nonzero return of fn stops. Does not wait for events.
 */
typedef int tfs_event_fn(struct tep_event *event, struct tep_record *record, int cpu, void *ctx);
int tfs_drain(struct tfs *t, tfs_event_fn *fn, void *ctx, struct err *e);

/* Events that are not in the rings any more, or never were. */
struct tfs_lost {
	uint64_t overwritten; /* by newer ones, unread */
	uint64_t dropped; /* found no room, or came while the ring was being written */
};

/* tfs_lost - how many, on all CPUs, since the instance was made */
int tfs_lost(const struct tfs *t, struct tfs_lost *lost, struct err *e);

/* tfs_off - stop recording; lost: how many such events of both kinds */
int tfs_off(struct tfs *t, uint64_t *lost, struct err *e);

#endif
