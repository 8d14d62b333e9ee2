/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * altered - what a measurement changes on the machine: listed, journalled, put back
 *
 * The journal of kernel settings lies in ALTERED_DIR; what a killed run left there is undone by
 * the next one. The latency request of --pm-qos ends with its file descriptor, whatever happens.
 */
#ifndef RTKVM_HWLAT_ALTERED_H
#define RTKVM_HWLAT_ALTERED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hwlat/options.h"
#include "hwlat/plan.h"
#include "lib/err.h"
#include "lib/knob.h"

#define ALTERED_DIR "/run/rtkvm"

enum { ALTERED_KNOBS = 2 };

struct altered {
	int root; /* "/" for lib/knob; -1 */
	int pm_qos; /* /dev/cpu_dma_latency, held open; -1 */
	struct knob knobs[ALTERED_KNOBS]; /* chosen by altered_look */
	size_t n_knobs;
	bool set; /* the journal holds something */
	char watchdog_cpus[512]; /* what the watchdog's knob wants */
	char watchdog_note[96]; /* why there was nothing to do for --no-watchdog, else "" */
	int64_t rt_runtime_us, rt_period_us; /* as found; runtime -1: no limit */
	char journal[64];
	char limit_note[160]; /* what became of the limit, "" when there is none */
};

#define ALTERED_INIT                      \
	{                                 \
		.root = -1, .pm_qos = -1, \
	}

/* altered_recover - undo what runs that are gone have left; returns how many they were */
int altered_recover(struct err *e);

/*
 * altered_look - read what is in force and choose what altered_apply sets; changes nothing. -EBUSY when
 * another run has altered the same
 */
int altered_look(struct altered *a, const struct hwlat_opts *o, const struct plan *p,
		 struct err *e);

/* altered_not_held - -EBUSY when another run has altered path and will put it back; for what asks */
int altered_not_held(const char *path, const char *what, struct err *e);

/* altered_limit_lifted - was the limit on real-time threads taken away? */
bool altered_limit_lifted(const struct altered *a);

/*
 * altered_width - how much of each *window_ns may be watched without running into the limit on
 * real-time threads; sets *window_ns to the limit's period, but with keep_window leaves a shorter
 * one. Both stay when there is no limit.
 */
void altered_width(struct altered *a, bool keep_window, uint64_t *window_ns, uint64_t *width_ns);

/* altered_apply - set what altered_look chose, and ask for no sleep states if opts say so */
int altered_apply(struct altered *a, const struct hwlat_opts *o, struct err *e);

/* altered_undo - put all back; takes a half-applied one */
int altered_undo(struct altered *a, struct err *e);

/*
 * altered_line - the i-th change as one line ("WHAT: OLD -> NEW, HOW IT IS UNDONE") in buf; false
 * past the last. planned: what would be done, by opts, rather than what was.
 */
bool altered_line(const struct altered *a, const struct hwlat_opts *o, bool tracing, bool planned,
		  unsigned int i, char *buf, size_t size);

/*
 * altered_knob_line - one setting as such a line; false when it was not, or when planned would
 * not be, changed
 */
bool altered_knob_line(const struct knob *k, bool planned, char *buf, size_t size);

#endif
