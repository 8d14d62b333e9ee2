/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * activity - what the kernel did on one CPU, instant by instant, from a stream of trace events
 *
 * A stack machine: a thread at the bottom, softirq, interrupt and NMI above it. Each change ends a
 * segment that belongs to what was on top, so segments never overlap and times are net. Memory is
 * fixed: the oldest segments give way, and the names that were not used for longest.
 */
#ifndef RTKVM_HWLAT_ACTIVITY_H
#define RTKVM_HWLAT_ACTIVITY_H

#include <stdbool.h>
#include <stdint.h>

#include "hwlat/culprit.h"

enum activity_type {
	ACTIVITY_ENTER, /* interrupt or softirq begins */
	ACTIVITY_LEAVE,
	ACTIVITY_SWITCH, /* another thread runs from now on */
	ACTIVITY_SPAN, /* told when it was over: length_tsc long (NMI handlers) */
	ACTIVITY_POINT, /* happened (fault, frequency change) */
};

struct activity_event {
	enum activity_type type;
	enum culprit_kind kind;
	uint64_t tsc;
	uint64_t length_tsc; /* ACTIVITY_SPAN */
	char name[CULPRIT_DETAIL_BYTES];
	bool ours; /* ACTIVITY_SWITCH: to the detector's own thread */
};

enum { ACTIVITY_SEGMENTS = 16384, ACTIVITY_LABELS = 512, ACTIVITY_DEPTH = 8 };

struct activity_label {
	enum culprit_kind kind;
	char name[CULPRIT_DETAIL_BYTES];
	uint64_t used; /* n_segments when it was last */
};

struct activity_segment {
	uint64_t start_tsc, end_tsc;
	uint16_t label;
};

/* One CPU. */
struct activity {
	/* 0: the detector itself; 1 + kind: those of this kind whose names gave way */
	struct activity_label labels[ACTIVITY_LABELS];
	unsigned int n_labels;
	uint16_t stack[ACTIVITY_DEPTH];
	unsigned int depth; /* stack[0] is the thread */
	uint64_t since_tsc; /* when the top came to the top; 0: no event yet */
	struct activity_segment ring[ACTIVITY_SEGMENTS];
	uint64_t n_segments; /* ever */
	uint64_t lost_tsc; /* events before this may be missing */
	uint64_t unmatched; /* leave without enter and the like */
};

/* activity_init - nothing known; the detector's own thread is taken to run */
void activity_init(struct activity *a);

/* activity_feed - the next event of this CPU, in order of time */
void activity_feed(struct activity *a, const struct activity_event *ev);

/* activity_lost - events were lost before tsc: what is on the stack may be wrong */
void activity_lost(struct activity *a, uint64_t tsc);

/* activity_explain - fill the trace side of f with what happened in [start, end] */
void activity_explain(const struct activity *a, uint64_t start_tsc, uint64_t end_tsc,
		      uint64_t tsc_hz, struct culprit_facts *f);

#endif
