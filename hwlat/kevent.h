/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kevent - what the events of the kernel's tracers (ktracer.h) tell: gaps, and the noise within them
 */
#ifndef RTKVM_HWLAT_KEVENT_H
#define RTKVM_HWLAT_KEVENT_H

#include <event-parse.h>

#include "hwlat/gap.h"
#include "hwlat/options.h"
#include "hwlat/tsc.h"

enum { KEVENT_NOISES = 32 };

/* What timerlat told of one CPU since its last wake-up; the oldest give way. */
struct kevent_noises {
	struct {
		uint64_t end_tsc;
		struct culprit_part part;
	} ring[KEVENT_NOISES];
	unsigned int n; /* ever */
};

/*
 * kevent_gap - does this event of the tracer that opts name end a gap? Then its start_tsc, ns and
 * what the tracer told of its cause are in g; else it may have been kept in noises.
 */
bool kevent_gap(struct tep_event *event, struct tep_record *record, const struct hwlat_opts *o,
		const struct tsc *tsc, struct kevent_noises *noises, struct gap *g);

/* kevent_explain - which of the noises ended since start_tsc, as parts of f, longest first */
void kevent_explain(const struct kevent_noises *noises, uint64_t start_tsc, uint64_t tsc_hz,
		    struct culprit_facts *f);

#endif
