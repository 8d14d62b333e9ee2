/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * phases - a campaign's phases (rtkvm-campaign(1)) as the rows that reports show
 */
#ifndef RTKVM_RESULTS_PHASES_H
#define RTKVM_RESULTS_PHASES_H

#include <stddef.h>

#include "results/format.h"
#include "results/result.h"

struct phase_row {
	const char *name, *run; /* borrowed from run.json; "" where it does not say */
	const char *verdict; /* or its status, where it has none: "skipped", "pending" */
	size_t attempts;
	char measured[FORMAT_BYTES], max[FORMAT_BYTES]; /* "-" for none; max in us */
	const char *why; /* its first reason, "" for none */
};

/* phases_count - 0 for a run that is no campaign */
size_t phases_count(const struct result *r);

/* phases_row - the i-th; whatever run.json holds, the row can be printed */
void phases_row(const struct result *r, size_t i, struct phase_row *row);

#endif
