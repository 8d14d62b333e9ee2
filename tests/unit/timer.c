// SPDX-License-Identifier: GPL-2.0-only
#include "profiles/timer.h"

#include <errno.h>
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
#include "lib/knob.h"

/* A CPU whose advance was read as in values (ends with -1). */
static struct timer_cpu *with(struct timer_cpu *t, const int64_t *values)
{
	t->n_advance = 0;
	strcpy(t->conditions, "hardware");
	while (*values >= 0)
		t->advance_ns[t->n_advance++] = *values++;
	return t;
}

static void test_advance(void **state)
{
	static const struct {
		int64_t values[12];
		bool known, settled;
		int64_t median;
	} t[] = {
		{ { -1 }, false, false, 0 },
		{ { 1000, -1 }, true, true, 1000 },
		/* on its way there, then there */
		{ { 1000, 1200, 1500, 1800, 1900, 1910, 1890, 1905, -1 }, true, true, 1905 },
		/* over 5 us it starts again at 1 us, and over again */
		{ { 1000, 4900, 1000, 4900, 1000, 4900, 1000, 4900, -1 }, true, false, 4900 },
		/* little is never unsettled */
		{ { 90, 10, 90, 10, 40, 90, 10, 60, -1 }, true, true, 60 },
		{ { 2000, 2000, 2000, 2200, -1 }, true, true, 2200 },
		{ { 2000, 2000, 2000, 2000, 2000, 2000, 2000, 2250, -1 }, true, false, 2000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_free_ struct timer_cpu *cpu = calloc(1, sizeof(*cpu));
		struct advance a = timer_advance(with(cpu, t[i].values));

		assert_int_equal(a.known, t[i].known);
		assert_int_equal(a.settled, t[i].settled);
		assert_int_equal(a.median_ns, t[i].median);
	}
}

static void test_offer(void **state)
{
	static const struct {
		int64_t first[4], second[4];
		int64_t offer;
		const char *remark; /* about the second; NULL: none */
	} t[] = {
		{ { 1800, 1800, -1 }, { 1900, 1900, -1 }, 1900, NULL },
		{ { 1000, 1000, -1 }, { 1600, 1600, -1 }, 1600, "half as much again" },
		{ { 1000, 1000, -1 }, { 3500, 3500, -1 }, -1, "over 3 us" },
		{ { 1000, 1000, -1 }, { 1000, 4000, 1000, -1 }, -1, "not settled" },
		{ { 1000, 1000, -1 }, { -1 }, -1, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_free_ struct timer_cpu *cpus = calloc(2, sizeof(*cpus));
		const char *remark;

		with(&cpus[0], t[i].first);
		with(&cpus[1], t[i].second);
		remark = timer_remark(cpus, 2, 1);
		assert_int_equal(timer_offer(cpus, 2), t[i].offer);
		assert_null(timer_remark(cpus, 2, 0));
		if (t[i].remark)
			assert_non_null(strstr(remark, t[i].remark));
		else
			assert_null(remark);
	}
}

/* The start value with timers that are far too late, as under an emulator; and what is no hardware. */
static void test_no_offer(void **state)
{
	static const struct {
		int64_t advance_ns, p50_ns[2];
		const char *conditions;
		int64_t offer;
		bool remark;
	} t[] = {
		{ 1000, { 105000, 64000 }, "hardware", -1, true },
		{ 1000, { 105000, -1 }, "emulated", -1, true },
		{ 1000, { 9000, 300 }, "hardware", 1000, false },
		{ 1000, { -1, -1 }, "hardware", 1000, false },
		{ 1400, { 105000, 64000 }, "hardware", 1400, false },
		{ 1400, { 300, 300 }, "nested", -1, false },
		{ 1400, { 300, 300 }, "", -1, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_free_ struct timer_cpu *cpu = calloc(1, sizeof(*cpu));
		const char *remark;

		with(cpu, (int64_t[]){ t[i].advance_ns, t[i].advance_ns, -1 });
		snprintf(cpu->conditions, sizeof(cpu->conditions), "%s", t[i].conditions);
		cpu->n_rows = 2;
		cpu->rows[0].p50_ns = t[i].p50_ns[0];
		cpu->rows[1].p50_ns = t[i].p50_ns[1];
		remark = timer_remark(cpu, 1, 0);
		assert_int_equal(timer_offer(cpu, 1), t[i].offer);
		assert_int_equal(remark && strstr(remark, "does not learn"), t[i].remark);
	}
}

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		int ret;
	} t[] = {
		{ "{\"schema\":1,\"payload\":\"timer\",\"conditions\":\"nested\",\"rows\":["
		  "{\"mode\":\"hlt\",\"period_ns\":50000,\"n\":7,\"p50_ns\":300,\"p99_ns\":null,"
		  "\"max_ns\":900}]}",
		  0 },
		{ "{\"schema\":2,\"payload\":\"timer\",\"rows\":[]}", -EINVAL },
		{ "{\"schema\":1,\"payload\":\"gap\",\"rows\":[]}", -EINVAL },
		{ "{\"schema\":1,\"payload\":\"timer\"}", -EINVAL },
		{ "{\"schema\":1,\"payload\":\"timer\",\"rows\":{}}", -EINVAL },
		{ "{\"schema\":1,\"payload\":\"timer\",\"rows\":[1]}", -EINVAL },
		{ "[]", -EINVAL },
		{ "", -EINVAL },
	};
	_cleanup_free_ struct timer_cpu *cpu = calloc(1, sizeof(*cpu));

	(void)state;
	for (size_t i = ARRAY_SIZE(t); i-- > 0;) {
		_cleanup_json_ json_object *o = json_tokener_parse(t[i].text);
		struct err e = { 0 };

		assert_int_equal(timer_parse(cpu, o, &e), t[i].ret);
	}
	assert_int_equal(cpu->n_rows, 1);
	assert_string_equal(cpu->rows[0].mode, "hlt");
	assert_int_equal(cpu->rows[0].p50_ns, 300);
	assert_int_equal(cpu->rows[0].p99_ns, -1);
	assert_string_equal(cpu->conditions, "nested");
}

static void test_parse_too_many(void **state)
{
	_cleanup_free_ struct timer_cpu *cpu = calloc(1, sizeof(*cpu));
	_cleanup_json_ json_object *o = json_object_new_object();
	json_object *rows = json_object_new_array();
	struct err e = { 0 };

	(void)state;
	json_set_int(o, "schema", 1);
	json_set_str(o, "payload", "timer");
	for (int i = 0; i < TIMER_ROWS + 1; i++)
		json_object_array_add(rows, json_object_new_object());
	json_object_object_add(o, "rows", rows);
	assert_int_equal(timer_parse(cpu, o, &e), -EINVAL);
}

static void test_kept(void **state)
{
	char dir[] = "/tmp/rtkvm-timer.XXXXXX", path[64], text[64];
	struct err e = { 0 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(timer_kept(dir, "key\n"), -1);
	assert_int_equal(timer_keep(dir, 1840, "key\n", &e), 0);
	assert_int_equal(timer_kept(dir, "key\n"), 1840);
	assert_int_equal(timer_kept(dir, "another kernel\n"), -1);
	/* old habits: a file with the number alone */
	snprintf(path, sizeof(path), "%s/lapic_timer_adv_ns", dir);
	assert_string_equal(file_read_line(path, text, sizeof(text)), "1840");
	assert_int_equal(file_write(path, "junk\n", &e), 0);
	assert_int_equal(timer_kept(dir, "key\n"), -1);
	assert_int_equal(timer_keep("/nonexistent", 1, "key\n", &e), -ENOENT);
	assert_int_equal(file_remove_tree(dir, &e), 0);
}

static void test_key(void **state)
{
	struct machine m = {
		.model = "Model", .release = "6.1.0-rt", .cmdline = (char *)"idle=poll", .root = -1
	};
	struct err e = { 0 };
	char key[512];

	(void)state;
	assert_int_equal(cpulist_parse(&m.isolated, "2-3", &e), 0);
	assert_string_equal(timer_key(&m, key, sizeof(key)),
			    "Model\nmicrocode unknown\n6.1.0-rt\n"
			    "pm_qos_resume_latency_us= idle=poll\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_advance),
		cmocka_unit_test(test_offer),
		cmocka_unit_test(test_no_offer),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_too_many),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
