/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * campaign_loads - the loads of a phase: started, watched, held to their floors
 *
 * A load that ends, falls silent or does too little makes the phase inconclusive; the measurement
 * goes on, because a latency limit broken without it is broken all the same.
 */
#ifndef RTKVM_CYCLIC_CAMPAIGN_LOADS_H
#define RTKVM_CYCLIC_CAMPAIGN_LOADS_H

#include "cyclic/campaign.h"
#include "lib/json.h"
#include "lib/proc.h"

enum { LOAD_WHY_BYTES = 320, LOAD_LINE_BYTES = 1024 };

struct running_load {
	const struct load_entry *entry;
	struct proc proc;
	int out, err; /* pipe of proofs; memory file of stderr */
	char line[LOAD_LINE_BYTES];
	size_t used;
	uint64_t proven_ns; /* CLOCK_MONOTONIC of the last proof */
	unsigned int proofs;
	double per_second; /* of the last proof */
	char why[LOAD_WHY_BYTES]; /* why the phase is inconclusive; "" so far not */
};

struct loads {
	struct running_load v[CAMPAIGN_LOADS];
	size_t n;
	uint64_t slice_ns;
	FILE *log; /* loads.jsonl: every proof, with phase and time */
	const char *phase;
};

/* loads_start - start a phase's loads; log_path is appended to. Ends those started on failure. */
int loads_start(struct loads *l, const struct campaign *c, const struct phase_entry *p,
		const char *self, const char *log_path, struct err *e);

/* loads_watch - take the proofs that have come; fills why of loads that fail. Never blocks. */
void loads_watch(struct loads *l);

/* loads_finish - the phase is over: end the loads and take their last proofs */
void loads_finish(struct loads *l);

/* loads_failures - append the why of each failed load to an array */
void loads_failures(const struct loads *l, json_object *reasons);

/* loads_stop - end and free all; accepts loads that failed to start */
void loads_stop(struct loads *l);

#endif
