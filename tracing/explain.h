/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * explain - what the explanation of a trace consists of, and its two forms
 */
#ifndef RTKVM_TRACING_EXPLAIN_H
#define RTKVM_TRACING_EXPLAIN_H

#include <json-c/json.h>
#include <stdio.h>

#include "tracing/session.h"

enum {
	EXPLAIN_THREADS = 16,
	EXPLAIN_VCPUS = MANIFEST_VCPUS,
	EXPLAIN_LIST_MAX = 4096,
	DETAIL_BYTES = 96
};

struct explain_opts {
	struct session_opts session;
	const char *run_dir; /* NULL: none */
	const char *picture; /* file; NULL: none */
	const char *threads[EXPLAIN_THREADS];
	size_t n_threads;
	uint32_t vcpus[EXPLAIN_VCPUS];
	size_t n_vcpus;
	uint64_t threshold_ns, clock_error_ns;
	uint64_t list; /* spikes shown, the worst ones */
	bool json, timeline, excerpt;
	uint64_t excerpt_ns; /* shown before and after a late wake-up */
};

/* What one cause took over all spikes. */
struct cause_total {
	uint64_t spikes; /* in how many it took most */
	uint64_t ns, worst_ns;
};

struct explanation {
	const struct explain_opts *opts;
	struct session session;
	struct model model;
	struct spike *worst; /* a heap, the least late one first, until explain_sort() */
	size_t n_worst;
	uint64_t spikes, ns; /* all above the threshold, and the time in them */
	struct cause_total causes[CAUSE_COUNT];
	uint64_t events, lost, lost_places;
	uint64_t begun_late; /* rings whose oldest events were overwritten */
	uint64_t until_last[SIDES]; /* events followed until the last spike */
	uint64_t last_spike_ts;
	struct clock_bound bound; /* of all vCPUs together */
	bool renumbered; /* KVM's numbers of vCPUs were tried in their order */
	bool all_threads; /* none is real-time: those that are not count */
	const char *vcpus_from; /* who tells which thread runs which CPU of the guest */
	/* KVM's vCPUs in the order of the guest's CPUs, where that is taken for theirs; n 0: it is not */
	struct vcpu_name vcpus[EXPLAIN_VCPUS];
	size_t n_vcpus;
	FILE *lines; /* a line of JSON for each spike; NULL: not wanted */
	bool wall_known; /* the recorder has noted what the wall clock showed at wall_ts */
	uint64_t wall_ts, wall_ns;
};

/* explain_walk - open the traces, follow them to their end, and judge what was found */
int explain_walk(struct explanation *x, struct err *e);

/* explain_run - the same for a run directory: its spikes.jsonl and run.json take the causes, both or none */
int explain_run(struct explanation *x, struct err *e);

/* explain_error_known - can the clocks' error be told: by events, or by what the offset was taken from? */
bool explain_error_known(const struct explanation *x);

/* explain_went_on - events followed that HOST or GUEST recorded after the last spike */
uint64_t explain_went_on(const struct explanation *x, unsigned int side);

/* explain_went_on_ns - how long HOST or GUEST recorded on after the last spike, to its last event */
uint64_t explain_went_on_ns(const struct explanation *x, unsigned int side);

/* explain_text, explain_json - the same data, for people and for machines */
void explain_text(FILE *f, const struct explanation *x);
json_object *explain_json(const struct explanation *x);

/* explain_vcpus_json - how KVM's vCPUs were matched with the guest's CPUs; there is a host's trace */
json_object *explain_vcpus_json(const struct explanation *x);

/* explain_detail - "stress-ng/4711 (prio 49)", "eth0", "NET_RX", "hlt"; "": there is nothing to say */
const char *explain_detail(const struct explanation *x, const struct part *p,
			   char buf[static DETAIL_BYTES]);

/* explain_spike_json - one spike, a line of spikes.jsonl */
json_object *explain_spike_json(const struct explanation *x, const struct spike *s);

/* picture_save - the spikes that explain_text lists as an SVG file; written whole or not at all */
int picture_save(const struct explanation *x, const char *path, struct err *e);

/* explain_excerpt - the events around each spike that explain_text lists, as rtkvm trace report */
int explain_excerpt(const struct explanation *x, struct err *e);

#endif
