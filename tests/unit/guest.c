// SPDX-License-Identifier: GPL-2.0-only
/* Wake-ups whose way back is not told as usual: each has its own end, none that of the next one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "tests/gen/ring.h"
#include "tracing/model.h"

enum {
	ME = 200,
	OTHER = 90,
	TIMER = 0x1000,
	OTHER_TIMER = 0x2000,
	CYCLES = 4,
	PERIOD_NS = 1000000,
	PRIO = 19,
	ARMED_NS = 50000, /* it starts its next timer so long after one was due */
};

enum how {
	SWITCHED,
	UNSEEN, /* the switch to it is missing */
	AWAKE, /* woken by another CPU's timer before it has left its own */
	UNSEEN_INTERRUPTED, /* and an interrupt starts a timer meanwhile */
};

#define V(...)	((const uint64_t[]){ __VA_ARGS__ })
#define S(text) ((uint64_t)(uintptr_t)(text))

static void put(struct gen_kernel *k, unsigned int cpu, uint64_t ts, uint32_t pid, uint8_t flags,
		enum gen_event ev, const uint64_t *values)
{
	gen_put(k, cpu, ts, (struct gen_common){ .pid = pid, .flags = flags }, ev, values);
}

static void cycle(struct gen_kernel *k, uint64_t due, enum how how, uint32_t prio)
{
	unsigned int timer_cpu = how == AWAKE;
	uint64_t armed = due - PERIOD_NS + ARMED_NS;

	put(k, 0, armed, ME, 0, G_HRTIMER_START, V(TIMER, 0, due, due, 0));
	if (how != AWAKE)
		put(k, 0, armed + 1000, ME, 0, G_SWITCH,
		    V(S("cyclictest"), ME, prio, 1, S("other"), OTHER, 120));
	put(k, timer_cpu, due + 2000, OTHER, 0, G_TIMER_ENTRY, V(0xec));
	put(k, timer_cpu, due + 3000, OTHER, GEN_FLAG_HARDIRQ, G_HRTIMER_EXPIRE,
	    V(TIMER, due + 3000, 0));
	put(k, timer_cpu, due + 4000, OTHER, GEN_FLAG_HARDIRQ, G_WAKING,
	    V(S("cyclictest"), ME, prio, 0));
	put(k, timer_cpu, due + 5000, OTHER, GEN_FLAG_HARDIRQ, G_HRTIMER_DONE, V(TIMER));
	put(k, timer_cpu, due + 6000, OTHER, 0, G_TIMER_EXIT, V(0xec));
	if (how == SWITCHED)
		put(k, 0, due + 8000, OTHER, 0, G_SWITCH,
		    V(S("other"), OTHER, 120, 0, S("cyclictest"), ME, prio));
	put(k, 0, due + 9000, ME, 0, G_NANOSLEEP_EXIT, V(0, 0));
	if (how == UNSEEN_INTERRUPTED)
		put(k, 0, due + 20000, ME, GEN_FLAG_HARDIRQ, G_HRTIMER_START,
		    V(OTHER_TIMER, 0, due, due, 0));
}

struct found {
	uint64_t ns[CYCLES + 1];
	enum cause cause[CYCLES + 1];
	size_t n;
};

static int keep(void *arg, struct spike *s, struct err *e)
{
	struct found *f = arg;

	(void)e;
	assert_true(f->n <= CYCLES);
	assert_int_equal(budget_sum(&s->budget), s->latency_ns);
	f->cause[f->n] = budget_verdict(&s->budget);
	f->ns[f->n++] = s->latency_ns;
	return 0;
}

/* left_out: its wake-ups that do not count because it is not real-time */
static void follow(const struct gen_kernel *k, bool real_time, struct found *found,
		   uint64_t left_out)
{
	static const struct gen_save save = { .clock = "mono" };
	char dir[] = "/tmp/rtkvm-unit-guest.XXXXXX", path[64];
	struct model_opts o = {
		.real_time = real_time,
		.timer_vector = 0xec,
		.rate = { 1, 0 },
		.on_spike = keep,
		.arg = found,
	};
	struct feed_file file;
	struct merge merge;
	struct model model;
	struct err e = { 0 };
	struct dat dat;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/t.dat", dir);
	assert_int_equal(gen_save(k, &save, path, &e), 0);
	assert_int_equal(dat_open(&dat, path, &e), 0);
	assert_int_equal(feed_file_init(&file, &dat, &e), 0);
	assert_int_equal(model_init(&model, &o, NULL, &file, &e), 0);
	assert_int_equal(merge_open(&merge, &file, 1, 1 << 20, &e), 0);
	model.merge = &merge;
	assert_int_equal(model_follow(&model, 3, &e), 1);
	assert_int_equal(model_follow(&model, UINT64_MAX, &e), 0);
	assert_int_equal(model.side[GUEST].events, gen_events(k));
	assert_int_equal(model.n_samplers, 1);
	assert_int_equal(model.samplers[0].left_out, left_out);
	merge_close(&merge);
	model_free(&model);
	feed_file_free(&file);
	dat_close(&dat);
	assert_int_equal(file_remove_tree(dir, &e), 0);
}

static void each_wakeup_has_its_own_end(void **state)
{
	static const struct {
		enum how how;
		bool returns; /* it is recorded when clock_nanosleep returns */
		uint64_t late_ns;
	} rows[] = {
		{ SWITCHED, false, 8000 },
		{ SWITCHED, true, 9000 },
		{ UNSEEN, false, ARMED_NS },
		{ UNSEEN, true, 9000 },
		{ AWAKE, false, ARMED_NS },
		{ AWAKE, true, 9000 },
		{ UNSEEN_INTERRUPTED, false, ARMED_NS },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t due = 10 * PERIOD_NS;
		struct found found = { .n = 0 };
		struct gen_kernel k;

		gen_kernel_init(&k, 2, false, 300);
		k.without = rows[i].returns ? 0 : 1ull << G_NANOSLEEP_EXIT;
		for (int c = 0; c < CYCLES; c++, due += PERIOD_NS)
			cycle(&k, due, rows[i].how, PRIO);
		put(&k, 0, due - PERIOD_NS + ARMED_NS, ME, 0, G_HRTIMER_START,
		    V(TIMER, 0, due, due, 0));
		follow(&k, true, &found, 0);
		gen_kernel_free(&k);
		assert_int_equal(found.n, CYCLES);
		for (size_t c = 0; c < found.n; c++)
			if (found.ns[c] != rows[i].late_ns)
				fail_msg("row %zu: wake-up %zu is %ju ns late", i, c,
					 (uintmax_t)found.ns[c]);
	}
}

/* cyclictest's main thread and a sampler's collector sleep by timers, too, and measure nothing. */
static void others_of_that_name(void **state)
{
	(void)state;
	for (int real_time = 0; real_time < 2; real_time++) {
		struct found found = { .n = 0 };
		struct gen_kernel k;

		gen_kernel_init(&k, 2, false, 300);
		for (int c = 0; c < CYCLES; c++)
			cycle(&k, (10 + c) * PERIOD_NS, SWITCHED, 120);
		follow(&k, real_time, &found, real_time ? CYCLES : 0);
		gen_kernel_free(&k);
		assert_int_equal(found.n, real_time ? 0 : CYCLES);
	}
}

/*
 * A thread that is preempted in a softirq goes on with it later, unless it was done with it where
 * events are missing.
 */
static void softirq_of_a_preempted_thread(void **state)
{
	(void)state;
	for (int lost = 0; lost < 2; lost++) {
		uint64_t due = 10 * PERIOD_NS;
		struct found found = { .n = 0 };
		struct gen_kernel k;

		gen_kernel_init(&k, 1, true, 300);
		put(&k, 0, due - 900000, OTHER, GEN_FLAG_SOFTIRQ, G_SOFTIRQ_ENTRY, V(9));
		put(&k, 0, due - 800000, OTHER, 0, G_SWITCH,
		    V(S("other"), OTHER, 1, 0x100, S("cyclictest"), ME, PRIO));
		if (lost)
			gen_lose(&k, 0);
		put(&k, 0, due - 700000, ME, 0, G_HRTIMER_START, V(TIMER, 0, due, due, 0));
		put(&k, 0, due - 600000, ME, 0, G_SWITCH,
		    V(S("cyclictest"), ME, PRIO, 1, S("other"), OTHER, 1));
		put(&k, 0, due + 2000, OTHER, 0, G_TIMER_ENTRY, V(0xec));
		put(&k, 0, due + 3000, OTHER, GEN_FLAG_HARDIRQ, G_HRTIMER_EXPIRE,
		    V(TIMER, due + 3000, 0));
		put(&k, 0, due + 4000, OTHER, GEN_FLAG_HARDIRQ, G_WAKING,
		    V(S("cyclictest"), ME, PRIO, 0));
		put(&k, 0, due + 5000, OTHER, 0, G_TIMER_EXIT, V(0xec));
		put(&k, 0, due + 90000, OTHER, 0, G_SWITCH,
		    V(S("other"), OTHER, 1, 0x100, S("cyclictest"), ME, PRIO));
		put(&k, 0, due + 91000, ME, 0, G_NANOSLEEP_EXIT, V(0, 0));
		follow(&k, true, &found, 0);
		gen_kernel_free(&k);
		assert_int_equal(found.n, 1);
		assert_int_equal(found.ns[0], 91000);
		assert_int_equal(found.cause[0], lost ? CAUSE_GUEST_THREAD : CAUSE_GUEST_SOFTIRQ);
	}
}

/* It has run, is preempted before its system call returns, and goes on on another CPU. */
static void preempted_on_its_way_back(void **state)
{
	uint64_t due = 10 * PERIOD_NS;
	struct found found = { .n = 0 };
	struct gen_kernel k;

	(void)state;
	gen_kernel_init(&k, 2, false, 300);
	put(&k, 1, due - 900000, OTHER + 1, 0, G_SWITCH,
	    V(S("swapper"), 0, 120, 0, S("third"), OTHER + 1, 1));
	put(&k, 0, due - 700000, ME, 0, G_HRTIMER_START, V(TIMER, 0, due, due, 0));
	put(&k, 0, due - 600000, ME, 0, G_SWITCH,
	    V(S("cyclictest"), ME, PRIO, 1, S("swapper"), 0, 120));
	put(&k, 0, due + 2000, 0, 0, G_TIMER_ENTRY, V(0xec));
	put(&k, 0, due + 3000, 0, GEN_FLAG_HARDIRQ, G_HRTIMER_EXPIRE, V(TIMER, due + 3000, 0));
	put(&k, 0, due + 4000, 0, GEN_FLAG_HARDIRQ, G_WAKING, V(S("cyclictest"), ME, PRIO, 0));
	put(&k, 0, due + 5000, 0, 0, G_TIMER_EXIT, V(0xec));
	put(&k, 0, due + 6000, 0, 0, G_SWITCH,
	    V(S("swapper"), 0, 120, 0, S("cyclictest"), ME, PRIO));
	put(&k, 0, due + 7000, ME, 0, G_SWITCH,
	    V(S("cyclictest"), ME, PRIO, 0x100, S("other"), OTHER, 1));
	put(&k, 1, due + 17000, OTHER + 1, 0, G_SWITCH,
	    V(S("third"), OTHER + 1, 1, 1, S("cyclictest"), ME, PRIO));
	put(&k, 1, due + 90000, ME, 0, G_NANOSLEEP_EXIT, V(0, 0));
	follow(&k, true, &found, 0);
	gen_kernel_free(&k);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.ns[0], 90000);
	assert_int_equal(found.cause[0], CAUSE_GUEST_RETURN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_wakeup_has_its_own_end),
		cmocka_unit_test(others_of_that_name),
		cmocka_unit_test(softirq_of_a_preempted_thread),
		cmocka_unit_test(preempted_on_its_way_back),
	};

	return cmocka_run_group_tests_name("guest", tests, NULL, NULL);
}
