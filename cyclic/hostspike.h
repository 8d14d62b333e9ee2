/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hostspike - why a wake-up on the host itself was late: rtkvm trace explain on the host's own trace
 *
 * To explain, any kernel that measures is a guest; without the trace of a host below it, what that
 * kernel does not tell is one part. Here that kernel is the host, so its causes get the host's names.
 */
#ifndef RTKVM_CYCLIC_HOSTSPIKE_H
#define RTKVM_CYCLIC_HOSTSPIKE_H

#include <stdint.h>

#include "cyclic/breakoff.h"
#include "results/record.h"

/*
 * hostspike_explain - of a finished run with trace/host.dat: causes into run.json and spikes.jsonl,
 * all of it into trace/explain.json, the latest wake-up's cause into the reasons
 */
int hostspike_explain(struct run *run, uint64_t spike_ns, struct err *e);

/*
 * hostspike_explain_break - the same where cyclictest broke off: of that wake-up alone, which no line of
 * spikes.jsonl tells of yet
 */
int hostspike_explain_break(struct run *run, uint64_t spike_ns, const struct breakoff *b,
			    struct err *e);

/*
 * hostspike_of - of what trace explain tells (doc, its JSON) the wake-up of that line of spikes.jsonl,
 * dated by it, with the host's names; NULL: there is none. Borrowed from doc
 */
json_object *hostspike_of(json_object *doc, json_object *spike);

/*
 * hostspike_of_break - the same of the wake-up at which cyclictest broke off: of those that can be it the
 * one that was most late, for all before were less late than asked. Dated by the recording's manifest, in
 * which both clocks were read at its end; wall_ns 0 without one
 */
json_object *hostspike_of_break(json_object *doc, json_object *manifest, const struct breakoff *b);

/* hostspike_rename - give one explained wake-up's causes the host's names */
void hostspike_rename(json_object *late);

#endif
