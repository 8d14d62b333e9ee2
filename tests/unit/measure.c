// SPDX-License-Identifier: GPL-2.0-only
#include "profiles/measure.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "profiles/check.h"

static const char interrupts[] = "           CPU0       CPU2       \n"
				 "  0:         10          0   IO-APIC   2-edge      timer\n"
				 " 24:          1          7   PCI-MSI 512-edge      nvme0q1\n"
				 "NMI:          3          4   Non-maskable interrupts\n"
				 "LOC:       1000         50   Local timer interrupts\n"
				 "RES:          5          6   Rescheduling interrupts\n"
				 "CAL:         20         30   Function call interrupts\n"
				 "ERR:          9\n"
				 "MIS:          0\n";

static void last_named(void *arg, const char *name, uint64_t count)
{
	if (count)
		strcpy(arg, name);
}

static void counting(void **state)
{
	uint64_t n[IRQ_OTHER + 1];
	char name[32] = "";

	(void)state;
	assert_int_equal(interrupts_count(interrupts, 2, n, last_named, name), 0);
	assert_int_equal(n[IRQ_TICK], 50);
	assert_int_equal(n[IRQ_IPI], 36);
	assert_int_equal(n[IRQ_DEVICE], 11);
	assert_string_equal(name, "NMI");
	assert_int_equal(interrupts_count(interrupts, 0, n, NULL, NULL), 0);
	assert_int_equal(n[IRQ_DEVICE], 14);
	assert_int_equal(n[IRQ_OTHER], 9); /* one number for all: the first column's */
	assert_int_equal(interrupts_count(interrupts, 1, n, NULL, NULL), -EINVAL);
	assert_int_equal(interrupts_count("", 0, n, NULL, NULL), -EINVAL);
	assert_int_equal(interrupts_count("CPU0\n", 0, n, NULL, NULL), 0);
	assert_int_equal(interrupts_count("CPU0\nLOC:", 0, n, NULL, NULL), 0);
	assert_int_equal(n[IRQ_TICK], 0);
	assert_int_equal(interrupts_count("CPU0 CPU1\nLOC: 1", 1, n, NULL, NULL), 0);
	assert_int_equal(n[IRQ_TICK], 0);
}

/* Every measured check passes on a quiet CPU, and fails on what it is there for. */
static void judging(void **state)
{
	struct cpu_measure quiet = { .cpu = 2, .khz_min = 3000000, .khz_max = 3000000 };
	struct cpu_measure ticking = quiet, irq = quiet, ipi = quiet, task = quiet, deep = quiet,
			   slow = quiet, stopped = quiet;

	(void)state;
	ticking.ticks = 1250;
	irq.device_irqs = 1;
	strcpy(irq.first_irq, "24");
	ipi.ipis = 101;
	task.other_tasks = 6;
	deep.deep_idles = 1;
	slow.khz_min = 2900000;
	stopped.pause_ns = 10001;
	struct {
		const char *id;
		struct measurement d;
	} bad[] = {
		{ "measured.tick", { .cpus = &ticking } },
		{ "measured.interrupts", { .cpus = &irq } },
		{ "measured.ipis", { .cpus = &ipi } },
		{ "measured.tasks", { .cpus = &task } },
		{ "measured.idle-states", { .cpus = &deep } },
		{ "measured.frequency", { .cpus = &slow } },
		{ "measured.pause", { .cpus = &stopped } },
		{ "measured.smi", { .cpus = &quiet, .smis = 1 } },
		{ "measured.throttled", { .cpus = &quiet, .throttles = 1 } },
		{ "measured.steal", { .cpus = &quiet, .steal_ticks = 1 } },
	};
	struct measurement good = { .half_seconds = 5, .cpus = &quiet, .n = 1 };
	size_t measured = 0;
	struct finding f;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const struct check *c = check_find(bad[i].id);

		assert_non_null(c);
		bad[i].d.half_seconds = 5;
		bad[i].d.n = 1;
		c->judge_measured(&good, c, &f);
		if (f.status != ST_PASS)
			fail_msg("%s: %s", c->id, f.found);
		c->judge_measured(&bad[i].d, c, &f);
		if (f.status != (c->severity >= SEV_HIGH ? ST_FAIL : ST_WARN))
			fail_msg("%s: %s", c->id, f.found);
	}
	for (size_t i = 0; check_at(i); i++)
		measured += !!(check_at(i)->flags & MEASURED);
	assert_int_equal(measured, ARRAY_SIZE(bad));
}

static void not_told_is_no_pass(void **state)
{
	struct cpu_measure blind = { .cpu = 2,
				     .other_tasks = MEASURE_UNKNOWN,
				     .deep_idles = MEASURE_UNKNOWN,
				     .khz_min = MEASURE_UNKNOWN,
				     .khz_max = MEASURE_UNKNOWN,
				     .pause_ns = MEASURE_UNKNOWN };
	struct measurement d = { 5, &blind, 1, MEASURE_UNKNOWN, MEASURE_UNKNOWN, MEASURE_UNKNOWN };
	static const char *const ids[] = { "measured.tasks",	 "measured.idle-states",
					   "measured.frequency", "measured.smi",
					   "measured.throttled", "measured.steal",
					   "measured.pause" };
	struct finding f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		const struct check *c = check_find(ids[i]);

		c->judge_measured(&d, c, &f);
		assert_int_equal(f.status, ST_NA);
	}
}

/* A row of the table that says nothing about itself helps nobody. */
static void rows_are_whole(void **state)
{
	const struct check *c;

	(void)state;
	for (size_t i = 0; (c = check_at(i)); i++) {
		if (!c->id || !c->what || !c->path || !check_wants(c) || !c->why || !c->remedy ||
		    !(c->scope & BOTH) || ((c->flags & MEASURED) ? !c->judge_measured : !c->judge))
			fail_msg("row %zu: %s", i, c->id ? c->id : "?");
		if (c->why[strlen(c->why) - 1] != '.')
			fail_msg("%s: the reason is no sentence", c->id);
		assert_ptr_equal(check_find(c->id), c); /* no id twice */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counting),
		cmocka_unit_test(judging),
		cmocka_unit_test(not_told_is_no_pass),
		cmocka_unit_test(rows_are_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
