/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * run - the run directory: where a measurement lies, and its run.json
 *
 * A run directory that exists has a whole run.json at every moment: it is created with the verdict
 * "incomplete" and replaced atomically, so a crash leaves a run that says that it did not end.
 * Keys: docs/run.schema.json. Instruments set what only they know (guest, vmm, asked, inforce,
 * window, ...) straight in doc; `rtkvm report` fills in what the log tells.
 */
#ifndef RTKVM_RESULTS_RUN_H
#define RTKVM_RESULTS_RUN_H

#include <json-c/json.h>
#include <limits.h>
#include <stdbool.h>

#include "lib/err.h"
#include "lib/file.h"
#include "results/hist.h"

enum { RUN_SCHEMA = 1 };

struct run {
	char dir[PATH_MAX]; /* absolute, so that a change of directory does not matter */
	json_object *doc; /* run.json; owned */
	struct file_made made; /* by run_create: dir and, as far as missing, those above */
};

/*
 * run_create - make the directory (NULL: runs/<UTC time>-<name>) and a first run.json with host
 * facts, conditions and start time. name: letters, digits, ".", "_", "-". A directory that is
 * there and not empty is -EEXIST: a result is never overwritten. A failure leaves nothing behind.
 */
int run_create(struct run *r, const char *out, const char *name, struct err *e);

/*
 * run_discard - it never began: what is in the directory goes, and of directories what run_create
 * made; one that was there stays, empty as it was
 */
void run_discard(struct run *r);

/* run_open - read an existing run; one of a newer schema or without the basic keys is refused */
int run_open(struct run *r, const char *dir, struct err *e);

/* run_save - write run.json, whole or not at all */
int run_save(struct run *r, struct err *e);

/* run_reason - add a sentence to reasons[]: why the verdict is what it is */
void run_reason(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* run_doubt - a reason for which it cannot pass, however long it goes on; into doubts[], too */
void run_doubt(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* run_short - a reason for which it is incomplete: it failed, or lacks some of what was asked; into
 * shortfalls[], too */
void run_short(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* run_judged - a reason that the next judgement takes back; into judged[], too */
void run_judged(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* run_finish - set ended and the verdict (error counts as incomplete) and save */
int run_finish(struct run *r, enum verdict v, struct err *e);

/* run_close - free; does not save; accepts a run that failed to open */
void run_close(struct run *r);

/* run_path - the full path of a file in the directory, in buf (PATH_MAX); returns buf */
char *run_path(const struct run *r, const char *file, char buf[static PATH_MAX]);

/* run_file - note a file of the run in files{}: what it is, by its name in the directory */
void run_file(struct run *r, const char *key, const char *file);

/* run_section - the object under a key, borrowed; made when absent */
json_object *run_section(struct run *r, const char *key);

/* What cpus[] says of one CPU under one instrument. */
struct run_cpu {
	int cpu;
	int host_cpu; /* -1: unknown */
	const char *instrument;
	int64_t expected, missed; /* -1: unknown */
	int64_t none_from_ns; /* the instrument records from here on, nothing below; 0: everything */
};

/* run_add_cpu - append to cpus[] the figures of a histogram; quantiles only where supported */
void run_add_cpu(struct run *r, const struct run_cpu *c, const struct hist *h);

/*
 * run_none_above - had that CPU no sample although the instrument would have recorded any above ns?
 * Then it kept a limit of ns.
 */
bool run_none_above(const struct run *r, const char *instrument, int cpu, uint64_t ns);

/*
 * run_add_limit - append to limits[] {"what":"max_ns","limit_ns":..}; what: "max_ns" or a quantile
 * such as "p99.999_ns". run_judge fills in the rest.
 */
void run_add_limit(struct run *r, const char *what, uint64_t limit_ns);

/*
 * run_judge - what the run came to. Holds cpus[] against limits[]: sets value_ns, cpu (the worst) and
 * met of each. PASS only on hardware, or with smoke (function, not latency, is on trial);
 * under other conditions a met limit is INCONCLUSIVE, an exceeded one FAIL only on hardware or
 * with smoke. A limit without enough samples behind it is INCONCLUSIVE,
 * but a CPU without any meets a maximum that its instrument would have recorded. Without limits: PASS.
 * A run that has doubts[] is INCONCLUSIVE at best; one that has shortfalls[], was interrupted or, but as
 * a smoke test that it was from the start (asked.smoke), stopped_at_spike INCOMPLETE; a campaign no better
 * than its phases. A broken limit where the run was throttled, or its clock_drifted, is INCONCLUSIVE. So these
 * are told before. Its own reasons, which are listed in judged[], replace those of the judgement before; all
 * others stay.
 */
enum verdict run_judge(struct run *r, bool smoke);

/*
 * run_phases_verdict - what a campaign's phases, each with its own verdict, come to. One without was not
 * gone through: INCOMPLETE; but what was skipped for the sake of another's verdict counts by that one
 */
enum verdict run_phases_verdict(json_object *phases);

/* run_cut_short - its document tells that it was interrupted or lacks some of what was asked */
bool run_cut_short(json_object *doc);

/* run_is_hardware - are this run's latencies results (conditions "hardware")? */
bool run_is_hardware(const struct run *r);

#endif
