/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * measure - one measurement, from set-up to verdict
 */
#ifndef RTKVM_HWLAT_MEASURE_H
#define RTKVM_HWLAT_MEASURE_H

#include "hwlat/altered.h"
#include "hwlat/gather.h"
#include "hwlat/ktracer.h"
#include "hwlat/detector.h"
#include "hwlat/evidence.h"
#include "hwlat/options.h"
#include "hwlat/plan.h"
#include "hwlat/findings.h"
#include "hwlat/tsc.h"
#include "lib/claim.h"

enum { MEASURE_SLICE_S = 10 };

struct measure {
	struct hwlat_opts *o; /* the caller's; its width may be cut below the kernel's limit */
	uint64_t asked_window_ns, asked_width_ns; /* as they were before that */
	struct plan plan;
	struct claim claim; /* of the CPUs, against guests and other measurements */
	struct tsc tsc;
	struct altered altered;
	struct detector detector;
	struct evidence evidence;
	struct gather gather;
	struct ktracer ktracer; /* in place of detector and gather */
	struct findings found;
	struct run run;
	struct log_writer log;
	bool log_open;
	FILE *text; /* hwlat.txt in the run directory */
	struct tsc_point begin, slice_begin;
	uint64_t start_tsc;
	char why_ended[160]; /* "" when the time was up */
	bool interrupted; /* by a signal: nothing else that ends it early is somebody's wish */
};

/* measure_open - decide, check, make the run directory and the threads; alters what opts say */
int measure_open(struct measure *s, struct hwlat_opts *o, struct err *e);

/* measure_run - start, watch until the time is up or a signal comes, stop */
int measure_run(struct measure *s, struct err *e);

/*
 * measure_cut - set a slice's end back to until_tsc, when the first thread ended, if that was before
 * it; not to before its begin
 */
void measure_cut(struct tsc_point *now, const struct tsc_point *begin, uint64_t until_tsc,
		 uint64_t tsc_hz);

/* measure_verdict - write what is left of the run directory; returns the verdict */
int measure_verdict(struct measure *s, struct err *e);

/* measure_close - undo everything that was altered and release; takes a half-opened one */
int measure_close(struct measure *s, struct err *e);

/* measure_altered - the i-th change to the machine as one line; false past the last */
bool measure_altered(const struct measure *s, unsigned int i, char *buf, size_t size);

/*
 * measure_inforce - what was in force, into run.json's section of that name. Who takes it from a guest
 * (cyclic/guesthwlat.c) knows its keys; tests/unit/guesthwlat.c holds the two together
 */
void measure_inforce(const struct measure *s, json_object *o);

/* measure_dry_run - say what would be watched, with which evidence, and what would be altered */
int measure_dry_run(struct hwlat_opts *o, struct err *e);

#endif
