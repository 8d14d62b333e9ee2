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

#include <math.h>

#include "hwlat/findings.h"
#include "hwlat/text.h"
#include "lib/cleanup.h"
#include "lib/json.h"

static struct gap gap(int cpu, unsigned int index, uint64_t wall_ns, uint64_t ns,
		      enum culprit_kind kind, const char *detail)
{
	struct gap g = { .cpu = cpu,
			 .index = index,
			 .wall_ns = wall_ns,
			 .start_tsc = wall_ns,
			 .ns = ns,
			 .cause = { .kind = kind } };

	snprintf(g.cause.detail, sizeof(g.cause.detail), "%s", detail);
	return g;
}

static void init(struct findings *f)
{
	struct cpulist cpus;
	struct err e = { 0 };

	assert_int_equal(cpulist_parse(&cpus, "2-3", &e), 0);
	assert_int_equal(findings_init(f, &cpus, &e), 0);
}

/* The line of rt-tests 2.10 and later, ours behind it. */
static void sample_lines_are_hwlatdetects(void **state)
{
	struct gap a = gap(3, 1, 1790000000123456789, 21999, CULPRIT_IRQ, "LOC");
	struct gap b = gap(2, 0, 1790000012127569789, 19000, CULPRIT_HARDWARE, "");
	double previous_s = NAN;
	char line[256];

	(void)state;
	findings_sample_line(line, sizeof(line), &a, &previous_s);
	assert_string_equal(line, "ts: 1790000000.123456789, delta:nan, inner:21, outer:0, cpu:3, "
				  "count:1, cause:irq (LOC)");
	findings_sample_line(line, sizeof(line), &b, &previous_s);
	assert_string_equal(line, "ts: 1790000012.127569789, delta:12.004113, inner:19, outer:0, "
				  "cpu:2, count:1, cause:hardware");
}

static void counts(void **state)
{
	struct gap g = gap(3, 1, 1000, 50000, CULPRIT_THREAD, "x");
	struct findings f;

	(void)state;
	init(&f);
	for (uint64_t i = 0; i < FINDINGS_KEPT + 500; i++) {
		g.ns = 50000 + i * 7919 % 100000;
		g.start_tsc = 1000000 - i;
		findings_add(&f, &g);
	}
	findings_quiet(&f, 0, 900);
	findings_quiet(&f, 1, 0);
	findings_lost(&f, 0, 3, 777777);
	assert_int_equal(f.gaps, FINDINGS_KEPT + 500);
	assert_int_equal(f.causes[CULPRIT_THREAD].count, FINDINGS_KEPT + 500);
	assert_int_equal(f.n_kept, FINDINGS_KEPT);
	assert_int_equal(f.not_kept, 500);
	assert_int_equal(f.cpus[1].slice.count, FINDINGS_KEPT + 500);
	assert_int_equal(f.cpus[0].slice.count, 2); /* the quiet one and the longest lost */
	assert_int_equal(f.max_ns, 777777);
	assert_int_equal(f.cpus[0].lost, 3);
	findings_sort(&f);
	for (size_t i = 1; i < f.n_kept; i++)
		assert_true(f.kept[i - 1].start_tsc < f.kept[i].start_tsc);
	findings_free(&f);
}

/* The longest are the ones that stay. */
static void keeps_the_longest(void **state)
{
	struct gap g = gap(2, 0, 1, 0, CULPRIT_IRQ, "");
	uint64_t least = UINT64_MAX;
	struct findings f;

	(void)state;
	init(&f);
	for (uint64_t i = 0; i < 2 * FINDINGS_KEPT; i++) {
		g.ns = 1 + i * 1237 % (2 * FINDINGS_KEPT); /* each value once */
		findings_add(&f, &g);
	}
	for (size_t i = 0; i < f.n_kept; i++)
		least = f.kept[i].ns < least ? f.kept[i].ns : least;
	assert_int_equal(least, FINDINGS_KEPT + 1);
	findings_free(&f);
}

static void platform_events_count_once(void **state)
{
	struct gap g = gap(2, 0, 1, 1000, CULPRIT_PLATFORM, "");
	struct findings f;

	(void)state;
	init(&f);
	for (int i = 0; i < 6; i++) {
		g.group = 1 + i / 2;
		g.index = i % 2;
		findings_add(&f, &g);
	}
	assert_int_equal(f.platform_events, 3);
	findings_free(&f);
}

static void spikes_have_the_common_keys(void **state)
{
	struct gap g = gap(3, 1, 1790000000123456789, 21999, CULPRIT_IRQ, "31 nvme0q3");
	_cleanup_json_ json_object *o = NULL;

	(void)state;
	g.facts.trace = true;
	g.facts.n_parts = 1;
	g.facts.parts[0] = (struct culprit_part){ CULPRIT_IRQ, "31 nvme0q3", 20000 };
	o = gap_json(&g, false);
	assert_int_equal(json_int(o, "wall_ns", 0), 1790000000123456789 + 21999);
	assert_int_equal(json_int(o, "latency_ns", 0), 21999);
	assert_int_equal(json_int(o, "cpu", 0), 3);
	assert_string_equal(json_str(o, "instrument", ""), "hwlat");
	assert_string_equal(json_str(o, "cause", ""), "host-irq");
	assert_string_equal(json_str(o, "kind", ""), "irq");
	assert_string_equal(json_str(o, "detail", ""), "31 nvme0q3");
}

static char *tail(const struct findings *f, bool samples)
{
	struct hwlat_opts o = { .hardlimit_ns = 10000 };
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	text_tail(out, f, &o, samples);
	fclose(out);
	return text;
}

/* Golden text: what scripts written for hwlatdetect look for, in its order. */
static void prints_what_scripts_read(void **state)
{
	static const char want[] =
		"test finished\n"
		"Max Latency: 21us\n"
		"Samples recorded: 2\n"
		"Samples exceeding threshold: 2\n"
		"MTBF: 30.000 seconds\n"
		"2 SMIs occured on cpu 3\n"
		"SMIs during run: 2\n"
		"ts: 1790000000.123456789, delta:nan, inner:21, outer:0, cpu:3, count:1, cause:irq "
		"(LOC)\n"
		"ts: 1790000012.127569789, delta:12.004113, inner:19, outer:0, cpu:2, count:1, "
		"cause:hardware\n";
	struct gap a = gap(3, 1, 1790000000123456789, 21999, CULPRIT_IRQ, "LOC");
	struct gap b = gap(2, 0, 1790000012127569789, 19000, CULPRIT_HARDWARE, "");
	_cleanup_free_ char *text = NULL;
	struct findings f;

	(void)state;
	init(&f);
	findings_add(&f, &b);
	findings_add(&f, &a);
	findings_sort(&f);
	f.elapsed_ns = 60000000000;
	f.cpus[0].smi_known = f.cpus[1].smi_known = true;
	f.cpus[1].smis = 2;
	text = tail(&f, true);
	assert_int_equal(strncmp(text, want, strlen(want)), 0);
	findings_free(&f);
}

static void quiet_run_is_below_threshold(void **state)
{
	static const char want[] = "test finished\n"
				   "Max Latency: Below threshold\n"
				   "Samples recorded: 0\n"
				   "Samples exceeding threshold: 0\n";
	_cleanup_free_ char *text = NULL;
	struct findings f;

	(void)state;
	init(&f);
	text = tail(&f, true);
	assert_int_equal(strncmp(text, want, strlen(want)), 0);
	assert_null(strstr(text, "MTBF"));
	assert_null(strstr(text, "SMIs"));
	findings_free(&f);
}

static void head_names_the_parameters(void **state)
{
	static const char want[] = "rtkvm hwlat:  test duration 60 seconds\n"
				   "   detector: spin\n"
				   "   parameters:\n"
				   "        CPU list:          2-5\n"
				   "        Latency threshold: 10us\n"
				   "        Sample window:     1000000us\n"
				   "        Sample width:      500000us\n"
				   "     Non-sampling period:  500000us\n"
				   "        Output File:       None\n"
				   "\nStarting test\n";
	struct hwlat_opts o = { .duration_ns = 60000000000,
				.threshold_ns = 10000,
				.window_ns = 1000000000,
				.width_ns = 500000000 };
	struct err e = { 0 };
	char *text = NULL;
	struct plan p;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	assert_int_equal(cpulist_parse(&p.watched, "2-5", &e), 0);
	text_head(out, &o, &p, "hardware");
	fclose(out);
	assert_string_equal(text, want);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sample_lines_are_hwlatdetects),
		cmocka_unit_test(counts),
		cmocka_unit_test(keeps_the_longest),
		cmocka_unit_test(platform_events_count_once),
		cmocka_unit_test(spikes_have_the_common_keys),
		cmocka_unit_test(prints_what_scripts_read),
		cmocka_unit_test(quiet_run_is_below_threshold),
		cmocka_unit_test(head_names_the_parameters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
