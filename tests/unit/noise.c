// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "cyclic/noise.h"
#include "lib/cleanup.h"

static struct cpulist all(void)
{
	struct cpulist l;
	struct err e = { 0 };

	assert_int_equal(cpulist_affinity(&l, 0, &e), 0);
	return l;
}

static struct cpulist one(void)
{
	struct cpulist l = all(), first = { 0 };

	cpulist_add(&first, cpulist_next(&l, 0));
	return first;
}

/* Waits for a condition, not for a time: half a minute is for a machine that is overloaded. */
static bool comes_true(bool (*cond)(struct noise *n), struct noise *n)
{
	for (int i = 0; i < 3000; i++) {
		if (cond(n))
			return true;
		poll(NULL, 0, 10);
	}
	return false;
}

static bool has_worked(struct noise *n)
{
	return noise_done(n) > 0;
}

static bool has_ended(struct noise *n)
{
	struct err e = { 0 };

	return noise_alive(n, &e) < 0;
}

static void each_own_kind_works(void **state)
{
	(void)state;
	for (const struct noise_kind *k = noise_kinds; k->name; k++) {
		struct cpulist cpus = k->min_cpus > 1 ? all() : one();
		struct err e = { 0 };
		struct noise n;

		if (k->command || k->work == noise_compile || k->work == noise_vm ||
		    cpulist_count(&cpus) < k->min_cpus)
			continue; /* other programs are tried end to end */
		assert_int_equal(noise_start(&n, k, &cpus, "/tmp", &e), 0);
		if (!comes_true(has_worked, &n))
			fail_msg("load %s did nothing", k->name);
		if (noise_alive(&n, &e) < 0)
			fail_msg("%s", e.text);
		noise_end(&n);
	}
}

static void a_killed_worker_is_noticed(void **state)
{
	struct cpulist cpus = one();
	struct err e = { 0 };
	struct noise n;
	siginfo_t info;

	(void)state;
	assert_int_equal(noise_start(&n, noise_find("timer"), &cpus, NULL, &e), 0);
	assert_true(comes_true(has_worked, &n));
	assert_int_equal(noise_alive(&n, &e), 0);
	kill(n.pids[0], SIGKILL);
	assert_int_equal(waitid(P_PID, n.pids[0], &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(noise_alive(&n, &e), -ECHILD);
	assert_string_equal(e.text, "load timer: worker 0 was ended by signal 9");
	noise_end(&n);
}

static const char *const run_true[] = { "true", NULL };
static const char *const run_false[] = { "false", NULL };
static const char *const run_none[] = { "no-such-x", NULL };

static void a_program_that_fails_says_why(void **state)
{
	static const struct {
		struct noise_kind kind;
		const char *why;
	} rows[] = {
		{ { "false", .min_cpus = 1, .command = run_false }, "false failed with code 1" },
		{ { "none", .min_cpus = 1, .command = run_none }, "is its package installed?" },
	};
	struct cpulist cpus = one();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		struct noise n;
		siginfo_t info;

		assert_int_equal(noise_start(&n, &rows[i].kind, &cpus, NULL, &e), 0);
		assert_int_equal(waitid(P_PID, n.pids[0], &info, WEXITED | WNOWAIT), 0);
		assert_int_equal(noise_alive(&n, &e), -ECHILD);
		assert_non_null(strstr(e.text, rows[i].why));
		noise_end(&n);
	}
}

static void rounds_are_counted(void **state)
{
	static const struct noise_kind kind = { "true", .min_cpus = 1, .command = run_true };
	struct cpulist cpus = one();
	struct err e = { 0 };
	struct noise n;

	(void)state;
	assert_int_equal(noise_start(&n, &kind, &cpus, NULL, &e), 0);
	assert_true(comes_true(has_worked, &n));
	assert_false(has_ended(&n));
	noise_end(&n);
}

static void refused(void **state)
{
	struct cpulist cpus = one();
	struct err e = { 0 };
	struct noise n;

	(void)state;
	assert_int_equal(noise_start(&n, noise_find("ipi"), &cpus, NULL, &e), -EINVAL);
	err_clear(&e);
	assert_int_equal(noise_start(&n, noise_find("disk"), &cpus, NULL, &e), -EINVAL);
	assert_non_null(strstr(e.text, "--dir"));
	assert_null(noise_find("nothing"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_own_kind_works),
		cmocka_unit_test(a_killed_worker_is_noticed),
		cmocka_unit_test(a_program_that_fails_says_why),
		cmocka_unit_test(rounds_are_counted),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
