/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * report - the writers of one result; each prints the whole of its format to a stream
 */
#ifndef RTKVM_RESULTS_REPORT_H
#define RTKVM_RESULTS_REPORT_H

#include <stdio.h>

#include "results/result.h"

struct report {
	const char *format; /* as for --print */
	const char *file; /* in the run directory; NULL: only printed */
	void (*write)(FILE *f, const struct result *r);
};

extern const struct report reports[];
extern const size_t n_reports;

/* report_html embeds plots/NAME.svg of the run directory where they exist */
void report_html(FILE *f, const struct result *r);
void report_text(FILE *f, const struct result *r);
void report_markdown(FILE *f, const struct result *r);
void report_junit(FILE *f, const struct result *r);
void report_ktap(FILE *f, const struct result *r);
void report_metrics(FILE *f, const struct result *r);
void report_json(FILE *f, const struct result *r);

/* report_make - statistics, plots and every report of a run directory */
int report_make(struct result *r, bool plots, struct err *e);

#endif
