// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <seccomp.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/cpulist.h"

static void parses_and_prints(void **state)
{
	static const struct {
		const char *in, *out;
		int count;
	} rows[] = {
		{ "0", "0", 1 },
		{ "2-5,8", "2-5,8", 5 },
		{ "3,2,4", "2-4", 3 },
		{ "0-31:1/4", "0,4,8,12,16,20,24,28", 8 },
		{ "0-10:2/4", "0-1,4-5,8-9", 6 },
		{ "63,64,127-129", "63-64,127-129", 5 },
		{ "4095", "4095", 1 },
		{ "0-4095", "0-4095", 4096 },
		{ "1,1,1-1", "1", 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cpulist l;
		struct err e = { 0 };
		char buf[256];

		assert_int_equal(cpulist_parse(&l, rows[i].in, &e), 0);
		assert_string_equal(cpulist_format(&l, buf, sizeof(buf)), rows[i].out);
		assert_int_equal(cpulist_count(&l), rows[i].count);
	}
}

static void refuses(void **state)
{
	static const char *const rows[] = {
		"",
		" ",
		",",
		"1,",
		",1",
		"1,,2",
		"5-2",
		"-1",
		"1-",
		"a",
		"1-N",
		"all",
		"0x1",
		"+1",
		"1 2",
		"4096",
		"4294967298",
		"^0",
		"99999999999999999999",
		"0-4:0/2",
		"0-4:3/2",
		"0-4:1/0",
		"0-4:1",
		"0-4:1/",
		"0-4:/2",
		"1;2",
		"1-2-3",
		"1\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cpulist l;
		struct err e = { 0 };

		assert_int_equal(cpulist_parse(&l, rows[i], &e), -EINVAL);
		assert_non_null(strstr(e.text, "CPU list"));
	}
}

static void sets(void **state)
{
	struct cpulist a, b, r, both;
	struct err e = { 0 };
	char buf[64];

	(void)state;
	cpulist_parse(&a, "0-7", &e);
	cpulist_parse(&b, "2-3,9", &e);
	r = cpulist_minus(&a, &b);
	assert_string_equal(cpulist_format(&r, buf, sizeof(buf)), "0-1,4-7");
	r = cpulist_and(&a, &b);
	assert_string_equal(cpulist_format(&r, buf, sizeof(buf)), "2-3");
	both = cpulist_or(&a, &b);
	assert_string_equal(cpulist_format(&both, buf, sizeof(buf)), "0-7,9");
	cpulist_remove(&r, 2);
	cpulist_remove(&r, 3);
	assert_true(cpulist_empty(&r));
	assert_int_equal(cpulist_next(&b, 4), 9);
	assert_int_equal(cpulist_next(&b, 10), -1);
	assert_false(cpulist_has(&a, -1));
	assert_false(cpulist_has(&a, CPULIST_CPUS));
}

static void short_buffer_is_cut_not_overrun(void **state)
{
	struct cpulist l;
	struct err e = { 0 };
	char buf[6];

	(void)state;
	cpulist_parse(&l, "1,3,5,7,9,11", &e);
	cpulist_format(&l, buf, sizeof(buf));
	assert_true(strlen(buf) < sizeof(buf));
}

static void pins_and_reads_back(void **state)
{
	struct cpulist before, one = { 0 }, now;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(cpulist_affinity(&before, 0, &e), 0);
	cpulist_add(&one, cpulist_next(&before, 0));
	assert_int_equal(cpulist_pin(&one, 0, &e), 0);
	assert_int_equal(cpulist_affinity(&now, 0, &e), 0);
	assert_true(cpulist_equal(&one, &now));
	assert_int_equal(cpulist_pin(&before, 0, &e), 0);

	memset(&one, 0, sizeof(one));
	cpulist_add(&one, 4095);
	assert_true(cpulist_pin(&one, 0, &e) < 0);
	assert_non_null(strstr(e.text, "4095"));
}

/* A kernel with more CPU numbers than ours answers EINVAL to every sched_getaffinity(2). */
static int ask_a_larger_kernel(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	struct err e = { 0 };
	struct cpulist l;

	if (!ctx || seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(sched_getaffinity), 0) ||
	    seccomp_load(ctx))
		return 2;
	return cpulist_affinity(&l, 0, &e) == -EINVAL && strstr(e.text, "nr_cpus=4096") ? 0 : 1;
}

static void names_its_limit(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (!pid)
		_exit(ask_a_larger_kernel());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
		skip();
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_and_prints),
		cmocka_unit_test(refuses),
		cmocka_unit_test(sets),
		cmocka_unit_test(short_buffer_is_cut_not_overrun),
		cmocka_unit_test(pins_and_reads_back),
		cmocka_unit_test(names_its_limit),
	};

	return cmocka_run_group_tests_name("cpulist", tests, NULL, NULL);
}
