/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * import - other tools' results as run directories
 *
 * A source is known by its content, never by its name. What its format cannot say stays unknown:
 * missed periods, the values of samples beyond its histogram, the machine it ran on, and (unless
 * the user tells) its unit.
 */
#ifndef RTKVM_RESULTS_IMPORT_H
#define RTKVM_RESULTS_IMPORT_H

#include "results/lines.h"
#include "results/run.h"
#include "results/log.h"
#include "results/spikes.h"

struct import_cpu {
	struct log_slice slice; /* instrument, cpu, period, ...: of the slice being filled */
	struct hist hist; /* of the slice being filled */
	struct hist total;
	size_t slices;
};

struct import {
	const char *path; /* the source */
	uint64_t unit_ns; /* --unit; 0: the source must tell */
	struct run run;
	struct log_writer log;
	struct spikes spikes;
	struct import_cpu **cpus;
	size_t n_cpus;
	uint64_t start_wall_ns; /* of the whole source; 0 unknown */
	uint64_t duration_ns;
};

/* import_cpu - the CPU of an instrument, made when it is new; NULL: e is set */
struct import_cpu *import_cpu(struct import *im, const char *instrument, int cpu, struct err *e);

/* import_slice - close the slice being filled (write it to the log) and begin the next */
int import_slice(struct import *im, struct import_cpu *c, struct err *e);

/*
 * import_summary - n samples of which the source tells only min and max: those two have a value,
 * the others are known to be at least min
 */
void import_summary(struct hist *h, uint64_t n, uint64_t min_ns, uint64_t max_ns);

/* import_max - the largest value, where the histogram does not hold it (samples in over) */
void import_max(struct hist *h, uint64_t max_ns);

/* import_source - name tool and version in run.json; version may be NULL */
void import_source(struct import *im, const char *tool, const char *version);

/* import_note - a sentence for run.json's import.notes[]: what the source does not say */
void import_note(struct import *im, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* import_unit - 1000 or 1; -EINVAL with the advice to use --unit when nobody knows */
int import_unit(struct import *im, const struct lines *l, const char *hint, struct err *e);

/* import_ns - v units as nanoseconds; false when that is absurd (more than 30 days) */
bool import_ns(double v, uint64_t unit_ns, uint64_t *ns);

/* A format: how its beginning looks (the first bytes, NUL-terminated), and its reader. */
struct format {
	const char *name;
	bool (*is)(const char *head, size_t len);
	int (*read)(struct import *im, struct err *e);
};

bool cyclictest_is(const char *head, size_t len);
int cyclictest_read(struct import *im, struct err *e);
bool verbose_is(const char *head, size_t len);
int verbose_read(struct import *im, struct err *e);
bool rttests_is(const char *head, size_t len);
int rttests_read(struct import *im, struct err *e);
bool jitterdebugger_is(const char *head, size_t len);
int jitterdebugger_read(struct import *im, struct err *e);
bool jitterraw_is(const char *head, size_t len);
int jitterraw_read(struct import *im, struct err *e);
bool hwlatdetect_is(const char *head, size_t len);
int hwlatdetect_read(struct import *im, struct err *e);
bool rtla_hist_is(const char *head, size_t len);
int rtla_hist_read(struct import *im, struct err *e);
bool rtla_top_is(const char *head, size_t len);
int rtla_top_read(struct import *im, struct err *e);
bool rteval_is(const char *head, size_t len);
int rteval_read(struct import *im, struct err *e);
bool hdr_is(const char *head, size_t len);
int hdr_read(struct import *im, struct err *e);
bool plain_is(const char *head, size_t len);
int plain_read(struct import *im, struct err *e);

/* import_other_tool - the name of the tool whose output begins with this line; NULL: none known */
const char *import_other_tool(const char *line);

/* import_file - read im->path into im, whatever it is */
int import_file(struct import *im, struct err *e);

#endif
