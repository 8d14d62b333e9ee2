// SPDX-License-Identifier: GPL-2.0-only
#include "profiles/settings.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/file.h"

struct fixture {
	char dir[64];
	struct machine m;
};

static int put(const char *dir, const char *name, const char *text)
{
	struct err e = { 0 };
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	*strrchr(path, '/') = '\0';
	file_mkdirs(path, &e);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return file_replace(path, text, strlen(text), &e);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err e = { 0 };

	strcpy(f->dir, "/tmp/rtkvm-settings.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->m.root = knob_root(f->dir, &e);
	f->m.vendor = VENDOR_AMD;
	assert_int_equal(cpulist_parse(&f->m.isolated, "2-3,33", &e), 0);
	assert_int_equal(cpulist_parse(&f->m.housekeeping, "0-1", &e), 0);
	put(f->dir, "sys/a", "1\n");
	put(f->dir, "sys/cpu2/max", "3000\n");
	put(f->dir, "sys/cpu2/min", "1000\n");
	put(f->dir, "sys/cpu3/min", "1000\n");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };

	file_remove_tree(f->dir, &e);
	close(f->m.root);
	free(f);
	return 0;
}

static const char *user(void *arg, const char *name)
{
	(void)arg;
	if (!strcmp(name, "on"))
		return "Y";
	if (!strcmp(name, "pages"))
		return "8";
	return !strcmp(name, "evil") ? "1;rm" : "";
}

static int load(struct fixture *f, const char *text, struct settings *s, struct err *e)
{
	char path[128];

	put(f->dir, "settings", text);
	snprintf(path, sizeof(path), "%s/settings", f->dir);
	return settings_load(s, &f->m, path, user, NULL, e);
}

static void boot_lines(void **state)
{
	static const struct {
		const char *text, *words;
	} t[] = {
		{ "boot a b=1 # c\n", "a b=1 " },
		{ "boot x={isolated} y={housekeeping}", "x=2-3,33 y=0-1 " },
		{ "boot m={isolated_mask}", "m=2,0000000c " },
		{ "boot h={pages}\r\n", "h=8 " },
		{ "boot h={nothing} other\n", "" },
		{ "boot@amd a\nboot@intel b\nboot@!intel c", "a c " },
		{ "boot@on a\nboot@!on b\nboot@off c\nboot@on@!off d", "a d " },
		{ "default off Y\nboot@off c", "c " },
		{ "default on N\nboot@on c", "c " },
		{ "boot cpu{cpu}", "cpu2 cpu3 cpu33 " },
		{ "\n\n  # nothing\n", "" },
		{ "", "" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct settings s;
		struct err e = { 0 };
		char words[256] = "";

		assert_int_equal(load(f, t[i].text, &s, &e), 0);
		for (size_t k = 0; k < s.boot.n; k++) {
			strcat(words, s.boot.v[k]);
			strcat(words, " ");
		}
		assert_string_equal(words, t[i].words);
		settings_free(&s);
	}
}

static void knob_lines(void **state)
{
	struct fixture *f = *state;
	struct settings s;
	struct err e = { 0 };

	assert_int_equal(load(f,
			      "set /sys/a {housekeeping_mask}\n"
			      "set /sys/none 1\n"
			      "set /sys/cpu{cpu}/min =max\n"
			      "set /sys/cpu*/min x y\n"
			      "priority rcuc 11\nmodule kvm a 0\noff b.timer\nirqs\nkthreads\n",
			      &s, &e),
			 0);
	assert_int_equal(s.n_knobs, 4);
	assert_string_equal(s.knobs[0].path, "/sys/a");
	assert_string_equal(s.knobs[0].want, "3");
	assert_string_equal(s.knobs[1].path, "/sys/cpu2/min");
	assert_string_equal(s.knobs[1].want, "3000");
	assert_string_equal(s.knobs[2].path, "/sys/cpu2/min");
	assert_string_equal(s.knobs[2].want, "x y");
	assert_string_equal(s.knobs[3].path, "/sys/cpu3/min");
	assert_int_equal(s.priorities[0].priority, 11);
	assert_string_equal(s.modules[0].option, "a");
	assert_string_equal(s.units_off.v[0], "b.timer");
	assert_true(s.irqs && s.kthreads && !s.irqbalance);
	settings_free(&s);
}

static void bad_lines(void **state)
{
	static const char *const t[] = {
		"walk",
		"boot a;b",
		"boot \"a\"",
		"boot {isolated",
		"boot {evil}",
		"set /sys/a",
		"set sys/a 1",
		"module kvm",
		"module a b c d",
		"priority rcuc",
		"priority rcuc 99",
		"priority rcuc 0",
		"priority rcuc x",
		"off",
		"off a b",
		"irqs now",
		"default a",
		"boot $(reboot)",
		"module ../x a 0",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct settings s;
		struct err e = { 0 };

		if (load(f, t[i], &s, &e) != -EINVAL || !*e.text)
			fail_msg("%s", t[i]);
		settings_free(&s);
	}
}

static void no_file(void **state)
{
	struct fixture *f = *state;
	struct settings s;
	struct err e = { 0 };

	assert_int_equal(settings_load(&s, &f->m, "/nonexistent", user, NULL, &e), -ENOENT);
	settings_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(boot_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(knob_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(no_file, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
