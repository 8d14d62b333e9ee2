// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "tracing/fit.h"

enum { WINDOWS = 40, EVENTS = 400, ROUNDS = 200 };

static uint64_t next(uint64_t *rng, uint64_t below)
{
	*rng = *rng * 6364136223846793005ull + 1442695040888963407ull;
	return (*rng >> 33) % below;
}

struct world {
	int64_t offset;
	struct fit_window window[WINDOWS];
	uint64_t guest[EVENTS]; /* stamps, in order */
	size_t n;
	struct clock_range given;
};

/* Windows of all lengths with gaps of all lengths, some with guest events in them. */
static void make(struct world *w, uint64_t seed)
{
	uint64_t rng = seed, t = 1ull << 40, apart;

	*w = (struct world){ .offset = (int64_t)next(&rng, 1u << 30) - (1 << 29) };
	for (size_t i = 0; i < WINDOWS; i++) {
		t += 1 + next(&rng, 1000);
		w->window[i].entry = t;
		for (uint64_t k = next(&rng, 8); k && w->n < EVENTS; k--) {
			t += next(&rng, 300);
			w->guest[w->n++] = t + w->offset;
		}
		t += next(&rng, 500);
		w->window[i].exit = t;
	}
	apart = next(&rng, 1500);
	w->given.low = w->offset - (int64_t)next(&rng, apart + 1);
	w->given.high = w->given.low + (int64_t)apart;
	if (w->given.high < w->offset)
		w->given.high = w->offset;
}

/* In the order that a merge with the latest time of each guest event has. */
static void feed(struct fit *f, const struct world *w)
{
	size_t g = 0;

	fit_init(f, w->given);
	for (size_t i = 0; i < 2 * WINDOWS; i++) {
		const struct fit_window *win = &w->window[i / 2];
		uint64_t ts = i & 1 ? win->exit : win->entry;

		for (; g < w->n && w->guest[g] - w->given.low < ts; g++)
			fit_event(f, w->guest[g]);
		if (i & 1)
			fit_exit(f, ts);
		else
			fit_entry(f, ts);
	}
	/* what is left comes after the host's last event */
}

/* The same from a look at all windows at once; what is not known yet or any more is not used. */
static struct clock_range oracle(const struct world *w)
{
	struct clock_range r = w->given;

	for (size_t g = 0; g < w->n; g++) {
		uint64_t from = w->guest[g] - w->given.high, to = w->guest[g] - w->given.low;
		const struct fit_window *in = NULL;
		size_t n = 0;

		if (from < w->window[0].entry || to >= w->window[WINDOWS - 1].exit)
			continue;
		for (size_t i = 0; i < WINDOWS; i++)
			if (w->window[i].entry <= to && w->window[i].exit >= from) {
				in = &w->window[i];
				n++;
			}
		if (n != 1)
			continue;
		r.high = r.high < (int64_t)(w->guest[g] - in->entry)
				 ? r.high
				 : (int64_t)(w->guest[g] - in->entry);
		if (in->exit <= to && (int64_t)(w->guest[g] - in->exit) > r.low)
			r.low = w->guest[g] - in->exit;
	}
	return r;
}

static void the_truth_stays_in_and_all_is_used(void **state)
{
	struct world w;
	struct fit f;
	uint64_t narrower = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
		struct clock_range want;

		make(&w, seed);
		feed(&f, &w);
		want = oracle(&w);
		assert_true(f.found.low <= w.offset && f.found.high >= w.offset);
		assert_int_equal(f.found.low, want.low);
		assert_int_equal(f.found.high, want.high);
		assert_int_equal(f.outside, 0);
		narrower += f.found.high - f.found.low < w.given.high - w.given.low;
	}
	assert_true(narrower > ROUNDS / 2);
}

/* A range that the offset does not lie in puts events where the guest did not run. */
static void a_wrong_range_shows(void **state)
{
	struct fit f;

	(void)state;
	fit_init(&f, (struct clock_range){ 5, 7 });
	fit_entry(&f, 100);
	fit_exit(&f, 200);
	fit_event(&f, 230); /* 223 to 225 on the host */
	assert_int_equal(f.outside, 1);
	fit_entry(&f, 300);
	fit_event(&f, 305 + 5); /* 303 to 305 */
	assert_int_equal(f.used, 1);
	assert_int_equal(f.outside, 1);
	assert_int_equal(f.found.low, 5);
	assert_int_equal(f.found.high, 7);
}

static void what_is_lost_is_not_known(void **state)
{
	struct fit f;

	(void)state;
	fit_init(&f, (struct clock_range){ -10, 10 });
	fit_event(&f, 50); /* before the first window */
	fit_entry(&f, 100);
	fit_entry(&f, 150); /* its exit was not told */
	fit_exit(&f, 200);
	fit_exit(&f, 210);
	fit_lost(&f);
	fit_event(&f, 250);
	fit_entry(&f, 300);
	fit_event(&f, 305); /* may lie before it */
	assert_int_equal(f.outside + f.used, 0);
	fit_event(&f, 311);
	assert_int_equal(f.used, 1);
	for (uint64_t t = 1000; t < 1000 + 20 * FIT_WINDOWS; t += 20) {
		fit_exit(&f, t);
		fit_entry(&f, t + 10);
	}
	fit_event(&f, 320); /* longer ago than is kept */
	assert_int_equal(f.used, 1);
	assert_int_equal(f.outside, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_truth_stays_in_and_all_is_used),
		cmocka_unit_test(a_wrong_range_shows),
		cmocka_unit_test(what_is_lost_is_not_known),
	};

	return cmocka_run_group_tests_name("fit", tests, NULL, NULL);
}
