// SPDX-License-Identifier: GPL-2.0-only
#include "hwlat/culprit.h"

#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"

const char *culprit_kind_name(enum culprit_kind k)
{
	static const char *const names[CULPRIT_KINDS] = {
		[CULPRIT_UNKNOWN] = "unknown",
		[CULPRIT_SMI] = "smi",
		[CULPRIT_NMI] = "nmi",
		[CULPRIT_IRQ] = "irq",
		[CULPRIT_SOFTIRQ] = "softirq",
		[CULPRIT_THREAD] = "thread",
		[CULPRIT_THROTTLED] = "throttled",
		[CULPRIT_FAULT] = "fault",
		[CULPRIT_FREQUENCY] = "frequency",
		[CULPRIT_HOST] = "host",
		[CULPRIT_PLATFORM] = "platform",
		[CULPRIT_HARDWARE] = "hardware",
	};

	return k < CULPRIT_KINDS ? names[k] : "unknown";
}

const char *culprit_spike_name(enum culprit_kind k, bool in_guest)
{
	switch (k) {
	case CULPRIT_SMI:
		return "smi";
	case CULPRIT_NMI:
		return "nmi";
	case CULPRIT_IRQ:
		return in_guest ? "guest-irq" : "host-irq";
	case CULPRIT_SOFTIRQ:
		return in_guest ? "guest-softirq" : "host-softirq";
	case CULPRIT_THREAD:
	case CULPRIT_THROTTLED:
		return in_guest ? "guest-thread" : "host-thread";
	case CULPRIT_FREQUENCY:
	case CULPRIT_HOST:
	case CULPRIT_PLATFORM:
	case CULPRIT_HARDWARE:
		return "hardware";
	case CULPRIT_FAULT:
	case CULPRIT_UNKNOWN:
	case CULPRIT_KINDS:
		break;
	}
	return "unexplained";
}

const char *culprit_evidence_name(enum culprit_evidence v)
{
	static const char *const names[] = { "none", "counters", "trace", "msr", "group" };

	return v < ARRAY_SIZE(names) ? names[v] : "none";
}

static uint64_t explained_ns(const struct culprit_facts *f)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < f->n_parts; i++)
		sum += f->parts[i].ns;
	return sum;
}

static bool largely_explained(const struct culprit_facts *f)
{
	return explained_ns(f) >= f->gap_ns / 3;
}

enum { PREEMPTED_SHARE = 50 }; /* interrupts alone may take one in so many of the time */

/*
 * The thread's counters also move for what is no gap: a switch shorter than the threshold. One of
 * them made this gap if the thread was away for longer than so many short ones and the interrupts,
 * which some kernels do not count as its own time either, can take.
 */
static bool surely_preempted(const struct culprit_facts *f)
{
	return f->preempted &&
	       f->off_ns > f->preempted * f->threshold_ns + f->since_ns / PREEMPTED_SHARE;
}

/* And none did if it was away for less than the gap is long. */
static bool perhaps_preempted(const struct culprit_facts *f)
{
	return f->preempted && f->off_ns >= f->gap_ns / 2;
}

/*
 * A third of the gap, or all but what would not be a gap by itself, or all but what interruptions
 * usually cost on this machine. The parts never add up to the whole: the way into and out of an
 * interrupt lies outside its two trace events, and in a guest that way leads through the
 * hypervisor and takes longer than the handler.
 */
bool culprit_explained(const struct culprit_facts *f)
{
	uint64_t sum = explained_ns(f);
	uint64_t usual = f->toll_ns > f->threshold_ns ? f->toll_ns : f->threshold_ns;

	if (f->trace)
		return sum && (largely_explained(f) || f->gap_ns - sum < usual);
	return surely_preempted(f);
}

static void set(struct culprit *c, enum culprit_kind kind, enum culprit_evidence by,
		const char *detail)
{
	c->kind = kind;
	c->evidence = by;
	snprintf(c->detail, sizeof(c->detail), "%s", detail);
}

/* The system stood still: a handler that happened to be open at that moment is not the reason. */
static bool platform_wide(const struct culprit_facts *f)
{
	unsigned int enough = f->watched_cpus < 3 ? f->watched_cpus : 3;

	return f->still_cpus >= 2 && f->still_cpus >= enough &&
	       2 * f->still_unexplained >= f->still_cpus;
}

static void find_platform(struct culprit *c, const struct culprit_facts *f)
{
	char detail[CULPRIT_DETAIL_BYTES];

	snprintf(detail, sizeof(detail), "%u CPUs at once%s", f->still_cpus,
		 f->smi_known && !f->smi ? ", no SMI on this one" : "");
	set(c, CULPRIT_PLATFORM, CULPRIT_BY_GROUP, detail);
}

enum { SMI_SPAN_NS = 2000000000 }; /* what was counted in more than this is not laid to a gap */

static bool smi_about_then(const struct culprit_facts *f)
{
	return f->smi_known && f->smi && f->smi_span_ns <= f->gap_ns + SMI_SPAN_NS;
}

static void find_smi(struct culprit *c, const struct culprit_facts *f)
{
	char gaps[24] = "", detail[CULPRIT_DETAIL_BYTES];

	if (f->smi_gaps > 1)
		snprintf(gaps, sizeof(gaps), ", %u gaps", f->smi_gaps);
	snprintf(detail, sizeof(detail), "%u SMI%s within %.0f ms%.20s%s", f->smi,
		 f->smi > 1 ? "s" : "", f->smi_span_ns / 1e6, gaps,
		 platform_wide(f) ? ", all CPUs" : "");
	set(c, CULPRIT_SMI, CULPRIT_BY_MSR, detail);
}

static void find_hardware(struct culprit *c, const struct culprit_facts *f,
			  enum culprit_evidence by)
{
	char detail[CULPRIT_DETAIL_BYTES];

	if (f->smi_known && f->smi) {
		snprintf(detail, sizeof(detail), "perhaps an SMI: %u of them in %.0f s", f->smi,
			 f->smi_span_ns / 1e9);
		set(c, CULPRIT_HARDWARE, by, detail);
	} else {
		set(c, CULPRIT_HARDWARE, by,
		    f->smi_known ? "no SMI: other firmware, bus or clock" : "no SMI counter");
	}
}

static void find_outside(struct culprit *c, const struct culprit_facts *f)
{
	enum culprit_evidence by = f->trace ? CULPRIT_BY_TRACE : CULPRIT_BY_COUNTERS;
	char detail[CULPRIT_DETAIL_BYTES];

	if (f->steal_known && f->steal_ns) {
		snprintf(detail, sizeof(detail), "steal %.0f ms about then", f->steal_ns / 1e6);
		set(c, CULPRIT_HOST, by, detail);
	} else if (f->guest) {
		set(c, CULPRIT_HOST, by, "host or its hardware; no steal reported");
	} else if (f->asleep) {
		set(c, CULPRIT_HARDWARE, by, "or the way out of a sleep state");
	} else {
		find_hardware(c, f, by);
	}
}

/* A softirq runs on the way out of an interrupt: that one is what has to be moved. */
static void find_part(struct culprit *c, const struct culprit_facts *f)
{
	const struct culprit_part *longest = &f->parts[0];
	char detail[CULPRIT_DETAIL_BYTES];

	set(c, longest->kind, CULPRIT_BY_TRACE, longest->name);
	for (unsigned int i = 1; longest->kind == CULPRIT_SOFTIRQ && i < f->n_parts; i++) {
		if (f->parts[i].kind != CULPRIT_IRQ)
			continue;
		snprintf(detail, sizeof(detail), "%.16s after %.40s", longest->name,
			 f->parts[i].name);
		set(c, CULPRIT_SOFTIRQ, CULPRIT_BY_TRACE, detail);
		return;
	}
}

/* Of an NMI the trace shows the handlers, not the way to them, nor what is printed after them. */
static void find_by_trace(struct culprit *c, const struct culprit_facts *f)
{
	if (f->nmi_events && !largely_explained(f))
		set(c, CULPRIT_NMI, CULPRIT_BY_TRACE, "");
	else if (culprit_explained(f))
		find_part(c, f);
	else if (f->frequency_events)
		set(c, CULPRIT_FREQUENCY, CULPRIT_BY_TRACE, "");
	else if (f->fault_events)
		set(c, CULPRIT_FAULT, CULPRIT_BY_TRACE, "");
	else if (f->trace_lost)
		set(c, CULPRIT_UNKNOWN, CULPRIT_BY_TRACE, "trace events were lost");
	else
		find_outside(c, f);
}

static void find_by_counters(struct culprit *c, const struct culprit_facts *f)
{
	char detail[CULPRIT_DETAIL_BYTES];

	if (surely_preempted(f)) {
		set(c, CULPRIT_THREAD, CULPRIT_BY_COUNTERS, "which one takes tracefs to tell");
	} else if (perhaps_preempted(f)) {
		snprintf(detail, sizeof(detail), "perhaps: %u switches in %.0f ms", f->preempted,
			 f->since_ns / 1e6);
		set(c, CULPRIT_THREAD, CULPRIT_BY_COUNTERS, detail);
	} else if (f->faults) {
		snprintf(detail, sizeof(detail), "perhaps: %u in %.0f ms", f->faults,
			 f->since_ns / 1e6);
		set(c, CULPRIT_FAULT, CULPRIT_BY_COUNTERS, detail);
	} else if (f->nmi) {
		set(c, CULPRIT_NMI, CULPRIT_BY_COUNTERS, "");
	} else if (f->steal_known && f->steal_ns) {
		find_outside(c, f);
	} else if (f->irq_count) {
		snprintf(detail, sizeof(detail), "%.30s perhaps (%u about then)", f->irq,
			 f->irq_count);
		set(c, CULPRIT_IRQ, CULPRIT_BY_COUNTERS, detail);
	} else {
		find_outside(c, f);
	}
}

void culprit_find(struct culprit *c, const struct culprit_facts *f)
{
	*c = (struct culprit){ .explained_ns = explained_ns(f) };
	if (smi_about_then(f) && !culprit_explained(f))
		find_smi(c, f);
	else if (platform_wide(f))
		find_platform(c, f);
	else if (f->trace)
		find_by_trace(c, f);
	else
		find_by_counters(c, f);
}
