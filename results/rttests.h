/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rttests - cyclictest's and oslat's JSON (file_version 1, rt-tests 2.0 and later) as histograms
 *
 * What cyclictest's keeps silent about is made visible again:
 * - samples beyond the histogram's range are in no field: cycles minus the sum of the histogram
 *   (rt-tests src/cyclictest/cyclictest.c, write_stats); they become hist.over;
 * - it is written while the threads still run: a cycle may be counted whose sample the histogram
 *   had not yet seen when it was printed. If no latency reached the range, such a cycle is dropped;
 * - a thread without cycles prints avg -nan and min 1000000; strings are not escaped; two keys end
 *   in a colon; the exit code after a -b break is 0.
 */
#ifndef RTKVM_RESULTS_RTTESTS_H
#define RTKVM_RESULTS_RTTESTS_H

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "results/hist.h"

struct rttests_thread {
	int cpu; /* -1: not pinned, or not told */
	uint64_t cycles; /* samples, those over the range included */
	uint64_t runtime_ns; /* oslat's own measure of its time, by the TSC; 0: not told */
	struct hist hist;
};

struct rttests {
	char version[16]; /* as printed: "2.40" is rt-tests 2.4, or 2.40 */
	char cmdline[512], kernel[128];
	size_t n;
	struct rttests_thread *threads; /* by thread number */
};

/*
 * rttests_parse - read a file's text (len bytes); range_us is its -h value, 0 when unknown: then
 * samples are known to be over the largest bin printed. name is the file's, for errors. Threads
 * are the caller's, freed by rttests_free; the format has no interval, priority or policy.
 */
int rttests_parse(struct rttests *r, const char *text, size_t len, uint64_t range_us,
		  const char *name, struct err *e);

/*
 * rttests_json - the text of any rt-tests tool as JSON, repaired where the tool wrote none (strings
 * not escaped, nan); the caller puts the object; errors name the line
 */
int rttests_json(const char *text, size_t len, json_object **out, const char *name, struct err *e);

/*
 * rttests_parse_oslat - the same of oslat's file, its bins width_ns wide (1000: what 2.4 makes).
 * Keys are upper edges; the last bin also takes what lies above it, of which no more is known than
 * its lower edge and the largest. A cycle is a round of its loop.
 */
int rttests_parse_oslat(struct rttests *r, const char *text, size_t len, uint64_t width_ns,
			const char *name, struct err *e);

/* rttests_oslat_thread - one object under "thread" of oslat's JSON */
int rttests_oslat_thread(struct rttests_thread *t, json_object *o, uint64_t width_ns,
			 const char *name, struct err *e);

/* rttests_thread - one object under "thread" of cyclictest's JSON; unit_ns: 1 or 1000 */
int rttests_thread(struct rttests_thread *t, json_object *o, uint64_t unit_ns, uint64_t range_us,
		   const char *name, struct err *e);

void rttests_free(struct rttests *r);

#endif
