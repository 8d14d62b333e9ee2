// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cyclic/campaign_state.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "tests/unit/fakejob.h"

enum { PHASES = 4 };

struct list {
	struct {
		const char *name;
		enum instrument run;
	} phases[PHASES];
};

static const struct list began = { { { "hw", RUN_HWLAT }, { "idle", RUN_SAMPLE } } };

static const struct {
	struct list now;
	const char *told; /* NULL: it may go on */
} rows[] = {
	{ { { { "hw", RUN_HWLAT }, { "idle", RUN_SAMPLE } } }, NULL },
	{ { { { "new", RUN_DOCTOR }, { "hw", RUN_HWLAT }, { "idle", RUN_SAMPLE } } },
	  "phase 1 was hw (hwlat), is new (doctor)" },
	{ { { { "hw", RUN_HWLAT }, { "idle", RUN_SAMPLE }, { "new", RUN_OSLAT } } },
	  "phase 3 was none (), is new (oslat)" },
	{ { { { "hw", RUN_HWLAT } } }, "phase 2 was idle (sample), is none ()" },
	{ { { { "idle", RUN_SAMPLE }, { "hw", RUN_HWLAT } } },
	  "phase 1 was hw (hwlat), is idle (sample)" },
	{ { { { "hw", RUN_HWLAT }, { "idle", RUN_CYCLICTEST } } },
	  "phase 2 was idle (sample), is idle (cyclictest)" },
};

static struct campaign *make(const struct list *l)
{
	struct err e = { 0 };
	struct campaign *c = campaign_new(&e);

	assert_non_null(c);
	for (; c->n_phases < PHASES && l->phases[c->n_phases].name; c->n_phases++) {
		strcpy(c->phases[c->n_phases].entry.name, l->phases[c->n_phases].name);
		c->phases[c->n_phases].run = l->phases[c->n_phases].run;
	}
	return c;
}

/* What has been measured belongs to its phase by the phase's place: no other may stand there. */
static void phases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ struct campaign *then = make(&began), *now = make(&rows[i].now);
		struct err e = { 0 };
		struct state s;
		int ret;

		fake_make();
		assert_int_equal(state_create(&s, in_dir(""), then, "", &e), 0);
		ret = state_phases(&s, now, &e);
		if (ret != (rows[i].told ? -ESTALE : 0) ||
		    (rows[i].told && !strstr(e.text, rows[i].told)))
			fail_msg("row %zu: %d, %s", i, ret, e.text);
		state_close(&s);
		fake_free();
	}
}

/* A file may hold anything. */
static void damaged(void **state)
{
	static const char *const texts[] = {
		"{\"schema\":1,\"phases\":[],\"drift\":null}",
		"{\"schema\":1,\"phases\":null,\"drift\":[]}",
		"{\"schema\":1,\"phases\":[null],\"drift\":[]}",
		"{\"schema\":1,\"phases\":[{\"attempts\":{}}],\"drift\":[]}",
		"{\"schema\":1,\"phases\":[{\"attempts\":[]},7],\"drift\":[]}",
	};

	(void)state;
	fake_make();
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct err e = { 0 };
		struct state s;

		put_file("campaign.json", texts[i]);
		if (state_open(&s, in_dir(""), &e) != -EINVAL || !strstr(e.text, "no campaign"))
			fail_msg("%s: %s", texts[i], e.text);
		state_close(&s);
	}
	fake_free();
}

/* Every job of every attempt in turn, whatever else a campaign.json has in their place. */
static void walk(void **state)
{
	static const struct {
		const char *phase, *dirs;
	} walks[] = {
		{ "{\"attempts\":[]}", "" },
		{ "{}", "" },
		{ "{\"attempts\":3}", "" },
		{ "{\"attempts\":[{\"jobs\":[]},{},{\"jobs\":7}]}", "" },
		{ "{\"attempts\":[{\"jobs\":[{\"dir\":\"a\"},{\"dir\":\"b\"}]}]}", "ab" },
		{ "{\"attempts\":[{\"jobs\":[{\"dir\":\"a\"}]},{\"jobs\":[]},"
		  "{\"jobs\":[{\"dir\":\"b\"},{\"dir\":\"c\"}]}]}",
		  "abc" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(walks); i++) {
		_cleanup_json_ json_object *phase = json_tokener_parse(walks[i].phase);
		struct state s = { .dir = "/c" };
		struct job_walk w = { 0 };
		char dirs[8] = "", path[PATH_MAX];
		size_t n = 0;
		json_object *job;

		while ((job = state_next_job(phase, &w))) {
			assert_true(state_job_file(&s, job, "f", path));
			assert_true(!strncmp(path, "/c/", 3) && !strcmp(path + 4, "/f"));
			dirs[n++] = path[3];
		}
		assert_string_equal(dirs, walks[i].dirs);
		assert_null(state_next_job(phase, &w));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(phases),
		cmocka_unit_test(damaged),
		cmocka_unit_test(walk),
	};

	return cmocka_run_group_tests_name("campaign_state", tests, NULL, NULL);
}
