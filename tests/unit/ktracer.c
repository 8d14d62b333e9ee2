// SPDX-License-Identifier: GPL-2.0-only
#include "hwlat/ktracer.h"

#include "lib/cleanup.h"
#include "tree.h"

/*
 * The kernel refuses an inner setting above the outer one at every moment, on the way there and back:
 * each row is tried on files with that rule.
 */
static void keeps_the_inner_within(void **state)
{
	static const struct {
		unsigned int outer_us, inner_us, to_outer_us, to_inner_us;
	} rows[] = {
		{ 1000000, 1000000, 500000, 250000 }, /* osnoise's default */
		{ 1000000, 1000000, 2000000, 1500000 }, { 1000000, 500000, 600000, 300000 },
		{ 1000000, 500000, 400000, 400000 },	{ 10000, 5000, 1000000, 10000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char outer[64], inner[64], text[32];
		struct ktracer k = { .tfs = TFS_INIT };
		uint64_t now[2] = { rows[i].outer_us, rows[i].inner_us }, old[2];

		snprintf(outer, sizeof(outer), "%s/period_us", root);
		snprintf(inner, sizeof(inner), "%s/runtime_us", root);
		snprintf(text, sizeof(text), "%u\n", rows[i].inner_us);
		tree_put(text, "runtime_us");
		ktracer_want_pair(&k, outer, rows[i].to_outer_us * 1000ull, inner,
				  rows[i].to_inner_us * 1000ull);
		assert_int_equal(k.n_knobs, 2);
		memcpy(old, now, sizeof(old));
		for (size_t n = 0; n < k.n_knobs; n++) {
			now[!strcmp(k.knobs[n].path, inner)] = strtoull(k.knobs[n].want, NULL, 10);
			assert_true(now[1] <= now[0]);
		}
		assert_int_equal(now[0], rows[i].to_outer_us);
		assert_int_equal(now[1], rows[i].to_inner_us);
		for (size_t n = k.n_knobs; n-- > 0;) { /* put back, last first */
			now[!strcmp(k.knobs[n].path, inner)] = old[!strcmp(k.knobs[n].path, inner)];
			assert_true(now[1] <= now[0]);
		}
	}
}

struct seen {
	unsigned int n;
	struct gap gaps[4];
};

static void see(void *ctx, const struct gap *g)
{
	struct seen *seen = ctx;

	assert_true(seen->n < ARRAY_SIZE(seen->gaps));
	seen->gaps[seen->n++] = *g;
}

/* What one reading brings of an event, and what the next does, are judged together. */
static void waits_for_other_cpus(void **state)
{
	enum { US = 1000, CPUS = 2 };
	const struct tsc tsc = { .hz = 1000000000 };
	struct evidence v = { .tsc_hz = tsc.hz, .threshold_ns = 10 * US, .watched = CPUS };
	struct seen seen = { 0 };
	struct gap pending[4] = { 0 };
	struct ktracer k = { .tsc = &tsc,
			     .evidence = &v,
			     .pending = pending,
			     .next_group = 1,
			     .fn = see,
			     .ctx = &seen };
	struct cpulist cpus;
	struct err e = { 0 };

	(void)state;
	tree_put("           CPU2       CPU3\nLOC:          0          0\n", "interrupts");
	tree_put("cpu2 0 0 0 0 0 0 0 0\n", "stat");
	v.toll_ns = calloc(CPUS, sizeof(*v.toll_ns));
	assert_int_equal(cpulist_parse(&cpus, "2-3", &e), 0);
	assert_int_equal(counters_open(&v.counters, &cpus, root, 0, &e), 0);
	for (unsigned int i = 0; i < CPUS; i++) {
		pending[k.n++] = (struct gap){ .index = i,
					       .cpu = 2 + i,
					       .start_tsc = 1000 * US + i,
					       .end_tsc = 3000 * US,
					       .ns = 2000 * US };
		ktracer_hand_on(&k, 3001 * US); /* the other CPU's word may be on its way */
		assert_int_equal(seen.n, 0);
		assert_int_equal(k.known, k.n);
	}
	ktracer_hand_on(&k, 9000 * US);
	assert_int_equal(seen.n, CPUS);
	assert_int_equal(k.n, 0);
	assert_int_equal(seen.gaps[0].group, seen.gaps[1].group);
	assert_int_equal(seen.gaps[0].cause.kind,
			 seen.gaps[0].facts.smi ? CULPRIT_SMI : CULPRIT_PLATFORM);
	evidence_close(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(keeps_the_inner_within),
		tree_test(waits_for_other_cpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
