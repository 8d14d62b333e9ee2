// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "hwlat/culprit.h"
#include "lib/cleanup.h"

#define TRACE	       .trace = true
#define SMIS(n, many)  .smi_known = true, .smi = n, .smi_gaps = many, .smi_span_ns = 100000000
#define PART(k, nm, t) .n_parts = 1, .parts = { { k, nm, t } }

/* All gaps are 100 us, the threshold 10 us. */
static const struct {
	struct culprit_facts f;
	enum culprit_kind kind;
	enum culprit_evidence by;
	const char *detail;
} rows[] = {
	/* by trace */
	{ { TRACE, PART(CULPRIT_THREAD, "hog:7 fifo 50", 98000) },
	  CULPRIT_THREAD,
	  CULPRIT_BY_TRACE,
	  "hog:7 fifo 50" },
	{ { TRACE, PART(CULPRIT_IRQ, "31 nvme0q3", 40000) },
	  CULPRIT_IRQ,
	  CULPRIT_BY_TRACE,
	  "31 nvme0q3" },
	{ { TRACE, PART(CULPRIT_IRQ, "LOC", 20000) },
	  CULPRIT_HARDWARE,
	  CULPRIT_BY_TRACE,
	  "no SMI counter" },
	{ { TRACE, .n_parts = 3,
	    .parts = { { CULPRIT_SOFTIRQ, "BLOCK", 60000 },
		       { CULPRIT_IRQ, "36 virtio1-req.0", 30000 },
		       { CULPRIT_IRQ, "LOC", 2000 } } },
	  CULPRIT_SOFTIRQ,
	  CULPRIT_BY_TRACE,
	  "BLOCK after 36 virtio1-req.0" },
	{ { TRACE, .n_parts = 2,
	    .parts = { { CULPRIT_IRQ, "LOC", 60000 }, { CULPRIT_SOFTIRQ, "RCU", 30000 } } },
	  CULPRIT_IRQ,
	  CULPRIT_BY_TRACE,
	  "LOC" },
	{ { TRACE, PART(CULPRIT_SOFTIRQ, "NET_RX", 92000) },
	  CULPRIT_SOFTIRQ,
	  CULPRIT_BY_TRACE,
	  "NET_RX" },
	{ { TRACE, PART(CULPRIT_THROTTLED, "by sched_rt_runtime_us", 99000) },
	  CULPRIT_THROTTLED,
	  CULPRIT_BY_TRACE,
	  "by sched_rt_runtime_us" },
	{ { TRACE, .nmi_events = 1, PART(CULPRIT_NMI, "NMI", 3000) },
	  CULPRIT_NMI,
	  CULPRIT_BY_TRACE,
	  "" },
	/* what an interruption usually costs would do for the timer; but an NMI shows its handlers only */
	{ { TRACE, .nmi_events = 1, .toll_ns = 95000, PART(CULPRIT_IRQ, "LOC", 9000) },
	  CULPRIT_NMI,
	  CULPRIT_BY_TRACE,
	  "" },
	{ { TRACE, .nmi_events = 1, PART(CULPRIT_IRQ, "LOC", 60000) },
	  CULPRIT_IRQ,
	  CULPRIT_BY_TRACE,
	  "LOC" },
	{ { TRACE, .frequency_events = 1 }, CULPRIT_FREQUENCY, CULPRIT_BY_TRACE, "" },
	{ { TRACE, .fault_events = 2 }, CULPRIT_FAULT, CULPRIT_BY_TRACE, "" },
	{ { TRACE, .trace_lost = true },
	  CULPRIT_UNKNOWN,
	  CULPRIT_BY_TRACE,
	  "trace events were lost" },
	{ { TRACE, .preempted = 5, .irq_count = 9, .irq = "LOC" },
	  CULPRIT_HARDWARE,
	  CULPRIT_BY_TRACE,
	  "no SMI counter" }, /* the trace knows better */
	{ { TRACE, .guest = true, .steal_known = true },
	  CULPRIT_HOST,
	  CULPRIT_BY_TRACE,
	  "host or its hardware; no steal reported" },
	{ { TRACE, .guest = true, .steal_known = true, .steal_ns = 20000000 },
	  CULPRIT_HOST,
	  CULPRIT_BY_TRACE,
	  "steal 20 ms about then" },
	/* firmware */
	{ { TRACE, SMIS(1, 1) }, CULPRIT_SMI, CULPRIT_BY_MSR, "1 SMI within 100 ms" },
	{ { TRACE, SMIS(1, 3) }, CULPRIT_SMI, CULPRIT_BY_MSR, "1 SMI within 100 ms, 3 gaps" },
	{ { TRACE, SMIS(2, 1), .still_cpus = 4, .still_unexplained = 4, .watched_cpus = 4 },
	  CULPRIT_SMI,
	  CULPRIT_BY_MSR,
	  "2 SMIs within 100 ms, all CPUs" },
	/* counted in two hours: not this gap's */
	{ { TRACE, .smi_known = true, .smi = 120, .smi_gaps = 1, .smi_span_ns = 7200000000000 },
	  CULPRIT_HARDWARE,
	  CULPRIT_BY_TRACE,
	  "perhaps an SMI: 120 of them in 7200 s" },
	{ { TRACE, SMIS(1, 1), PART(CULPRIT_IRQ, "LOC", 95000) },
	  CULPRIT_IRQ,
	  CULPRIT_BY_TRACE,
	  "LOC" },
	{ { TRACE, .asleep = true },
	  CULPRIT_HARDWARE,
	  CULPRIT_BY_TRACE,
	  "or the way out of a sleep state" },
	{ { TRACE, .smi_known = true },
	  CULPRIT_HARDWARE,
	  CULPRIT_BY_TRACE,
	  "no SMI: other firmware, bus or clock" },
	/* several CPUs */
	{ { TRACE, .still_cpus = 3, .still_unexplained = 2, .watched_cpus = 8 },
	  CULPRIT_PLATFORM,
	  CULPRIT_BY_GROUP,
	  "3 CPUs at once" },
	{ { TRACE, .still_cpus = 2, .still_unexplained = 2, .watched_cpus = 8 },
	  CULPRIT_HARDWARE,
	  CULPRIT_BY_TRACE,
	  "no SMI counter" },
	{ { TRACE, .still_cpus = 2, .still_unexplained = 2, .watched_cpus = 2 },
	  CULPRIT_PLATFORM,
	  CULPRIT_BY_GROUP,
	  "2 CPUs at once" },
	{ { TRACE, .still_cpus = 4, .still_unexplained = 1, .watched_cpus = 4,
	    PART(CULPRIT_IRQ, "CAL", 95000) },
	  CULPRIT_IRQ,
	  CULPRIT_BY_TRACE,
	  "CAL" },
	/* by counters */
	{ { .preempted = 1, .since_ns = 1000000, .off_ns = 98000, .irq_count = 3, .irq = "LOC" },
	  CULPRIT_THREAD,
	  CULPRIT_BY_COUNTERS,
	  "which one takes tracefs to tell" },
	/* short switches before, which were no gaps, are no evidence for this one ... */
	{ { .preempted = 100, .since_ns = 1000000000, .off_ns = 500000, SMIS(1, 1) },
	  CULPRIT_SMI,
	  CULPRIT_BY_MSR,
	  "1 SMI within 100 ms" },
	{ { .preempted = 100, .since_ns = 1000000000, .off_ns = 500000 },
	  CULPRIT_THREAD,
	  CULPRIT_BY_COUNTERS,
	  "perhaps: 100 switches in 1000 ms" },
	/* ... and none when the thread was not away for so long */
	{ { .preempted = 8, .since_ns = 1000000000, .off_ns = 40000 },
	  CULPRIT_HARDWARE,
	  CULPRIT_BY_COUNTERS,
	  "no SMI counter" },
	{ { .faults = 1, .since_ns = 1000000 },
	  CULPRIT_FAULT,
	  CULPRIT_BY_COUNTERS,
	  "perhaps: 1 in 1 ms" },
	{ { .faults = 1, .since_ns = 1000000, SMIS(1, 1) },
	  CULPRIT_SMI,
	  CULPRIT_BY_MSR,
	  "1 SMI within 100 ms" },
	{ { .nmi = 1 }, CULPRIT_NMI, CULPRIT_BY_COUNTERS, "" },
	{ { .irq_count = 25, .irq = "LOC" },
	  CULPRIT_IRQ,
	  CULPRIT_BY_COUNTERS,
	  "LOC perhaps (25 about then)" },
	{ { .irq_count = 25,
	    .irq = "LOC",
	    .guest = true,
	    .steal_known = true,
	    .steal_ns = 10000000 },
	  CULPRIT_HOST,
	  CULPRIT_BY_COUNTERS,
	  "steal 10 ms about then" },
	{ { 0 }, CULPRIT_HARDWARE, CULPRIT_BY_COUNTERS, "no SMI counter" },
};

static void names(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct culprit_facts f = rows[i].f;
		struct culprit c;

		f.gap_ns = 100000;
		f.threshold_ns = 10000;
		culprit_find(&c, &f);
		assert_string_equal(culprit_kind_name(c.kind), culprit_kind_name(rows[i].kind));
		assert_int_equal(c.evidence, rows[i].by);
		assert_string_equal(c.detail, rows[i].detail);
	}
}

/* What is short of being a gap by itself needs no explanation. */
static void small_rest_is_explained(void **state)
{
	struct culprit_facts f = { .trace = true,
				   .gap_ns = 12000,
				   .threshold_ns = 10000,
				   .n_parts = 1,
				   .parts = { { CULPRIT_IRQ, "LOC", 2500 } } };

	(void)state;
	assert_true(culprit_explained(&f));
	f.parts[0].ns = 1500;
	assert_false(culprit_explained(&f));
	f.toll_ns = 11000; /* getting here takes that long on this machine */
	assert_true(culprit_explained(&f));
	f.n_parts = 0;
	assert_false(culprit_explained(&f));
}

static void every_kind_has_its_words(void **state)
{
	(void)state;
	for (int k = 0; k < CULPRIT_KINDS; k++) {
		assert_non_null(culprit_kind_name(k));
		assert_non_null(culprit_spike_name(k, false));
	}
	assert_string_equal(culprit_spike_name(CULPRIT_IRQ, false), "host-irq");
	assert_string_equal(culprit_spike_name(CULPRIT_IRQ, true), "guest-irq");
	assert_string_equal(culprit_spike_name(CULPRIT_PLATFORM, false), "hardware");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(small_rest_is_explained),
		cmocka_unit_test(every_kind_has_its_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
