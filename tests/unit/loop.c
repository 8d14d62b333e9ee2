// SPDX-License-Identifier: GPL-2.0-only
/* The loop on a clock of our own: what it records is then known to the nanosecond. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "cyclic/loop.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

#define MS	 1000000ull
#define START_NS (100 * NSEC_PER_SEC)

static struct {
	uint64_t now_ns;
	uint64_t (*late)(uint64_t target_ns); /* how late a sleep to target ends */
	struct loop *loop;
	uint64_t emptied_slices, sum_count, sum_missed, sum_expected;
	unsigned int collect_every, sleeps; /* 0: the collector never comes */
} fake;

int clock_gettime(clockid_t id, struct timespec *ts)
{
	(void)id;
	ts->tv_sec = fake.now_ns / NSEC_PER_SEC;
	ts->tv_nsec = fake.now_ns % NSEC_PER_SEC;
	return 0;
}

static void account(const struct loop_slice *s)
{
	fake.emptied_slices++;
	fake.sum_count += s->hist.count;
	fake.sum_missed += s->missed;
	fake.sum_expected += (s->end_ns - s->start_ns) / fake.loop->period_ns;
}

static void collect(struct loop *l)
{
	uint32_t emptied = l->emptied;

	if (l->filled == emptied)
		return;
	account(&l->slice[emptied % LOOP_SLICES]);
	memset(&l->slice[emptied % LOOP_SLICES], 0, sizeof(l->slice[0]));
	hist_init(&l->slice[emptied % LOOP_SLICES].hist);
	l->emptied++;
}

int clock_nanosleep(clockid_t id, int flags, const struct timespec *ts, struct timespec *left)
{
	uint64_t target = ts->tv_sec * NSEC_PER_SEC + ts->tv_nsec;

	assert_int_equal(id, CLOCK_MONOTONIC);
	assert_int_equal(flags, TIMER_ABSTIME);
	assert_null(left);
	if (target > fake.now_ns)
		fake.now_ns = target;
	fake.now_ns += fake.late(target);
	if (fake.collect_every && ++fake.sleeps % fake.collect_every == 0)
		collect(fake.loop);
	return 0;
}

static struct loop *loop_at(uint64_t period_ns, uint64_t points, uint64_t slice_ns)
{
	struct loop *l = calloc(1, sizeof(*l));

	assert_non_null(l);
	l->start_ns = START_NS;
	l->stop_ns = START_NS + points * period_ns;
	l->period_ns = period_ns;
	l->slice_ns = slice_ns;
	l->spike_ns = UINT64_MAX;
	l->freeze_fd = -1;
	for (int i = 0; i < LOOP_SLICES; i++)
		hist_init(&l->slice[i].hist);
	memset(&fake, 0, sizeof(fake));
	fake.now_ns = START_NS - MS;
	fake.loop = l;
	return l;
}

static uint64_t stall_at_point_5(uint64_t target)
{
	return target == START_NS + 5 * MS ? 9 * MS + 400000 : 3000;
}

static void one_stall_is_one_spike(void **state)
{
	_cleanup_free_ struct loop *l = loop_at(MS, 100, 1000 * MS);
	const struct loop_slice *s = &l->slice[0];

	(void)state;
	fake.late = stall_at_point_5;
	l->spike_ns = MS;
	loop_run(l);
	assert_int_equal(l->filled, 0);
	assert_int_equal(s->missed, 9);
	assert_int_equal(s->hist.count, 91);
	assert_int_equal(s->hist.max_ns, 9 * MS + 400000);
	assert_int_equal(s->max_at_ns, START_NS + 14 * MS + 400000);
	assert_int_equal((s->end_ns - s->start_ns) / MS, 100);
	assert_int_equal(l->spikes_in, 1);
	assert_int_equal(l->spike[0].cycle, 5);
	assert_int_equal(l->spike[0].missed, 9);
	assert_int_equal(l->spike[0].late_ns, 9 * MS + 400000);
	assert_int_equal(l->spike[0].mono_ns, START_NS + 14 * MS + 400000);
	assert_true(l->spike[0].tsc > 0);
}

static uint64_t exactly_one_period(uint64_t target)
{
	return target == START_NS + 3 * MS ? MS : 0;
}

static void a_point_met_late_by_a_period_is_gone(void **state)
{
	_cleanup_free_ struct loop *l = loop_at(MS, 10, 1000 * MS);

	(void)state;
	fake.late = exactly_one_period;
	loop_run(l);
	assert_int_equal(l->slice[0].missed, 1);
	assert_int_equal(l->slice[0].hist.count, 9);
}

static uint64_t random_late(uint64_t target)
{
	uint64_t r = (target ^ target >> 17) * 0x9e3779b97f4a7c15ull >> 40;

	return r % 50 ? r % 40000 : r % (30 * MS);
}

/* However often the collector comes, every point of the grid is in exactly one slice. */
static void nothing_is_lost_between_slices(void **state)
{
	static const unsigned int every[] = { 1, 7, 100, 1000, 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(every); i++) {
		_cleanup_free_ struct loop *l = loop_at(MS, 20000, 50 * MS);

		fake.late = random_late;
		fake.collect_every = every[i];
		loop_run(l);
		collect(l);
		account(&l->slice[l->filled % LOOP_SLICES]);
		assert_int_equal(fake.sum_count + fake.sum_missed, fake.sum_expected);
		assert_true(fake.sum_expected >= 20000 && fake.sum_expected < 20031);
		assert_true(fake.sum_missed > 100);
		if (every[i] == 1)
			assert_in_range(fake.emptied_slices, 300, 401);
		if (!every[i])
			assert_int_equal(l->filled, 1);
	}
}

static uint64_t always_late(uint64_t target)
{
	(void)target;
	return 500000;
}

static void spikes_that_find_no_room_are_counted(void **state)
{
	_cleanup_free_ struct loop *l = loop_at(MS, LOOP_SPIKES + 40, 1000 * MS);

	(void)state;
	fake.late = always_late;
	l->spike_ns = 500000;
	loop_run(l);
	assert_int_equal(l->spikes_in, LOOP_SPIKES);
	assert_int_equal(l->spikes_lost, 40);
	assert_int_equal(l->slice[0].hist.count, LOOP_SPIKES + 40);
}

static void freeze_is_one_byte(void **state)
{
	_cleanup_free_ struct loop *l = loop_at(MS, 20, 1000 * MS);
	char buf[8];
	int fd[2];

	(void)state;
	assert_int_equal(pipe2(fd, O_NONBLOCK), 0);
	fake.late = always_late;
	l->spike_ns = 500000;
	l->freeze_fd = fd[1];
	loop_run(l);
	assert_int_equal(read(fd[0], buf, sizeof(buf)), 1);
	assert_int_equal(buf[0], '0');
	close(fd[0]);
	close(fd[1]);
}

static void stop_ends_at_once(void **state)
{
	_cleanup_free_ struct loop *l = loop_at(MS, 20, 1000 * MS);

	(void)state;
	fake.late = always_late;
	l->stop = true;
	loop_run(l);
	assert_int_equal(l->slice[0].hist.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_stall_is_one_spike),
		cmocka_unit_test(a_point_met_late_by_a_period_is_gone),
		cmocka_unit_test(nothing_is_lost_between_slices),
		cmocka_unit_test(spikes_that_find_no_room_are_counted),
		cmocka_unit_test(freeze_is_one_byte),
		cmocka_unit_test(stop_ends_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
