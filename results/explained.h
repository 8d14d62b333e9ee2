/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * explained - which line of spikes.jsonl an explanation of rtkvm trace explain belongs to
 *
 * A sampler in the guest writes a line for each spike; explain adds lines of its own ("instrument":
 * "trace") for the wake-ups that it found late. Both mean the same wake-up where they are near: by
 * the guest's TSC where both tell it, else by wall clock. An explanation goes to one spike, a spike
 * gets one explanation.
 */
#ifndef RTKVM_RESULTS_EXPLAINED_H
#define RTKVM_RESULTS_EXPLAINED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/json.h"

struct explained_line {
	json_object *o; /* explain's */
	size_t spike; /* the nearest one's number; SIZE_MAX: none is near */
	uint64_t apart; /* from it: TSC ticks, or ns */
};

struct explained {
	struct explained_line *v;
	size_t n;
	size_t n_spikes; /* lines of other instruments */
};

/* explained_is - is this line of spikes.jsonl an explanation? */
bool explained_is(json_object *line);

/* explained_load - read a spikes.jsonl, an absent one as empty; explained_free also after an error */
int explained_load(struct explained *x, const char *path, struct err *e);

/*
 * explained_of - the explanation of a spike, by its number among the lines that are JSON objects and
 * no explanations, from 0; NULL: there is none. Borrowed.
 */
json_object *explained_of(const struct explained *x, size_t spike);

/* explained_free - release; accepts one of zeros */
void explained_free(struct explained *x);

#endif
