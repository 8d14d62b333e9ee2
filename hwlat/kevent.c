// SPDX-License-Identifier: GPL-2.0-only
#include "hwlat/kevent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"

static unsigned long long number(struct tep_event *event, struct tep_record *record,
				 const char *field)
{
	unsigned long long value = 0;

	tep_get_field_val(NULL, event, field, record, &value, 0);
	return value;
}

static void text(struct tep_event *event, struct tep_record *record, const char *field, char *out,
		 size_t size)
{
	int len = 0;
	char *raw = tep_get_field_raw(NULL, event, field, record, &len, 0);

	snprintf(out, size, "%.*s", raw ? len : 0, raw ? raw : "");
}

/*
 * What NMIs took, up to the whole gap: they are told for all of the width, in ns by the kernel's local
 * clock. Where that cannot be read in an NMI, only how many there were is told: then they are no cause.
 */
static void add_nmis(struct tep_event *event, struct tep_record *record, struct gap *g)
{
	uint64_t took_ns = number(event, record, "nmi_total_ts");
	struct culprit_part *p = &g->facts.parts[0];

	if (!number(event, record, "nmi_count") || !took_ns)
		return;
	g->facts.n_parts = 1;
	*p = (struct culprit_part){ .kind = CULPRIT_NMI, .name = "NMI" };
	p->ns = took_ns < g->ns ? took_ns : g->ns;
}

/* Microseconds, and the wall-clock time of the first gap of the window; interrupts were off. */
static void from_hwlat(struct tep_event *event, struct tep_record *record, const struct tsc *tsc,
		       struct gap *g)
{
	uint64_t inner = number(event, record, "duration");
	uint64_t outer = number(event, record, "outer_duration");
	uint64_t wall_ns =
		number(event, record, "tv_sec") * NSEC_PER_SEC + number(event, record, "tv_nsec");
	int64_t back_ns = tsc->base.wall_ns - wall_ns;

	g->ns = (inner > outer ? inner : outer) * 1000;
	g->start_tsc = tsc->base.tsc + (back_ns > 0 ? -tsc_cycles(tsc->hz, back_ns)
						    : tsc_cycles(tsc->hz, -back_ns));
	add_nmis(event, record, g);
}

static void name_noise(struct tep_event *event, struct tep_record *record, struct culprit_part *p)
{
	char name[40];

	if (!strcmp(event->name, "irq_noise")) {
		p->kind = CULPRIT_IRQ;
		text(event, record, "desc", name, sizeof(name));
		snprintf(p->name, sizeof(p->name), "%d %s", (int)number(event, record, "vector"),
			 name);
	} else if (!strcmp(event->name, "softirq_noise")) {
		p->kind = CULPRIT_SOFTIRQ;
		snprintf(p->name, sizeof(p->name), "softirq %d",
			 (int)number(event, record, "vector"));
	} else if (!strcmp(event->name, "thread_noise")) {
		p->kind = CULPRIT_THREAD;
		text(event, record, "comm", name, 17);
		snprintf(p->name, sizeof(p->name), "%s:%d", name,
			 (int)number(event, record, "pid"));
	} else {
		p->kind = CULPRIT_NMI;
		snprintf(p->name, sizeof(p->name), "NMI");
	}
}

/* Noise is told when it is over. A sample in which nothing interfered is the hardware's. */
static bool from_osnoise(struct tep_event *event, struct tep_record *record,
			 const struct hwlat_opts *o, const struct tsc *tsc, struct gap *g)
{
	bool sample = !strcmp(event->name, "sample_threshold");

	g->ns = number(event, record, "duration");
	if (g->ns < o->threshold_ns || (sample && number(event, record, "interference")))
		return false;
	g->start_tsc = record->ts - tsc_cycles(tsc->hz, g->ns);
	if (sample)
		return true;
	g->facts.n_parts = 1;
	g->facts.parts[0].ns = g->ns;
	name_noise(event, record, &g->facts.parts[0]);
	return true;
}

static void keep_noise(struct tep_event *event, struct tep_record *record,
		       struct kevent_noises *noises)
{
	unsigned int at = noises->n++ % KEVENT_NOISES;

	noises->ring[at].end_tsc = record->ts;
	noises->ring[at].part.ns = number(event, record, "duration");
	name_noise(event, record, &noises->ring[at].part);
}

static int longest_first(const void *x, const void *y)
{
	const struct culprit_part *a = x, *b = y;

	return a->ns < b->ns ? 1 : a->ns > b->ns ? -1 : 0;
}

/* Net durations: a noise that began before the gap has at most what is left of it. */
void kevent_explain(const struct kevent_noises *noises, uint64_t start_tsc, uint64_t tsc_hz,
		    struct culprit_facts *f)
{
	unsigned int kept = noises->n < KEVENT_NOISES ? noises->n : KEVENT_NOISES;
	struct culprit_part parts[KEVENT_NOISES] = { 0 };
	unsigned int n = 0;

	for (unsigned int i = 0; i < kept; i++) {
		uint64_t end = noises->ring[i].end_tsc, within;

		if (end <= start_tsc)
			continue;
		within = tsc_ns(tsc_hz, end - start_tsc);
		parts[n] = noises->ring[i].part;
		if (parts[n].ns > within)
			parts[n].ns = within;
		n++;
	}
	qsort(parts, n, sizeof(*parts), longest_first);
	f->n_parts = n < CULPRIT_PARTS ? n : CULPRIT_PARTS;
	memcpy(f->parts, parts, f->n_parts * sizeof(*parts));
}

/*
 * A wake-up is told twice, by its interrupt and then by its thread, which was later by all that
 * came between: the second has it all.
 */
static bool from_timerlat(struct tep_event *event, struct tep_record *record,
			  const struct hwlat_opts *o, const struct tsc *tsc,
			  struct kevent_noises *noises, struct gap *g)
{
	enum { CONTEXT_THREAD = 1 };

	if (!strcmp(event->system, "osnoise")) {
		keep_noise(event, record, noises);
		return false;
	}
	if (strcmp(event->name, "timerlat") || number(event, record, "context") != CONTEXT_THREAD)
		return false;
	g->ns = number(event, record, "timer_latency");
	if (g->ns < o->threshold_ns)
		return false;
	g->start_tsc = record->ts - tsc_cycles(tsc->hz, g->ns);
	g->facts.asleep = true;
	kevent_explain(noises, g->start_tsc, tsc->hz, &g->facts);
	return true;
}

bool kevent_gap(struct tep_event *event, struct tep_record *record, const struct hwlat_opts *o,
		const struct tsc *tsc, struct kevent_noises *noises, struct gap *g)
{
	if (o->detector == HWLAT_TIMERLAT)
		return from_timerlat(event, record, o, tsc, noises, g);
	if (o->detector == HWLAT_OSNOISE)
		return !strcmp(event->system, "osnoise") && from_osnoise(event, record, o, tsc, g);
	if (strcmp(event->name, "hwlat"))
		return false;
	from_hwlat(event, record, tsc, g);
	return g->ns >= o->threshold_ns; /* the kernel's is in whole microseconds */
}
