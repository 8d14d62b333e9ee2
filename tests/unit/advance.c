// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "vmm/advance.h"
#include "tests/unit/tree.h"

#define PARAMETERS "sys/module/kvm/parameters/"

/* where journals go */
static const char *dir(void)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/run", root);
	return path;
}

static void holds(const char *want)
{
	char path[PATH_MAX], line[32];

	snprintf(path, sizeof(path), "%s/" PARAMETERS "lapic_timer_advance_ns", root);
	assert_string_equal(file_read_line(path, line, sizeof(line)), want);
}

static void sets_and_puts_back(void **state)
{
	static const struct {
		struct advance_opts o;
		const char *during;
	} rows[] = {
		{ { ADVANCE_KEEP }, "700" },	{ { ADVANCE_AUTO }, "-1" },
		{ { ADVANCE_OFF }, "0" },	{ { ADVANCE_NS, 2500 }, "2500" },
		{ { ADVANCE_NS, 700 }, "700" }, /* as it is */
	};
	struct err e = { 0 };
	struct advance a;

	(void)state;
	tree_put("700\n", PARAMETERS "lapic_timer_advance_ns");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(advance_begin(&a, &rows[i].o, root, dir(), &e), 0);
		holds(rows[i].during);
		assert_int_equal(advance_end(&a, &e), 0);
		holds("700");
		assert_int_equal(advance_end(&a, &e), 0);
	}
}

static void refuses(void **state)
{
	static const struct {
		const char *has; /* the boolean; NULL: neither */
		struct advance_opts o;
		const char *why; /* NULL: accepted */
	} rows[] = {
		{ NULL, { ADVANCE_AUTO }, "has no such parameter" },
		{ "Y\n", { ADVANCE_AUTO }, NULL },
		{ "N\n", { ADVANCE_OFF }, NULL },
		{ "Y\n", { ADVANCE_KEEP }, NULL },
		{ "Y\n", { ADVANCE_NS, 2500 }, "wanted 2500 ns, this kernel takes no number" },
		{ "Y\n", { ADVANCE_OFF }, "wanted off, kvm.lapic_timer_advance is Y" },
		{ "N\n", { ADVANCE_AUTO }, "load kvm with lapic_timer_advance=Y" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		struct advance a;
		int ret;

		if (rows[i].has)
			tree_put(rows[i].has, PARAMETERS "lapic_timer_advance");
		ret = advance_begin(&a, &rows[i].o, root, dir(), &e);
		assert_int_equal(ret, rows[i].why ? -ENOTSUP : 0);
		if (rows[i].why && !strstr(e.text, rows[i].why))
			fail_msg("row %zu: %s", i, e.text);
		assert_int_equal(advance_end(&a, &e), 0);
	}
}

/* What a process that died in between left is undone by the next start. */
static void a_crash_is_undone(void **state)
{
	const struct advance_opts o = { ADVANCE_NS, 1234 }, second = { ADVANCE_NS, 777 };
	struct err e = { 0 };
	struct advance a;
	int status;
	pid_t pid;

	(void)state;
	tree_put("-1\n", PARAMETERS "lapic_timer_advance_ns");
	pid = fork();
	if (!pid)
		_exit(advance_begin(&a, &o, root, dir(), &e) < 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	holds("1234");
	/* another that sets it first puts back what it was before both */
	assert_int_equal(advance_begin(&a, &second, root, dir(), &e), 0);
	holds("777");
	assert_int_equal(advance_end(&a, &e), 0);
	holds("-1");
	/* and so does one that sets nothing */
	pid = fork();
	if (!pid)
		_exit(advance_begin(&a, &o, root, dir(), &e) < 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	holds("1234");
	assert_int_equal(advance_recover(root, dir(), &e), 1);
	holds("-1");
	assert_int_equal(advance_recover(root, dir(), &e), 0);
}

static void reads_a_vcpu(void **state)
{
	char name[96];

	(void)state;
	snprintf(name, sizeof(name), "kvm/%d-7/vcpu1/lapic_timer_advance_ns", getpid());
	tree_put("1240\n", name);
	assert_int_equal(advance_read_ns(root, 7, 1), 1240);
	assert_int_equal(advance_read_ns(root, 7, 2), -1);
	tree_put("\n", name);
	assert_int_equal(advance_read_ns(root, 7, 1), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(sets_and_puts_back),
		tree_test(refuses),
		tree_test(a_crash_is_undone),
		tree_test(reads_a_vcpu),
	};

	return cmocka_run_group_tests_name("advance", tests, NULL, NULL);
}
