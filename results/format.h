/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * format - figures as people read them, the same in every report
 *
 * Each writes into buf and returns it; FORMAT_BYTES is enough for all.
 */
#ifndef RTKVM_RESULTS_FORMAT_H
#define RTKVM_RESULTS_FORMAT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "results/result.h"

enum { FORMAT_BYTES = 64 };

/* format_us - nanoseconds as microseconds, three or more significant digits: "4.00", "18.7" */
char *format_us(double ns, char buf[static FORMAT_BYTES]);

/*
 * format_quantile - of hist_levels[level]; ">= 100" where it falls among samples of which only the
 * lower bound is known, "-" for too few samples
 */
char *format_quantile(const struct figure *f, int level, char buf[static FORMAT_BYTES]);

/* format_count - "864,000,000"; "unknown" below 0 */
char *format_count(int64_t n, char buf[static FORMAT_BYTES]);

/* format_seconds - "8.0 h", "24.0 h", "90 s", "30 days" */
char *format_seconds(double s, char buf[static FORMAT_BYTES]);

/* format_when - UTC to the millisecond; "unknown" for 0 */
char *format_when(uint64_t wall_ns, char buf[static FORMAT_BYTES]);

/* format_bound - "0 in 864,000,000: less than one per 8.0 h at 95 %" */
char *format_bound(const struct exceedance *x, char *buf, size_t size);

/* format_tail - the tail model in a sentence, or why there is none; always marked an estimate */
char *format_tail(const struct tail *t, char *buf, size_t size);

/* format_stationarity - in a sentence */
char *format_stationarity(const struct stationarity *s, char *buf, size_t size);

/*
 * format_missed - "1,234 of 450,000 periods have no sample", "" when all have or nobody knows; the
 * cause only where samples were late enough to account for all of them
 */
char *format_missed(const struct figure *f, char *buf, size_t size);

/* format_counters - what else the slices counted ("SMIs 0, exits 17"); "" when nothing is known */
char *format_counters(const struct figure *f, char *buf, size_t size);

/* format_verdict - the verdict in a sentence: "all limits met", the first reason, ... */
char *format_verdict(const struct result *r, char *buf, size_t size);

/* format_xml - text with &, <, >, " and ' escaped and control characters left out */
void format_xml(FILE *f, const char *text);

/* report_seconds - measured time of a group per CPU; 0 unknown */
double report_seconds(const struct group *g);

#endif
