// SPDX-License-Identifier: GPL-2.0-only
/* The truth of generated traces against what the model and paint() say about them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "tests/gen/sim.h"
#include "tracing/model.h"

enum { TRUTH_MAX = 4096 };

struct bench {
	struct sim sim;
	struct sim_spike truth[TRUTH_MAX];
	size_t n_truth;
	struct spike got[TRUTH_MAX];
	size_t n_got;
	struct model model;
	struct clock_bound bound; /* of all vCPUs together */
};

static void keep_truth(void *arg, const struct sim_spike *s)
{
	struct bench *b = arg;

	assert_true(b->n_truth < TRUTH_MAX);
	b->truth[b->n_truth++] = *s;
}

static int keep_spike(void *arg, struct spike *s, struct err *e)
{
	struct bench *b = arg;

	(void)e;
	assert_true(b->n_got < TRUTH_MAX);
	b->got[b->n_got++] = *s;
	return 0;
}

static void files_of(char dir[static 64], char host[static 96], char guest[static 96])
{
	strcpy(dir, "/tmp/rtkvm-unit-paint.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(host, 96, "%s/host.dat", dir);
	snprintf(guest, 96, "%s/guest.dat", dir);
}

/* Save the simulated kernels, read the files back, follow them. map: what the reader believes. */
static void explain(struct bench *b, bool with_host, struct clock_map map)
{
	char dir[64], host[96], guest[96];
	struct err e = { 0 };
	struct dat dats[2];
	struct feed_file files[2];
	struct merge merge;
	const struct event *ev;
	struct model_opts o = {
		.timer_vector = 0xec, .vcpus_given = with_host, .on_spike = keep_spike, .arg = b
	};
	int ret, first = with_host ? HOST : GUEST;

	files_of(dir, host, guest);
	assert_int_equal(sim_save(&b->sim, host, guest, &e), 0);
	for (int i = first; i < SIDES; i++) {
		assert_int_equal(dat_open(&dats[i], i == HOST ? host : guest, &e), 0);
		assert_int_equal(feed_file_init(&files[i], &dats[i], &e), 0);
	}
	files[GUEST].clock = map;
	o.rate = b->sim.rate;
	ret = model_init(&b->model, &o, with_host ? &files[HOST] : NULL, &files[GUEST], &e);
	assert_string_equal(e.text, "");
	assert_int_equal(ret, 0);
	for (unsigned int i = 0; with_host && i < b->sim.o.vcpus; i++)
		assert_int_equal(model_set_vcpu(&b->model, i, 1000 + i, &e), 0);
	assert_int_equal(merge_open(&merge, files + first, SIDES - first, 1 << 20, &e), 0);
	if (with_host)
		b->model.merge = &merge;
	while ((ret = merge_next(&merge, &ev, &e)) > 0)
		assert_int_equal(model_event(&b->model, ev, ev->file + first, &e), 0);
	assert_int_equal(ret, 0);
	assert_int_equal(merge.events,
			 gen_events(&b->sim.guest) + (with_host ? gen_events(&b->sim.host) : 0));
	merge_close(&merge);
	clock_bound_init(&b->bound);
	for (size_t i = 0; i < b->model.n_vcpus; i++) {
		struct clock_bound *v = &b->model.vcpus[i].bound;

		b->bound.low = v->low > b->bound.low ? v->low : b->bound.low;
		b->bound.high = v->high < b->bound.high ? v->high : b->bound.high;
		b->bound.outside += v->outside;
		b->bound.inside += v->inside;
	}
	for (int i = first; i < SIDES; i++) {
		feed_file_free(&files[i]);
		dat_close(&dats[i]);
	}
	assert_int_equal(file_remove_tree(dir, &e), 0);
}

static struct bench *start(const struct sim_opts *o)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	sim_init(&b->sim, o);
	b->sim.on_spike = keep_truth;
	b->sim.arg = b;
	return b;
}

static void stop(struct bench *b)
{
	model_free(&b->model);
	sim_free(&b->sim);
	free(b);
}

static const struct spike *find(const struct bench *b, const struct sim_spike *t)
{
	for (size_t i = 0; i < b->n_got; i++)
		if (b->got[i].ran == t->ran && b->got[i].guest_cpu == t->vcpu)
			return &b->got[i];
	return NULL;
}

static bool is_guest(enum cause c)
{
	return c >= CAUSE_GUEST_IRQ && c <= CAUSE_GUEST_WAKEUP;
}

/* ns of one part of the truth in what was found */
static uint64_t same_part(const struct bench *b, const struct spike *got, const struct part *want)
{
	const struct names *names = &b->model.side[is_guest(want->cause) ? GUEST : HOST].names;

	for (size_t i = 0; i < got->budget.n; i++) {
		const struct part *p = &got->budget.parts[i];

		if (p->cause != want->cause)
			continue;
		if (cause_info[p->cause].detail == DETAIL_NAME
			    ? !strcmp(names_text(names, p->detail),
				      sim_irq(want->detail, is_guest(want->cause)))
			    : p->detail == want->detail)
			return p->ns;
	}
	return 0;
}

static void show(const struct bench *b, const struct sim_spike *t, const struct spike *got)
{
	printf("# %s due %ju ran %ju\n", sim_case_name[t->kind], (uintmax_t)t->due,
	       (uintmax_t)t->ran);
	for (size_t i = 0; i < t->truth.n; i++)
		printf("#  truth %-16s %8x %9ju\n", cause_info[t->truth.parts[i].cause].key,
		       t->truth.parts[i].detail, (uintmax_t)t->truth.parts[i].ns);
	for (size_t i = 0; got && i < got->budget.n; i++)
		printf("#  found %-16s %8x %9ju\n", cause_info[got->budget.parts[i].cause].key,
		       got->budget.parts[i].detail, (uintmax_t)got->budget.parts[i].ns);
	(void)b;
}

/* Every part of the truth is found, to the given number of nanoseconds; the sum is exact. */
static void compare(const struct bench *b, uint64_t tolerance)
{
	for (size_t i = 0; i < b->n_truth; i++) {
		const struct sim_spike *t = &b->truth[i];
		const struct spike *got = find(b, t);
		bool good = got != NULL;

		for (size_t k = 0; got && k < t->truth.n; k++) {
			int64_t off = same_part(b, got, &t->truth.parts[k]) - t->truth.parts[k].ns;

			good &= llabs(off) <= (int64_t)tolerance;
		}
		if (!good)
			show(b, t, got);
		assert_true(good);
		assert_int_equal(budget_sum(&got->budget), got->latency_ns);
		assert_true(llabs((int64_t)(got->latency_ns - budget_sum(&t->truth))) <=
			    (int64_t)tolerance);
	}
	assert_int_equal(b->n_got, b->n_truth);
}

static void run_cases(const struct sim_opts *o, int rounds, uint64_t tolerance)
{
	struct bench *b = start(o);

	for (int r = 0; r < rounds; r++)
		for (int c = 0; c < (o->vcpus > 1 ? SIM_COMPANY : SIM_CASES); c++)
			for (unsigned int v = 0;
			     v < o->vcpus && !(o->hv_timer && c == SIM_STALL_KICK); v++)
				sim_cycle(&b->sim, v, c);
	sim_end(&b->sim);
	explain(b, true, o->map);
	compare(b, tolerance);
	for (size_t i = 0; i < b->n_truth; i++) {
		enum cause want = sim_case_cause[b->truth[i].kind];

		/* what comes after the switch is not part of a wake-up that ends with it */
		if (b->truth[i].kind == SIM_GUEST_PREEMPTED && !b->model.returns)
			continue;
		if (want != CAUSE_COUNT)
			assert_int_equal(budget_verdict(&find(b, &b->truth[i])->budget), want);
	}
	assert_int_equal(b->bound.outside, 0);
	assert_true(b->bound.low <= 0 && b->bound.high >= 0);
	assert_int_equal(b->bound.low, b->sim.low);
	assert_int_equal(b->bound.high, b->sim.high);
	stop(b);
}

static void every_case_alone(void **state)
{
	struct sim_opts o = { .seed = 1, .vcpus = 1, .hz = 1e9, .start = 1000000 };

	(void)state;
	run_cases(&o, 3, 0);
	/* a guest that does not tell when its system calls return */
	o.without_guest = 1ull << G_NANOSLEEP_EXIT;
	run_cases(&o, 3, 0);
}

static void noise_and_several_vcpus(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 12; seed++) {
		struct sim_opts o = { .seed = seed,
				      .vcpus = 1 + seed % 4,
				      .hz = 1e9,
				      .start = 1000000,
				      .noise = true,
				      .chatter = seed % 3 * 20,
				      .rt_guest = seed & 1,
				      .rt_host = seed & 2,
				      .absolute = seed & 4 };

		run_cases(&o, 4, 0);
	}
}

/* The deadline of a vCPU that runs is kept by its CPU: no timer of the host is started or fires. */
static void preemption_timer(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct sim_opts o = { .seed = seed,
				      .vcpus = 1 + seed % 3,
				      .hz = 1e9,
				      .start = 1000000,
				      .noise = seed > 2,
				      .hv_timer = true };

		run_cases(&o, 3, 0);
		/* recorded without the event that tells which timer is KVM's */
		o.without_host = 1ull << G_HV_STATE;
		run_cases(&o, 3, 0);
	}
}

/* Timers without that event, and the host ticking in between: none is taken for KVM's. */
static void untold_timers(void **state)
{
	struct sim_opts o = { .seed = 77,
			      .vcpus = 2,
			      .hz = 1e9,
			      .start = 1000000,
			      .noise = true,
			      .without_host = 1ull << G_HV_STATE };

	(void)state;
	run_cases(&o, 6, 0);
}

/* Each guest has a vCPU 0, and some events tell no more. */
static void two_guests(void **state)
{
	struct sim_opts o = {
		.seed = 5, .vcpus = 1, .hz = 1e9, .start = 1000000, .other_guest = true
	};

	(void)state;
	run_cases(&o, 3, 0);
}

/* A scaled guest clock with an offset, host ticks that are no nanoseconds. */
static void scaled_clock(void **state)
{
	static const struct clock_map maps[] = {
		{ .offset = 123456789 },
		{ .offset = -4000000000000 },
		{ .offset = 123456789, .ratio = (2ull << 48) / 3, .frac = 48 },
		{ .offset = -77, .ratio = 5ull << 30, .frac = 32 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		struct sim_opts o = { .seed = 40 + i,
				      .vcpus = 2,
				      .hz = 2.6e9,
				      .start = 1ull << 45,
				      .map = maps[i],
				      .noise = true,
				      .rt_guest = true };
		struct bench *b = start(&o);

		for (int r = 0; r < 4; r++)
			for (int c = 0; c < SIM_CASES; c++)
				sim_cycle(&b->sim, r & 1, c);
		sim_end(&b->sim);
		explain(b, true, o.map);
		/* a guest stamp names its host tick to within a tick or two: 1 ns a part and edge */
		for (size_t k = 0; k < b->n_got; k++)
			assert_int_equal(budget_sum(&b->got[k].budget), b->got[k].latency_ns);
		assert_int_equal(b->n_got, b->n_truth);
		assert_int_equal(b->bound.outside, 0);
		assert_true(b->bound.low <= 1 && b->bound.high >= -1);
		stop(b);
	}
}

/* 59-bit stamps wrap, deltas of 27 bits need extending: nothing changes. */
static void clock_wraps_and_long_gaps(void **state)
{
	(void)state;
	for (int absolute = 0; absolute < 2; absolute++) {
		struct sim_opts o = { .seed = 9,
				      .vcpus = 1,
				      .hz = 1e9,
				      .start = (3ull << 59) - 1000000000,
				      .inject_ns = 200000000,
				      .noise = true,
				      .absolute = absolute };

		run_cases(&o, 3, 0);
	}
}

/* Whatever is missing: the parts still add up, and what is not known is called so. */
static void lost_events(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct sim_opts o = {
			.seed = seed, .vcpus = 2, .hz = 1e9, .start = 1000000, .noise = true
		};
		struct bench *b = start(&o);

		for (int i = 0; i < 100; i++) {
			sim_cycle(&b->sim, i & 1, (i * 7 + seed) % SIM_CASES);
			if (i % 5 == 0)
				gen_lose(&b->sim.host, 1 + (i & 1));
			if (i % 11 == 0)
				gen_lose(&b->sim.guest, i & 1);
		}
		sim_end(&b->sim);
		explain(b, true, o.map);
		assert_true(b->n_got > 0);
		for (size_t i = 0; i < b->n_got; i++)
			assert_int_equal(budget_sum(&b->got[i].budget), b->got[i].latency_ns);
		assert_true(b->model.side[HOST].lost_gaps > 0);
		assert_true(b->model.side[GUEST].lost_gaps > 0);
		stop(b);
	}
}

/* What takes long is what it is, unless a CPU that ticked until it began stops to tick for as long. */
static void a_machine_that_stands_still(void **state)
{
	static const struct {
		uint64_t ticks_ns; /* before the interrupt */
		bool go_on; /* during it */
		enum sim_case kind;
		enum cause want;
	} cases[] = {
		{ 200000000, false, SIM_HOST_IRQ, CAUSE_HARDWARE },
		{ 200000000, true, SIM_HOST_IRQ, CAUSE_HOST_IRQ },
		/* nobody knows whether that is a tick */
		{ 80000000, false, SIM_HOST_IRQ, CAUSE_HOST_IRQ },
		{ 200000000, false, SIM_ARMED_LATE, CAUSE_HARDWARE },
		{ 200000000, true, SIM_ARMED_LATE, CAUSE_ARMED_LATE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sim_opts o = {
			.seed = 3, .vcpus = 1, .hz = 1e9, .start = 1000000, .inject_ns = 60000000
		};
		struct bench *b = start(&o);
		uint64_t from = b->sim.vcpu[0].t + 300000000, to;

		b->sim.vcpu[0].t = from;
		sim_tick(&b->sim, from - cases[i].ticks_ns, from);
		sim_cycle(&b->sim, 0, cases[i].kind);
		to = b->sim.vcpu[0].t;
		if (cases[i].go_on)
			sim_tick(&b->sim, from, to);
		sim_end(&b->sim);
		explain(b, true, o.map);
		assert_int_equal(b->n_got, 1);
		assert_int_equal(budget_verdict(&b->got[0].budget), cases[i].want);
		assert_int_equal(budget_sum(&b->got[0].budget), b->got[0].latency_ns);
		stop(b);
	}
}

static bool has_cause(const struct bench *b, enum cause c)
{
	for (size_t i = 0; i < b->n_got; i++)
		for (size_t k = 0; k < b->got[i].budget.n; k++)
			if (b->got[i].budget.parts[k].cause == c)
				return true;
	return false;
}

/* An emulating KVM fires no kvm_entry and kvm_exit; a guest's trace may stand alone. */
static void missing_events_make_coarse_parts(void **state)
{
	struct sim_opts o = { .seed = 5, .vcpus = 1, .hz = 1e9, .start = 1000000 };

	(void)state;
	for (int with_host = 0; with_host < 2; with_host++) {
		struct bench *b;

		o.without_host = 1ull << G_KVM_ENTRY | 1ull << G_KVM_EXIT;
		b = start(&o);
		for (int c = 0; c < SIM_CASES; c++)
			sim_cycle(&b->sim, 0, c);
		sim_end(&b->sim);
		explain(b, with_host, o.map);
		assert_int_equal(b->n_got, b->n_truth);
		for (size_t i = 0; i < b->n_got; i++)
			assert_int_equal(budget_sum(&b->got[i].budget), b->got[i].latency_ns);
		assert_false(has_cause(b, CAUSE_VMEXIT));
		assert_false(has_cause(b, CAUSE_HARDWARE) && !with_host);
		assert_true(has_cause(b, CAUSE_GUEST_SOFTIRQ));
		assert_int_equal(has_cause(b, CAUSE_BELOW_GUEST), !with_host);
		stop(b);
	}
}

/* An offset that is wrong by twice the bound's width puts events outside every window. */
static void wrong_offset_shows(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		for (int sign = -1; sign <= 1; sign += 2) {
			struct sim_opts o = { .seed = seed,
					      .vcpus = 1,
					      .hz = 1e9,
					      .start = 1000000000,
					      .map = { .offset = 5000 } };
			struct bench *b = start(&o);
			struct clock_map wrong = o.map;

			for (int i = 0; i < 60; i++)
				sim_cycle(&b->sim, 0, i % SIM_CASES);
			sim_end(&b->sim);
			wrong.offset += sign * 2 * (b->sim.high - b->sim.low);
			explain(b, true, wrong);
			assert_true(b->bound.outside > 0 || b->bound.low > 0 || b->bound.high < 0);
			stop(b);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_alone),
		cmocka_unit_test(noise_and_several_vcpus),
		cmocka_unit_test(preemption_timer),
		cmocka_unit_test(untold_timers),
		cmocka_unit_test(two_guests),
		cmocka_unit_test(scaled_clock),
		cmocka_unit_test(clock_wraps_and_long_gaps),
		cmocka_unit_test(lost_events),
		cmocka_unit_test(a_machine_that_stands_still),
		cmocka_unit_test(missing_events_make_coarse_parts),
		cmocka_unit_test(wrong_offset_shows),
	};

	return cmocka_run_group_tests_name("paint", tests, NULL, NULL);
}
