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
	return f->preempted || f->faults || f->nmi;
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

	return f->group_cpus >= 2 && f->group_cpus >= enough &&
	       2 * f->group_unexplained >= f->group_cpus;
}

static void find_platform(struct culprit *c, const struct culprit_facts *f)
{
	char detail[CULPRIT_DETAIL_BYTES];

	snprintf(detail, sizeof(detail), "%u CPUs at once%s", f->group_cpus,
		 f->smi_known && !f->smi ? ", no SMI on this one" : "");
	set(c, CULPRIT_PLATFORM, CULPRIT_BY_GROUP, detail);
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
		set(c, CULPRIT_HARDWARE, by,
		    f->smi_known ? "no SMI: other firmware, bus or clock" : "no SMI counter");
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

	if (f->preempted)
		set(c, CULPRIT_THREAD, CULPRIT_BY_COUNTERS, "which one takes tracefs to tell");
	else if (f->faults)
		set(c, CULPRIT_FAULT, CULPRIT_BY_COUNTERS, "");
	else if (f->nmi)
		set(c, CULPRIT_NMI, CULPRIT_BY_COUNTERS, "");
	else if (f->steal_known && f->steal_ns)
		find_outside(c, f);
	else if (f->irq_count) {
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
	if (f->smi_known && f->smi && !culprit_explained(f))
		snprintf(c->detail, sizeof(c->detail), "%u SMI%s%s", f->smi, f->smi > 1 ? "s" : "",
			 platform_wide(f) ? ", all CPUs" : ""),
			c->kind = CULPRIT_SMI, c->evidence = CULPRIT_BY_MSR;
	else if (platform_wide(f))
		find_platform(c, f);
	else if (f->trace)
		find_by_trace(c, f);
	else
		find_by_counters(c, f);
}
