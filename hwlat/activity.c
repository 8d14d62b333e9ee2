// SPDX-License-Identifier: GPL-2.0-only
#include "hwlat/activity.h"

#include <stdio.h>
#include <string.h>

#include "hwlat/tsc.h"

enum { LABEL_OURS, LABEL_OTHERS, LABELS_FIXED = LABEL_OTHERS + CULPRIT_KINDS };

void activity_init(struct activity *a)
{
	memset(a, 0, sizeof(*a));
	for (int k = 0; k < CULPRIT_KINDS; k++)
		a->labels[LABEL_OTHERS + k] = (struct activity_label){ k, "others", 0 };
	a->n_labels = LABELS_FIXED;
	a->depth = 1;
}

static bool on_stack(const struct activity *a, uint16_t what)
{
	for (unsigned int i = 0; i < a->depth; i++)
		if (a->stack[i] == what)
			return true;
	return false;
}

/*
 * Names of threads hold their numbers, so a load that forks makes new ones all the time. Those that
 * were last used before the average of all are struck out; what is known of them stays, as others.
 */
static void make_room(struct activity *a)
{
	uint16_t now[ACTIVITY_LABELS] = { 0 };
	unsigned int n = LABELS_FIXED;
	uint64_t sum = 0;

	for (unsigned int i = LABELS_FIXED; i < a->n_labels; i++)
		sum += a->labels[i].used;
	for (unsigned int i = 0; i < a->n_labels; i++) {
		bool stays = i < LABELS_FIXED || on_stack(a, i) ||
			     a->labels[i].used * (a->n_labels - LABELS_FIXED) > sum;

		now[i] = i < LABELS_FIXED ? i : stays ? n++ : LABEL_OTHERS + a->labels[i].kind;
		if (stays)
			a->labels[now[i]] = a->labels[i];
	}
	a->n_labels = n;
	for (unsigned int i = 0; i < ACTIVITY_SEGMENTS; i++)
		a->ring[i].label = now[a->ring[i].label];
	for (unsigned int i = 0; i < a->depth; i++)
		a->stack[i] = now[a->stack[i]];
}

static uint16_t label(struct activity *a, enum culprit_kind kind, const char *name)
{
	uint16_t at = LABELS_FIXED;

	while (at < a->n_labels && (a->labels[at].kind != kind || strcmp(a->labels[at].name, name)))
		at++;
	if (at == ACTIVITY_LABELS) {
		make_room(a);
		at = a->n_labels;
	}
	if (at == a->n_labels) {
		a->labels[at].kind = kind;
		snprintf(a->labels[at].name, CULPRIT_DETAIL_BYTES, "%s", name);
		a->n_labels++;
	}
	a->labels[at].used = a->n_segments;
	return at;
}

static void segment(struct activity *a, uint64_t start, uint64_t end, uint16_t what)
{
	if (what == LABEL_OURS)
		return;
	a->ring[a->n_segments++ % ACTIVITY_SEGMENTS] =
		(struct activity_segment){ start, end, what };
}

/* The top of the stack has had the CPU until now. */
static void settle(struct activity *a, uint64_t now)
{
	if (a->since_tsc && now > a->since_tsc)
		segment(a, a->since_tsc, now, a->stack[a->depth - 1]);
	a->since_tsc = now;
}

static void enter(struct activity *a, uint16_t what)
{
	if (a->depth == ACTIVITY_DEPTH) {
		a->unmatched++;
		return;
	}
	a->stack[a->depth++] = what;
}

/*
 * Down to what is left; an unknown one was entered before the trace began. The event of an
 * interrupt's end has only the beginning of the name: the number.
 */
static void leave(struct activity *a, const struct activity_event *ev)
{
	for (unsigned int i = a->depth - 1; i > 0; i--) {
		const struct activity_label *l = &a->labels[a->stack[i]];

		if (l->kind == ev->kind && !strncmp(l->name, ev->name, strlen(ev->name))) {
			a->depth = i;
			return;
		}
	}
	a->unmatched++;
}

/* An NMI tells only afterwards; it ran on top of whatever ran. */
static void span(struct activity *a, const struct activity_event *ev, uint16_t what)
{
	uint64_t start = ev->tsc > ev->length_tsc ? ev->tsc - ev->length_tsc : 0;

	if (start > a->since_tsc)
		settle(a, start);
	else
		start = a->since_tsc;
	segment(a, start, ev->tsc, what);
	a->since_tsc = ev->tsc;
}

void activity_feed(struct activity *a, const struct activity_event *ev)
{
	uint16_t what = LABEL_OURS;

	if (ev->type != ACTIVITY_LEAVE && !ev->ours)
		what = label(a, ev->kind, ev->name);
	switch (ev->type) {
	case ACTIVITY_ENTER:
		settle(a, ev->tsc);
		enter(a, what);
		break;
	case ACTIVITY_LEAVE:
		settle(a, ev->tsc);
		leave(a, ev);
		break;
	case ACTIVITY_SWITCH:
		settle(a, ev->tsc);
		a->stack[0] = what;
		a->depth = 1; /* the scheduler does not run inside interrupts */
		break;
	case ACTIVITY_SPAN:
		span(a, ev, what);
		break;
	case ACTIVITY_POINT:
		segment(a, ev->tsc, ev->tsc, what);
		break;
	}
}

void activity_lost(struct activity *a, uint64_t tsc)
{
	a->lost_tsc = tsc;
	a->depth = 1;
	a->stack[0] = LABEL_OURS;
	a->since_tsc = tsc;
}

struct tally {
	uint64_t tsc[ACTIVITY_LABELS];
};

static void count(const struct activity *a, struct tally *t, struct culprit_facts *f,
		  const struct activity_segment *s, uint64_t start, uint64_t end)
{
	uint64_t from = s->start_tsc > start ? s->start_tsc : start;
	uint64_t to = s->end_tsc < end ? s->end_tsc : end;

	if (to < from)
		return;
	t->tsc[s->label] += to - from;
	f->nmi_events += a->labels[s->label].kind == CULPRIT_NMI;
	f->fault_events += a->labels[s->label].kind == CULPRIT_FAULT;
	f->frequency_events += a->labels[s->label].kind == CULPRIT_FREQUENCY;
}

/* The longest first; what does not fit is added to the last. */
static void add_part(struct culprit_facts *f, const struct activity_label *l, uint64_t ns)
{
	struct culprit_part part = { .kind = l->kind, .ns = ns };
	unsigned int at = f->n_parts;

	memcpy(part.name, l->name, sizeof(part.name));
	if (at == CULPRIT_PARTS) {
		struct culprit_part *last = &f->parts[CULPRIT_PARTS - 1];

		if (ns > last->ns) {
			part.ns += last->ns;
			*last = part;
		} else {
			last->ns += ns;
		}
		at--;
		part = *last;
	} else {
		f->n_parts++;
	}
	for (; at && f->parts[at - 1].ns < part.ns; at--)
		f->parts[at] = f->parts[at - 1];
	f->parts[at] = part;
}

void activity_explain(const struct activity *a, uint64_t start_tsc, uint64_t end_tsc,
		      uint64_t tsc_hz, struct culprit_facts *f)
{
	uint64_t kept = a->n_segments < ACTIVITY_SEGMENTS ? a->n_segments : ACTIVITY_SEGMENTS;
	struct activity_segment open = { a->since_tsc, UINT64_MAX, a->stack[a->depth - 1] };
	struct tally t = { 0 };

	f->trace = true;
	f->trace_lost = a->lost_tsc >= start_tsc;
	if (kept == ACTIVITY_SEGMENTS && a->ring[a->n_segments % kept].start_tsc > start_tsc)
		f->trace_lost = true;
	/* newest first: segments are in order of their ends, so the walk stops early */
	for (uint64_t i = 0; i < kept; i++) {
		const struct activity_segment *s =
			&a->ring[(a->n_segments - 1 - i) % ACTIVITY_SEGMENTS];

		if (s->end_tsc < start_tsc)
			break;
		count(a, &t, f, s, start_tsc, end_tsc);
	}
	if (a->since_tsc && open.label != LABEL_OURS)
		count(a, &t, f, &open, start_tsc, end_tsc);
	for (unsigned int i = 0; i < a->n_labels; i++)
		if (t.tsc[i])
			add_part(f, &a->labels[i], tsc_ns(tsc_hz, t.tsc[i]));
}
