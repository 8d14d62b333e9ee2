// SPDX-License-Identifier: GPL-2.0-only
/* hwlat/evidence and hwlat/counters, with files in place of /proc and of the SMI counter */
#include "hwlat/evidence.h"

#include <fcntl.h>
#include <unistd.h>
#include <x86intrin.h>

#include "lib/cleanup.h"
#include "tree.h"

enum { CPUS = 2, MSR = 0x34 };

static void put_proc(unsigned int nmi, unsigned int timer, unsigned int steal)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "           CPU0       CPU2       CPU3\n"
		 " 31:          5          6          7  PCI-MSI 1-edge      nvme0q3\n"
		 "LOC:         10         20         %u  Local timer interrupts\n"
		 "NMI:          0          0         %u  Non-maskable interrupts\n"
		 "ERR:          9\n",
		 timer, nmi);
	tree_put(text, "interrupts");
	snprintf(text, sizeof(text), "cpu2 1 2 3 4 5 6 7 0 0 0\ncpu3 1 2 3 4 5 6 7 %u 0 0\n",
		 steal);
	tree_put(text, "stat");
}

static void put_smis(uint64_t n)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/msr", root);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(pwrite(fd, &n, sizeof(n), MSR), sizeof(n));
	close(fd);
}

/* CPUs 2 and 3, counters only; 1 GHz. */
static void start(struct evidence *v, uint64_t spacing_tsc, uint64_t threshold_ns)
{
	char path[PATH_MAX];
	struct cpulist cpus;
	struct err e = { 0 };

	*v = (struct evidence){ .tsc_hz = 1000000000,
				.threshold_ns = threshold_ns,
				.watched = CPUS };
	v->toll_ns = calloc(CPUS, sizeof(*v->toll_ns));
	put_proc(0, 0, 0);
	put_smis(100);
	assert_int_equal(cpulist_parse(&cpus, "2-3", &e), 0);
	assert_int_equal(counters_open(&v->counters, &cpus, root, spacing_tsc, &e), 0);
	snprintf(path, sizeof(path), "%s/msr", root);
	v->counters.smi_is_msr = true;
	for (unsigned int i = 0; i < CPUS; i++) {
		if (v->counters.smi_fd[i] >= 0) /* this machine's own */
			close(v->counters.smi_fd[i]);
		v->counters.smi_fd[i] = open(path, O_RDONLY | O_CLOEXEC);
		memset(&v->counters.smis[i], 0, sizeof(v->counters.smis[i]));
		assert_true(counters_smi_read(&v->counters, i));
	}
}

static struct gap gap_now(uint64_t ns)
{
	uint64_t now = __rdtsc();

	return (struct gap){ .index = 1, .cpu = 3, .start_tsc = now, .end_tsc = now + 1, .ns = ns };
}

static void read_now(struct evidence *v)
{
	struct err e = { 0 };

	assert_int_equal(evidence_read(v, &e), 0);
}

/* The first gap in two hours is not the SMIs' of two hours. */
static void no_smi_from_before(void **state)
{
	struct evidence v;
	struct gap g;

	(void)state;
	start(&v, 0, 10000);
	put_smis(220);
	v.counters.smis[1].kept[0].tsc = 0; /* when that was, is long ago */
	evidence_watch_smi(&v, 1, false);
	g = gap_now(50000);
	evidence_smi(&v, &g, 1);
	assert_true(g.facts.smi_known);
	assert_int_equal(g.facts.smi, 0);
	put_smis(221);
	g = gap_now(50000);
	evidence_smi(&v, &g, 1);
	assert_int_equal(g.facts.smi, 1);
	assert_int_equal(g.facts.smi_gaps, 1);
	evidence_close(&v);
}

/* One SMI, and gaps that may all be its: each is told of the others. */
static void shared_smi(void **state)
{
	struct gap gaps[3];
	struct evidence v;

	(void)state;
	start(&v, 0, 10000);
	for (int i = 0; i < 3; i++)
		gaps[i] = gap_now(50000);
	gaps[2].facts = (struct culprit_facts){ .gap_ns = 50000,
						.trace = true,
						.n_parts = 1,
						.parts = { { CULPRIT_IRQ, "LOC", 49000 } } };
	put_smis(101);
	evidence_smi(&v, gaps, 3);
	assert_int_equal(gaps[0].facts.smi, 1);
	assert_int_equal(gaps[0].facts.smi_gaps, 2);
	assert_int_equal(gaps[1].facts.smi_gaps, 2);
	assert_false(gaps[2].facts.smi_known); /* has its cause */
	evidence_close(&v);
}

/* Reading the counter is a gap by itself where the threshold is low; not while the CPU rests. */
static void reads_no_more_than_it_may(void **state)
{
	struct evidence v;

	(void)state;
	start(&v, 0, 1000);
	v.counters.smis[1].kept[0].tsc = 0;
	evidence_watch_smi(&v, 1, false);
	assert_int_equal(v.counters.smis[1].n, 1);
	evidence_watch_smi(&v, 1, true);
	assert_int_equal(v.counters.smis[1].n, 2);
	evidence_watch_smi(&v, 0, true); /* it was read just now */
	assert_int_equal(v.counters.smis[0].n, 1);
	evidence_close(&v);
}

static void no_counter_is_no_answer(void **state)
{
	struct gap g = gap_now(50000);
	struct evidence v;

	(void)state;
	start(&v, 0, 10000);
	close(v.counters.smi_fd[1]);
	v.counters.smi_fd[1] = -1;
	v.counters.smis[1].n = 0;
	evidence_watch_smi(&v, 1, true);
	evidence_smi(&v, &g, 1);
	assert_false(g.facts.smi_known);
	evidence_close(&v);
}

/* A gap is over when the counters have been read several times since it began. */
static void counts_from_before_the_gap(void **state)
{
	struct evidence v;
	struct gap g;

	(void)state;
	start(&v, 0, 10000);
	read_now(&v);
	g = gap_now(300000000);
	put_proc(1, 4, 1);
	for (int i = 0; i < 5; i++)
		read_now(&v);
	evidence_facts(&v, &g);
	assert_int_equal(g.facts.nmi, 1);
	assert_int_equal(g.facts.irq_count, 4);
	assert_string_equal(g.facts.irq, "LOC");
	assert_int_equal(g.facts.steal_ns, 1000000000 / sysconf(_SC_CLK_TCK));
	g = gap_now(300000000);
	read_now(&v);
	evidence_facts(&v, &g);
	assert_int_equal(g.facts.nmi, 0);
	assert_int_equal(g.facts.irq_count, 0);
	assert_int_equal(g.facts.steal_ns, 0);
	evidence_close(&v);
}

/* More readings than are kept, a moment apart: those from before a gap stay. */
static void readings_close_together_give_way(void **state)
{
	struct evidence v;
	struct gap g;

	(void)state;
	start(&v, UINT64_MAX / 2, 10000);
	g = gap_now(50000);
	put_proc(1, 4, 1);
	for (int i = 0; i < 3 * COUNTERS_KEPT; i++)
		read_now(&v);
	evidence_facts(&v, &g);
	assert_int_equal(g.facts.nmi, 1);
	assert_true(v.counters.n_readings <= 2);
	evidence_close(&v);
}

/* Older than all that is kept: the oldest has to do. */
static void old_gaps_get_what_is_kept(void **state)
{
	struct gap g = gap_now(50000);
	struct evidence v;

	(void)state;
	start(&v, 0, 10000);
	for (unsigned int i = 1; i <= 3 * COUNTERS_KEPT; i++) {
		put_proc(0, i, 0);
		read_now(&v);
	}
	evidence_facts(&v, &g);
	assert_int_equal(g.facts.irq_count, COUNTERS_KEPT - 1);
	evidence_close(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(no_smi_from_before),	       tree_test(shared_smi),
		tree_test(reads_no_more_than_it_may),  tree_test(no_counter_is_no_answer),
		tree_test(counts_from_before_the_gap), tree_test(readings_close_together_give_way),
		tree_test(old_gaps_get_what_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
