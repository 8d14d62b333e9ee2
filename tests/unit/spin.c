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

#include <signal.h>
#include <sys/time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "hwlat/measure.h"
#include "hwlat/spin.h"
#include "hwlat/tsc.h"
#include "lib/cleanup.h"

static void converts(void **state)
{
	static const struct {
		uint64_t hz, cycles, ns;
	} rows[] = {
		{ 1000000000, 0, 0 },
		{ 1000000000, 1, 1 },
		{ 2596124162, 2596124162, 1000000000 },
		{ 3000000000, 3, 1 },
		{ 3000000000, 259200000000000, 86400000000000 }, /* a day */
		{ 2000000000, 1ull << 62, 1ull << 61 }, /* no overflow on the way */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(tsc_ns(rows[i].hz, rows[i].cycles), rows[i].ns);
		assert_int_equal(tsc_cycles(rows[i].hz, rows[i].ns), rows[i].cycles);
	}
}

static void places_stamps_on_both_sides(void **state)
{
	struct tsc t = { .hz = 2000000000,
			 .base = { .tsc = 10000, .wall_ns = 500000, .mono_ns = 70000 } };

	(void)state;
	assert_int_equal(tsc_wall_ns(&t, 10000), 500000);
	assert_int_equal(tsc_wall_ns(&t, 12000), 501000);
	assert_int_equal(tsc_wall_ns(&t, 8000), 499000);
	assert_int_equal(tsc_mono_ns(&t, 12000), 71000);
}

/* A slice's end that the supervisor saw late is when the first thread ended. */
static void unwatched_time_is_cut(void **state)
{
	static const struct {
		const char *name;
		uint64_t until_tsc, mono_ns;
	} rows[] = {
		{ "all still watch", UINT64_MAX, 90000 }, { "one ended after it", 200001, 90000 },
		{ "at its end", 200000, 90000 },	  { "20 us before", 160000, 70000 },
		{ "at its begin", 100000, 40000 },	  { "before that", 40000, 40000 },
	};
	const struct tsc_point begin = { .tsc = 100000, .mono_ns = 40000, .wall_ns = 540000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tsc_point now = { .tsc = 200000, .mono_ns = 90000, .wall_ns = 590000 };

		measure_cut(&now, &begin, rows[i].until_tsc, 2000000000);
		if (now.mono_ns != rows[i].mono_ns || now.wall_ns != rows[i].mono_ns + 500000 ||
		    now.tsc != 100000 + 2 * (rows[i].mono_ns - 40000))
			fail_msg("%s: %ju", rows[i].name, (uintmax_t)now.mono_ns);
	}
}

/* 10 ppm off: after a day a stamp would be almost a second off, but for the points in between. */
static void follows_the_clocks(void **state)
{
	struct tsc t = { .hz = 1000000000, .base = { .tsc = 1000, .error_tsc = 50 } };
	struct tsc_point bad;

	(void)state;
	for (uint64_t s = 10; s <= 86400; s += 10) {
		struct tsc_point p = { .tsc = 1000 + s * 1000010000,
				       .wall_ns = s * 1000000000,
				       .mono_ns = s * 1000000000,
				       .error_tsc = 60 };

		assert_in_range(tsc_wall_ns(&t, p.tsc) - p.wall_ns, 0, 100000);
		tsc_rebase(&t, &p);
		assert_int_equal(tsc_wall_ns(&t, p.tsc), p.wall_ns);
		assert_int_equal(tsc_mono_ns(&t, p.tsc), p.mono_ns);
	}
	bad = t.base;
	bad.wall_ns += 5000000;
	bad.error_tsc = 5000000; /* the CPU was away between the readings */
	tsc_rebase(&t, &bad);
	assert_int_equal(tsc_wall_ns(&t, t.base.tsc), bad.wall_ns - 5000000);
}

static void sees_drift(void **state)
{
	struct tsc_point a = { .tsc = 1000000, .raw_ns = 1000 };
	struct tsc_point b = { .tsc = 1000000 + 2000200000, .raw_ns = 1000 + 1000000000 };
	double error;

	(void)state;
	assert_true(tsc_drift_ppm(2000000000, &a, &b, &error) > 99.9);
	assert_true(tsc_drift_ppm(2000000000, &a, &b, NULL) < 100.1);
	assert_true(tsc_drift_ppm(2000200000, &a, &b, NULL) < 0.1);
	assert_true(error == 0);
}

/* Whatever the machine says, the reason is one sentence and the good case has none. */
static void trusts_only_what_is_steady(void **state)
{
	static const struct {
		bool invariant, kernel;
		int ret;
		const char *says;
	} rows[] = {
		{ true, true, 0, "" },
		{ false, true, -ENOTSUP, "not invariant" },
		{ true, false, -ENOTSUP, "unstable" },
		{ false, false, -ENOTSUP, "unstable" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tsc t = { .invariant = rows[i].invariant, .kernel_trusts = rows[i].kernel };
		struct err e = { 0 };

		assert_int_equal(tsc_trust(&t, &e), rows[i].ret);
		assert_non_null(strstr(e.text, rows[i].says));
	}
}

static void finds_a_rate(void **state)
{
	struct err e = { 0 };
	struct tsc_point a, b;
	struct tsc t;

	(void)state;
	assert_int_equal(tsc_probe(&t, &e), 0);
	assert_true(t.hz > 100000000 && t.hz < 20000000000);
	tsc_point(&a);
	usleep(20000);
	tsc_point(&b);
	assert_true(b.tsc > a.tsc && b.raw_ns - a.raw_ns >= 20000000);
}

static struct spinner *spinner(void)
{
	struct spinner *s = aligned_alloc(_Alignof(struct spinner), sizeof(*s));

	assert_non_null(s);
	memset(s, 0, sizeof(*s));
	s->ring = calloc(SPIN_RING, sizeof(*s->ring));
	assert_non_null(s->ring);
	return s;
}

static void give_up(struct spinner *s)
{
	free(s->ring);
	free(s);
}

/* A threshold that every reading exceeds fills the ring; what did not fit is counted. */
static void loses_nothing_unseen(void **state)
{
	struct spinner *s = spinner();
	struct tsc_point now;
	struct spin_gap gap;
	uint64_t last = 0, n = 0;
	struct err e = { 0 };
	struct tsc t;

	(void)state;
	assert_int_equal(tsc_probe(&t, &e), 0);
	tsc_point(&now);
	s->tsc_hz = t.hz;
	s->threshold_tsc = 1;
	s->blind_limit_tsc = UINT64_MAX;
	s->start_tsc = now.tsc;
	s->window_tsc = s->width_tsc = 1;
	atomic_store(&s->lease_tsc, now.tsc + t.hz / 10);
	spin_watch(s);
	while (spin_take(s, &gap)) {
		assert_true(gap.start_tsc >= last && gap.end_tsc > gap.start_tsc);
		last = gap.end_tsc;
		n++;
	}
	assert_int_equal(n, SPIN_RING);
	assert_true(atomic_load(&s->lost) > 0);
	assert_true(atomic_load(&s->blind_tsc) > 0);
	assert_true(atomic_load(&s->progress_tsc) == UINT64_MAX);
	assert_true(atomic_load(&s->ended_tsc) >= atomic_load(&s->lease_tsc));
	assert_false(spin_take(s, &gap));
	give_up(s);
}

/* A pause of the duty cycle is no gap, and a window ends where it should. */
static void pauses_are_no_gaps(void **state)
{
	struct spinner *s = spinner();
	struct tsc_point now;
	struct err e = { 0 };
	struct tsc t;

	(void)state;
	assert_int_equal(tsc_probe(&t, &e), 0);
	tsc_point(&now);
	s->tsc_hz = t.hz;
	s->threshold_tsc = t.hz * 10; /* the machine may be busy: nothing is to exceed it */
	s->blind_limit_tsc = UINT64_MAX;
	s->start_tsc = now.tsc;
	s->window_tsc = t.hz / 20;
	s->width_tsc = t.hz / 100;
	atomic_store(&s->lease_tsc, now.tsc + t.hz / 2);
	spin_watch(s);
	assert_int_equal(atomic_load(&s->head), 0);
	assert_true(s->watched_tsc > 0 && s->watched_tsc < t.hz / 2);
	assert_true(spin_quiet_max(s) > 0);
	assert_int_equal(spin_quiet_max(s), 0);
	give_up(s);
}

/* --- the lease: a timer's signal plays the stall, and the supervisor that comes after it --- */

enum { ALARM_US = 10000, STALL_MS = 1000, SHORT_MS = 10, LEASE_MS = 300, RENEWALS = 20 };

static struct {
	struct spinner *spin;
	int calls;
	uint64_t renewed_tsc;
} alarms; /* a handler has no argument */

static void alarm_after(int us)
{
	setitimer(ITIMER_REAL, &(struct itimerval){ .it_value.tv_usec = us }, NULL);
}

static void stall(int ms)
{
	uint64_t end = __rdtsc() + alarms.spin->tsc_hz / 1000 * ms;

	while (__rdtsc() < end)
		_mm_pause();
}

/* First a stall much longer than the lease, in which nobody extends it; then the end. */
static void stall_then_end(int sig)
{
	(void)sig;
	if (alarms.calls++)
		return atomic_store(&alarms.spin->lease_tsc, 0);
	stall(STALL_MS);
	alarm_after(ALARM_US);
}

/* Stalls and extensions by turns, then no supervisor any more. */
static void renew_then_leave(int sig)
{
	(void)sig;
	if (alarms.calls++ == RENEWALS)
		return;
	stall(SHORT_MS);
	alarms.renewed_tsc = __rdtsc();
	atomic_store(&alarms.spin->lease_tsc,
		     alarms.renewed_tsc + alarms.spin->tsc_hz / 1000 * LEASE_MS);
	alarm_after(ALARM_US);
}

static struct spinner *leased_spinner(void (*handler)(int), unsigned int width_percent)
{
	struct spinner *s = spinner();
	struct err e = { 0 };
	struct tsc t;

	assert_int_equal(tsc_probe(&t, &e), 0);
	s->tsc_hz = t.hz;
	s->threshold_tsc = t.hz / 1000;
	s->blind_limit_tsc = UINT64_MAX;
	s->window_tsc = t.hz / 50;
	s->width_tsc = s->window_tsc * width_percent / 100;
	alarms = (__typeof__(alarms)){ .spin = s };
	signal(SIGALRM, handler);
	s->start_tsc = __rdtsc();
	atomic_store(&s->lease_tsc, s->start_tsc + t.hz / 1000 * LEASE_MS);
	alarm_after(ALARM_US);
	spin_watch(s);
	alarm_after(0);
	signal(SIGALRM, SIG_DFL);
	return s;
}

/* Whether it watches all of the time or parts of it. */
static void a_stall_of_all_ends_no_watch(void **state)
{
	(void)state;
	for (unsigned int percent = 50; percent <= 100; percent += 50) {
		struct spinner *s = leased_spinner(stall_then_end, percent);

		assert_int_equal(alarms.calls, 2);
		give_up(s);
	}
}

/* What gaps took before the last extension is no leave to go on after it. */
static void a_lease_does_not_wear_off(void **state)
{
	struct spinner *s = leased_spinner(renew_then_leave, 100);
	/* noting a gap down counts as watched and is in no gap: all of it is more than the last one's */
	uint64_t stalled = 0, slack = 2 * s->threshold_tsc + atomic_load(&s->blind_tsc);
	struct spin_gap gap;

	(void)state;
	assert_int_equal(alarms.calls, RENEWALS + 1);
	while (spin_take(s, &gap))
		if (gap.end_tsc >= alarms.renewed_tsc)
			stalled += gap.end_tsc - gap.start_tsc;
	assert_true(stalled > 0);
	assert_true(s->start_tsc + s->watched_tsc <= atomic_load(&s->lease_tsc) + stalled + slack);
	give_up(s);
}

static void calibrates(void **state)
{
	struct spinner *s = spinner();
	struct spin_speed speed;

	(void)state;
	spin_calibrate(s, &speed);
	assert_true(speed.mean_tsc > 0 && speed.min_tsc <= speed.mean_tsc);
	assert_true(speed.note_tsc > 0);
	give_up(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(converts),
		cmocka_unit_test(places_stamps_on_both_sides),
		cmocka_unit_test(unwatched_time_is_cut),
		cmocka_unit_test(follows_the_clocks),
		cmocka_unit_test(sees_drift),
		cmocka_unit_test(trusts_only_what_is_steady),
		cmocka_unit_test(finds_a_rate),
		cmocka_unit_test(loses_nothing_unseen),
		cmocka_unit_test(pauses_are_no_gaps),
		cmocka_unit_test(calibrates),
		cmocka_unit_test(a_stall_of_all_ends_no_watch),
		cmocka_unit_test(a_lease_does_not_wear_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
