// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/file.h"
#include "lib/json.h"
#include "results/dataset.h"
#include "results/result.h"

static char dir[] = "/tmp/rtkvm-dataset-XXXXXX";
static char paths[3][64];

static int make_dir(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	for (int i = 0; i < 3; i++)
		snprintf(paths[i], sizeof(paths[i]), "%s/latency-%d.log", dir, i);
	return 0;
}

static int remove_dir(void **state)
{
	struct err e = { 0 };

	(void)state;
	return file_remove_tree(dir, &e);
}

static int remove_logs(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		unlink(paths[i]);
	return 0;
}

/* Log number `log`: n slices of two CPUs, the second CPU without a missed counter. */
static void write_log(int log, int n, bool marks)
{
	struct log_writer w;
	struct err e = { 0 };
	struct hist h;

	assert_int_equal(log_create(&w, paths[log], 42, &e), 0);
	w.sequence = log * 1000; /* a resumed log goes on counting */
	for (int i = 0; i < n; i++) {
		struct log_slice s = {
			.instrument = "cyclictest",
			.cpu = i % 2,
			.host_cpu = -1,
			.start_wall_ns = 1000000000ull * (1 + (log * n + i) / 2),
			.duration_ns = 1000000000,
			.period_ns = 200000,
		};

		hist_init(&h);
		for (int k = 0; k < 50; k++)
			hist_add(&h, 1000 + 997 * ((k * 31 + i * 7 + log * 3) % 50));
		s.max_wall_ns = s.start_wall_ns + 5 * i;
		log_count(&s, LOG_EXPECTED, 51);
		if (i % 2 == 0)
			log_count(&s, LOG_MISSED, 1);
		log_count(&s, LOG_TEMP_MC, 40000 + i);
		assert_int_equal(log_write(&w, &s, &h, &e), 0);
	}
	if (marks)
		assert_int_equal(log_mark(&w, 7, -1, "load x start", &e), 0);
	assert_int_equal(log_close(&w, &e), 0);
}

static void sums(void **state)
{
	const char *one[] = { paths[0] };
	struct dataset d;
	struct err e = { 0 };

	(void)state;
	write_log(0, 20, true);
	assert_int_equal(dataset_load(&d, one, 1, &e), 0);
	assert_int_equal(d.n_series, 2);
	assert_int_equal(d.n_slices, 20);
	assert_int_equal(d.n_marks, 1);
	assert_int_equal(d.series[0].cpu, 0);
	assert_int_equal(d.series[0].hist.count, 500);
	assert_int_equal(d.series[0].duration_ns, 10000000000ull);
	assert_int_equal(d.series[0].counters[LOG_EXPECTED], 510);
	assert_int_equal(d.series[0].counters[LOG_MISSED], 10);
	assert_true(d.series[0].known >> LOG_MISSED & 1);
	assert_false(d.series[1].known >> LOG_MISSED & 1);
	assert_int_equal(d.series[1].counters[LOG_TEMP_MC], 40019);
	assert_int_equal(d.series[0].first_ns, 1000000000);
	assert_int_equal(d.series[0].last_ns, 11000000000ull);
	assert_null(dataset_find(&d, "cyclictest", 7));
	dataset_free(&d);
}

/* The statistics of run.json, as text. */
static char *statistics(const char *const *order, size_t n)
{
	struct result r;
	struct err e = { 0 };
	char run_dir[64], *text;

	/* result_open finds logs by name: rename them so that their names are in this order */
	for (size_t i = 0; i < n; i++) {
		char to[128];

		snprintf(to, sizeof(to), "%s/run/latency-%zu.log", dir, i);
		assert_int_equal(link(order[i], to), 0);
	}
	snprintf(run_dir, sizeof(run_dir), "%s/run", dir);
	assert_int_equal(result_open(&r, run_dir, true, &e), 0);
	assert_int_equal(result_store(&r, &e), 0);
	text = strdup(json_object_to_json_string(r.run.doc));
	result_close(&r);
	for (size_t i = 0; i < n; i++) {
		char to[128];

		snprintf(to, sizeof(to), "%s/run/latency-%zu.log", dir, i);
		unlink(to);
	}
	return text;
}

static void any_order_gives_the_same_bytes(void **state)
{
	static const int orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
					  { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
	char run_dir[64], *first = NULL;
	struct run run;
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++)
		write_log(i, 40, i == 1);
	snprintf(run_dir, sizeof(run_dir), "%s/run", dir);
	assert_int_equal(run_create(&run, run_dir, "x", &e), 0);
	run_add_limit(&run, "max_ns", 20000);
	assert_int_equal(run_finish(&run, VERDICT_PASS, &e), 0);
	run_close(&run);
	for (int i = 0; i < 6; i++) {
		const char *order[3];
		char *text;

		for (int k = 0; k < 3; k++)
			order[k] = paths[orders[i][k]];
		text = statistics(order, 3);
		if (first)
			assert_string_equal(text, first);
		else
			first = strdup(text);
		free(text);
	}
	assert_non_null(strstr(first, "\"max_wall_ns\""));
	free(first);
	assert_int_equal(file_remove_tree(run_dir, &e), 0);
}

static void the_same_slice_twice_is_refused(void **state)
{
	const char *twice[] = { paths[0], paths[0] };
	struct dataset d;
	struct err e = { 0 };

	(void)state;
	write_log(0, 4, false);
	assert_int_equal(dataset_load(&d, twice, 2, &e), -EEXIST);
	assert_non_null(strstr(e.text, "twice"));
}

static void damage_costs_what_is_damaged(void **state)
{
	const char *one[] = { paths[0] };
	struct dataset d;
	struct err e = { 0 };
	FILE *f;

	(void)state;
	write_log(0, 20, false);
	f = fopen(paths[0], "r+");
	fseek(f, 500, SEEK_SET);
	fputs("garbage", f);
	fclose(f);
	assert_int_equal(dataset_load(&d, one, 1, &e), 0);
	assert_int_equal(d.n_slices, 19);
	assert_int_equal(d.n_damages, 1);
	assert_false(d.damages[0].tail);
	dataset_free(&d);
}

static void no_slice_is_an_error(void **state)
{
	static const char *const texts[] = { "", "RTKVM", "this is no log\n" };
	const char *one[] = { paths[0] };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct dataset d;
		struct err e = { 0 };

		assert_int_equal(file_replace(paths[0], texts[i], strlen(texts[i]), &e), 0);
		assert_int_equal(dataset_load(&d, one, 1, &e), -ENODATA);
		assert_non_null(strstr(e.text, paths[0]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(sums, remove_logs),
		cmocka_unit_test_teardown(any_order_gives_the_same_bytes, remove_logs),
		cmocka_unit_test_teardown(the_same_slice_twice_is_refused, remove_logs),
		cmocka_unit_test_teardown(damage_costs_what_is_damaged, remove_logs),
		cmocka_unit_test_teardown(no_slice_is_an_error, remove_logs),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
