/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * spikes - single late samples with their time and cause, and what they have in common
 *
 * spikes.jsonl holds one JSON object a line (docs/latency-log.md, "spikes.jsonl"):
 *	{"wall_ns":1790000000123456789,"cpu":2,"latency_ns":61000,"instrument":"cyclictest",
 *	 "host_cpu":5,"cycle":48112,"cause":"host-irq","detail":"nvme0q3"}
 * The first three are required; wall_ns is when the late sample was taken (the end of the delay).
 */
#ifndef RTKVM_RESULTS_SPIKES_H
#define RTKVM_RESULTS_SPIKES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "results/log.h"

/* Where a delay came from; the words of spikes.jsonl. */
struct cause {
	const char *name, *label;
	const char *colour; /* colour-blind-safe, one a family of causes */
	int point; /* gnuplot's point type, to tell a family's members apart */
	const char *fill; /* gnuplot's fill style, for the same */
};

/* cause_at - the i-th of all causes, NULL behind the last */
const struct cause *cause_at(size_t i);

/* cause_find - by name; the last one, "unexplained", for an unknown name or NULL */
const struct cause *cause_find(const char *name);

struct spike {
	uint64_t wall_ns; /* 0: unknown (imported without a clock) */
	uint64_t latency_ns;
	int64_t cycle; /* -1: unknown */
	int cpu, host_cpu;
	char instrument[LOG_INSTRUMENT_BYTES];
	const struct cause *cause;
	char detail[96];
	size_t event; /* index into events */
};

/* Spikes within EVENT_NS on several CPUs are one event of the whole platform. */
enum { EVENT_NS = 50000 };

struct event {
	uint64_t wall_ns; /* of its first spike */
	uint64_t latency_ns; /* of its largest */
	size_t first, n; /* its spikes, contiguous */
	int cpus; /* different CPUs in it */
};

struct spikes {
	struct spike *v; /* sorted by time, then cpu */
	size_t n;
	struct event *events; /* sorted by time */
	size_t n_events;
	size_t platform; /* events on several CPUs */
	uint64_t bad_lines; /* left out: no object, a key missing, an absurd number */
	uint64_t dropped; /* beyond SPIKES_MAX */
};

enum { SPIKES_MAX = 1 << 20 };

/*
 * spikes_load - read and group; an absent file is an empty list. What rtkvm trace explain wrote goes
 * to the spikes of others (explained.h) and counts as spikes only where there are none.
 */
int spikes_load(struct spikes *s, const char *path, struct err *e);

/* spikes_add - append one (importers, tests); spikes_group after the last */
int spikes_add(struct spikes *s, const struct spike *spike, struct err *e);
int spikes_group(struct spikes *s, struct err *e);

/* spikes_save - write them as spikes.jsonl */
int spikes_save(const struct spikes *s, const char *path, struct err *e);

void spikes_free(struct spikes *s);

#endif
