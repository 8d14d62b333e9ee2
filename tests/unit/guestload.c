// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cyclic/guestload.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"

#define SLICE_NS (10 * NSEC_PER_SEC)

static char dir[] = "/tmp/rtkvm-guestload.XXXXXX";

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	struct err e = { 0 };

	(void)state;
	return file_remove_tree(dir, &e);
}

static int take(struct guestload *l, uint64_t rounds, uint64_t elapsed_ns, struct err *e)
{
	const struct abi_load told = { rounds, elapsed_ns };
	const struct frame_file f = { "load", (const uint8_t *)&told, sizeof(told) };

	return guestload_take(l, &f, e);
}

static const struct {
	const char *name;
	uint64_t floor;
	uint64_t rounds[4]; /* of four slices */
	uint64_t job_s;
	const char *reason; /* NULL: none */
} rows[] = {
	{ "at work", 0, { 5, 5, 5, 5 }, 45, NULL },
	{ "one slice empty",
	  0,
	  { 5, 0, 5, 5 },
	  45,
	  "1 of 4 slices below its floor of 0 (more than nothing) rounds a second; the least, 0.00" },
	{ "at its floor", 2, { 20, 20, 20, 20 }, 45, NULL },
	{ "below its floor",
	  2,
	  { 20, 19, 3, 20 },
	  45,
	  "2 of 4 slices below its floor of 2 rounds a second; the least, 0.30, at 20" },
	{ "killed in mid-run",
	  0,
	  { 5, 5, 5, 5 },
	  90,
	  "proved its work for 40 s of 90 s: it was silent for more than 3 slices" },
};

static void judged(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct guestload l = { .name = "fork",
				       .floor = rows[i].floor,
				       .slice_ns = SLICE_NS };
		char path[PATH_MAX], *text;
		struct err e = { 0 };
		struct run run;
		json_object *reasons;

		snprintf(path, sizeof(path), "%s/%zu", dir, i);
		assert_int_equal(run_create(&run, path, "test", &e), 0);
		assert_int_equal(guestload_open(&l, &run, &e), 0);
		for (int k = 0; k < 4; k++)
			assert_int_equal(take(&l, rows[i].rounds[k], SLICE_NS, &e), 0);
		guestload_judge(&l, &run, rows[i].job_s * NSEC_PER_SEC);
		if (!json_at(run.doc, "doubts") != !rows[i].reason)
			fail_msg("%s: doubted or not?", rows[i].name);
		reasons = json_at(run.doc, "reasons");
		assert_int_equal(json_object_array_length(reasons), rows[i].reason != NULL);
		if (rows[i].reason && !strstr(json_object_to_json_string(reasons), rows[i].reason))
			fail_msg("%s: %s", rows[i].name, json_object_to_json_string(reasons));
		assert_int_equal(json_int(run.doc, "inforce.guest_load.slices", 0), 4);
		guestload_free(&l);
		snprintf(path, sizeof(path), "%s/%zu/loads.jsonl", dir, i);
		assert_true(file_load(path, 4096, &text, &e) > 0);
		assert_non_null(strstr(text, "{\"load\":\"fork\",\"count\":"));
		free(text);
		run_close(&run);
	}
}

static void hostile(void **state)
{
	static const struct abi_load bad[] = {
		{ 1, 0 },
		{ 1, UINT64_MAX },
		{ 2000, 1000 },
		{ UINT64_MAX, NSEC_PER_SEC },
	};
	struct guestload l = { .name = "fork", .slice_ns = SLICE_NS }, none = { 0 };
	struct frame_file f = { "load", (const uint8_t *)bad, 3 };
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err_clear(&e);
		assert_int_equal(take(&l, bad[i].rounds, bad[i].elapsed_ns, &e), -EPROTO);
	}
	err_clear(&e);
	assert_int_equal(guestload_take(&l, &f, &e), -EPROTO);
	err_clear(&e);
	assert_int_equal(take(&none, 1, SLICE_NS, &e), -EPROTO);
	assert_int_equal(l.slices, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judged),
		cmocka_unit_test(hostile),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
