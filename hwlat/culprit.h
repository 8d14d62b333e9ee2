/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * culprit - who took the CPU: a verdict on one gap from the evidence there is
 *
 * Pure: evidence in, name out. Evidence that could not be had is not guessed.
 */
#ifndef RTKVM_HWLAT_CULPRIT_H
#define RTKVM_HWLAT_CULPRIT_H

#include <stdbool.h>
#include <stdint.h>

enum culprit_kind {
	CULPRIT_UNKNOWN, /* there was no evidence to tell */
	CULPRIT_SMI, /* firmware: the CPU's SMI counter moved */
	CULPRIT_NMI,
	CULPRIT_IRQ,
	CULPRIT_SOFTIRQ,
	CULPRIT_THREAD,
	CULPRIT_THROTTLED, /* the kernel's limit on real-time threads */
	CULPRIT_FAULT, /* a page fault of the detector */
	CULPRIT_FREQUENCY, /* the CPU's frequency changed within */
	CULPRIT_HOST, /* this is a guest, and its host ran something else */
	CULPRIT_PLATFORM, /* several CPUs at once, not explained by the kernel */
	CULPRIT_HARDWARE, /* one CPU, and nothing the kernel knows of ran on it */
	CULPRIT_KINDS
};

/* Where a verdict comes from; ordered by strength. */
enum culprit_evidence {
	CULPRIT_BY_NOTHING,
	CULPRIT_BY_COUNTERS, /* /proc, getrusage: what happened about then */
	CULPRIT_BY_TRACE, /* ftrace: what happened then, on this CPU */
	CULPRIT_BY_MSR, /* the SMI counter of this CPU */
	CULPRIT_BY_GROUP, /* other CPUs at the same time */
};

enum { CULPRIT_DETAIL_BYTES = 64, CULPRIT_PARTS = 8 };

/* Something the kernel did within a gap. */
struct culprit_part {
	enum culprit_kind kind;
	char name[CULPRIT_DETAIL_BYTES]; /* "local_timer", "stress:431 fifo 50" */
	uint64_t ns; /* net: what it lost to others is not counted */
};

/* What is known of one gap. */
struct culprit_facts {
	uint64_t gap_ns;
	uint64_t threshold_ns;
	uint64_t toll_ns; /* what an interruption costs here besides what the trace shows of it */
	bool trace; /* the trace covers the gap: parts are all that the kernel did */
	bool trace_lost; /* it covers it, but events were lost about then */
	unsigned int n_parts;
	struct culprit_part parts[CULPRIT_PARTS]; /* longest first; the smallest merged */
	unsigned int nmi_events, fault_events, frequency_events; /* in the trace of the gap */

	/* the detector thread's own counters, from the gap or the pause before to the end of this gap */
	uint32_t preempted, faults;
	uint64_t since_ns; /* how long that is */
	uint64_t off_ns; /* how much of it the kernel does not count as the thread's own */
	bool smi_known;
	uint32_t smi; /* SMIs of this CPU ... */
	uint64_t smi_span_ns; /* ... in so long a time, this gap in it, ... */
	unsigned int smi_gaps; /* ... and so many gaps with nothing else to explain them */
	bool steal_known;
	uint64_t steal_ns; /* taken by the host about then, in the kernel's 10 ms steps */
	uint32_t nmi; /* NMIs of this CPU about then */
	char irq[CULPRIT_DETAIL_BYTES]; /* the interrupt that fired most about then */
	uint32_t irq_count;

	bool guest; /* there is a hypervisor below us */
	bool asleep; /* the CPU may have been idle before: waking it takes time too */
	unsigned int group_cpus; /* CPUs of its group, this one included */
	unsigned int still_cpus; /* those that bear witness that the machine stood still (gap.h) */
	unsigned int still_unexplained; /* of these: their kernel did nothing to explain it */
	unsigned int watched_cpus;
};

struct culprit {
	enum culprit_kind kind;
	enum culprit_evidence evidence;
	char detail[CULPRIT_DETAIL_BYTES];
	uint64_t explained_ns; /* what the kernel did within the gap, all parts */
};

/* culprit_kind_name - the word of the reports: "smi", "irq", ... */
const char *culprit_kind_name(enum culprit_kind k);

/*
 * culprit_spike_name - the word of spikes.jsonl, whose list all instruments share: "host-irq",
 * or "guest-irq" when the detector ran in a guest
 */
const char *culprit_spike_name(enum culprit_kind k, bool in_guest);

/* culprit_evidence_name - "none", "counters", "trace", "msr", "group" */
const char *culprit_evidence_name(enum culprit_evidence v);

/* culprit_explained - did the kernel itself do enough within the gap to explain it? */
bool culprit_explained(const struct culprit_facts *f);

/* culprit_find - the verdict */
void culprit_find(struct culprit *c, const struct culprit_facts *f);

#endif
