// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "hwlat/activity.h"
#include "lib/cleanup.h"

/* 1 GHz: a cycle is a nanosecond. */
#define HZ 1000000000ull

struct act {
	enum activity_type type;
	enum culprit_kind kind;
	uint64_t tsc;
	const char *name; /* NULL: the detector's own thread */
	uint64_t length;
};

static struct activity *feed(const struct act *acts, size_t n)
{
	struct activity *a = malloc(sizeof(*a));

	assert_non_null(a);
	activity_init(a);
	for (size_t i = 0; i < n; i++) {
		struct activity_event ev = { .type = acts[i].type,
					     .kind = acts[i].kind,
					     .tsc = acts[i].tsc,
					     .length_tsc = acts[i].length,
					     .ours = !acts[i].name };

		if (acts[i].name)
			snprintf(ev.name, sizeof(ev.name), "%s", acts[i].name);
		activity_feed(a, &ev);
	}
	return a;
}

static uint64_t part(const struct culprit_facts *f, const char *name)
{
	for (unsigned int i = 0; i < f->n_parts; i++)
		if (!strcmp(f->parts[i].name, name))
			return f->parts[i].ns;
	return 0;
}

static uint64_t sum(const struct culprit_facts *f)
{
	uint64_t all = 0;

	for (unsigned int i = 0; i < f->n_parts; i++)
		all += f->parts[i].ns;
	return all;
}

/* A hog, in it an interrupt, in that an NMI; then a softirq: times are net and do not overlap. */
static void nests(void **state)
{
	static const struct act acts[] = {
		{ ACTIVITY_SWITCH, CULPRIT_THREAD, 1000, "hog:7 fifo 50" },
		{ ACTIVITY_ENTER, CULPRIT_IRQ, 1200, "31 nvme0q3" },
		{ ACTIVITY_SPAN, CULPRIT_NMI, 1260, "NMI", 20 },
		{ ACTIVITY_LEAVE, CULPRIT_IRQ, 1300, "31 " },
		{ ACTIVITY_ENTER, CULPRIT_SOFTIRQ, 1310, "BLOCK" },
		{ ACTIVITY_LEAVE, CULPRIT_SOFTIRQ, 1350, "BLOCK" },
		{ ACTIVITY_SWITCH, CULPRIT_THREAD, 2000, NULL },
		{ ACTIVITY_ENTER, CULPRIT_IRQ, 3000, "LOC" },
		{ ACTIVITY_LEAVE, CULPRIT_IRQ, 3100, "LOC" },
	};
	struct activity *a = feed(acts, ARRAY_SIZE(acts));
	struct culprit_facts f = { 0 };

	(void)state;
	activity_explain(a, 900, 2100, HZ, &f);
	assert_true(f.trace);
	assert_false(f.trace_lost);
	assert_int_equal(sum(&f), 1000);
	assert_int_equal(f.nmi_events, 1);
	assert_int_equal(part(&f, "NMI"), 20);
	assert_int_equal(part(&f, "31 nvme0q3"), 80);
	assert_int_equal(part(&f, "BLOCK"), 40);
	assert_int_equal(part(&f, "hog:7 fifo 50"), 860);
	assert_string_equal(f.parts[0].name, "hog:7 fifo 50"); /* longest first */

	f = (struct culprit_facts){ 0 };
	activity_explain(a, 1250, 1320, HZ, &f); /* clipped to the gap */
	assert_int_equal(sum(&f), 70);
	f = (struct culprit_facts){ 0 };
	activity_explain(a, 2200, 2900, HZ, &f);
	assert_int_equal(f.n_parts, 0);
	assert_int_equal(a->unmatched, 0);
	free(a);
}

/* What is still going on when the gap ends counts up to its end. */
static void open_activity_counts(void **state)
{
	static const struct act acts[] = { { ACTIVITY_SWITCH, CULPRIT_THREAD, 1000,
					     "hog:7 rr 1" } };
	struct activity *a = feed(acts, ARRAY_SIZE(acts));
	struct culprit_facts f = { 0 };

	(void)state;
	activity_explain(a, 900, 5000, HZ, &f);
	assert_int_equal(part(&f, "hog:7 rr 1"), 4000);
	free(a);
}

static void points_leave_a_mark(void **state)
{
	static const struct act acts[] = {
		{ ACTIVITY_POINT, CULPRIT_FAULT, 1000, "page fault" },
		{ ACTIVITY_POINT, CULPRIT_FREQUENCY, 1500, "frequency" },
	};
	struct activity *a = feed(acts, ARRAY_SIZE(acts));
	struct culprit_facts f = { 0 };

	(void)state;
	activity_explain(a, 900, 1200, HZ, &f);
	assert_int_equal(f.fault_events, 1);
	assert_int_equal(f.frequency_events, 0);
	assert_int_equal(f.n_parts, 0);
	free(a);
}

/* The trace may begin in the middle of a handler, and lose events. */
static void survives_what_does_not_match(void **state)
{
	static const struct act acts[] = {
		{ ACTIVITY_LEAVE, CULPRIT_IRQ, 1000, "LOC" },
		{ ACTIVITY_ENTER, CULPRIT_IRQ, 1100, "LOC" },
		{ ACTIVITY_SWITCH, CULPRIT_THREAD, 1200, "x:1 other" }, /* its end was lost */
		{ ACTIVITY_SWITCH, CULPRIT_THREAD, 1300, NULL },
	};
	struct activity *a = feed(acts, ARRAY_SIZE(acts));
	struct activity_event enter = { .type = ACTIVITY_ENTER,
					.kind = CULPRIT_IRQ,
					.name = "LOC" };
	struct culprit_facts f = { 0 };

	(void)state;
	assert_int_equal(a->unmatched, 1);
	activity_explain(a, 1000, 1400, HZ, &f);
	assert_int_equal(part(&f, "LOC"), 100);
	assert_int_equal(part(&f, "x:1 other"), 100);
	activity_lost(a, 2000);
	f = (struct culprit_facts){ 0 };
	activity_explain(a, 1900, 2100, HZ, &f);
	assert_true(f.trace_lost);
	for (int i = 0; i < 3 * ACTIVITY_DEPTH; i++) { /* deeper than any kernel nests */
		enter.tsc = 3000 + i;
		activity_feed(a, &enter);
	}
	assert_true(a->depth <= ACTIVITY_DEPTH);
	free(a);
}

/* More of everything than there is room for: the newest is right, the rest is said to be lost. */
static void memory_is_bounded(void **state)
{
	struct activity *a = feed(NULL, 0);
	struct culprit_facts f = { 0 };
	uint64_t now = 1000;

	(void)state;
	for (int i = 0; i < 3 * ACTIVITY_SEGMENTS; i++) {
		struct activity_event ev = { .type = ACTIVITY_SWITCH,
					     .kind = CULPRIT_THREAD,
					     .tsc = now };

		snprintf(ev.name, sizeof(ev.name), "t:%d other", i);
		activity_feed(a, &ev);
		now += 10;
	}
	assert_true(a->n_labels <= ACTIVITY_LABELS);
	activity_explain(a, now - 50, now, HZ, &f);
	assert_false(f.trace_lost);
	assert_int_equal(sum(&f), 50);
	f = (struct culprit_facts){ 0 };
	activity_explain(a, 1000, now, HZ, &f);
	assert_true(f.trace_lost);
	free(a);
}

/*
 * A load that forks, and interrupts between: an interrupt ends when it ends, the names in use stay, and
 * what is older than the names is known by kind.
 */
static void names_give_way(void **state)
{
	struct activity *a = feed(NULL, 0);
	struct culprit_facts f = { 0 };
	uint64_t now = 1000;

	(void)state;
	for (int i = 0; i < 3 * ACTIVITY_LABELS; i++) {
		struct activity_event ev = { .type = ACTIVITY_SWITCH, .kind = CULPRIT_THREAD };

		ev.tsc = now;
		snprintf(ev.name, sizeof(ev.name), "cc1:%d other", i);
		activity_feed(a, &ev);
		ev = (struct activity_event){ .type = ACTIVITY_ENTER, .kind = CULPRIT_IRQ };
		ev.tsc = now + 10;
		snprintf(ev.name, sizeof(ev.name), "%d dev", i);
		activity_feed(a, &ev);
		ev.type = ACTIVITY_LEAVE;
		ev.tsc = now + 14;
		snprintf(ev.name, sizeof(ev.name), "%d ", i);
		activity_feed(a, &ev);
		assert_int_equal(a->depth, 1);
		now += 20;
	}
	assert_int_equal(a->unmatched, 0);
	activity_explain(a, now - 20, now, HZ, &f);
	assert_int_equal(f.n_parts, 2);
	assert_string_equal(f.parts[0].name, "cc1:1535 other");
	assert_int_equal(f.parts[0].ns, 16);
	assert_string_equal(f.parts[1].name, "1535 dev");
	assert_int_equal(f.parts[1].kind, CULPRIT_IRQ);
	f = (struct culprit_facts){ 0 };
	activity_explain(a, 1000, 1020, HZ, &f);
	assert_int_equal(f.n_parts, 2);
	assert_string_equal(f.parts[0].name, "others");
	assert_int_equal(f.parts[0].kind, CULPRIT_THREAD);
	assert_int_equal(f.parts[1].kind, CULPRIT_IRQ);
	assert_int_equal(f.parts[1].ns, 4);
	free(a);
}

/* Ten interrupts in one gap: eight parts, nothing dropped from the sum. */
static void many_parts_keep_their_sum(void **state)
{
	struct activity *a = feed(NULL, 0);
	struct culprit_facts f = { 0 };

	(void)state;
	for (uint64_t i = 1; i <= 10; i++) {
		struct activity_event ev = { .kind = CULPRIT_IRQ };

		snprintf(ev.name, sizeof(ev.name), "%d dev", (int)i);
		ev.type = ACTIVITY_ENTER;
		ev.tsc = i * 1000;
		activity_feed(a, &ev);
		ev.type = ACTIVITY_LEAVE;
		ev.tsc += i * 10;
		activity_feed(a, &ev);
	}
	activity_explain(a, 500, 20000, HZ, &f);
	assert_int_equal(f.n_parts, CULPRIT_PARTS);
	assert_int_equal(sum(&f), 550);
	assert_string_equal(f.parts[0].name, "10 dev");
	free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nests),
		cmocka_unit_test(open_activity_counts),
		cmocka_unit_test(points_leave_a_mark),
		cmocka_unit_test(survives_what_does_not_match),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(names_give_way),
		cmocka_unit_test(many_parts_keep_their_sum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
