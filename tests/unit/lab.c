// SPDX-License-Identifier: GPL-2.0-only
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

#include "guests/lab.h"
#include "lib/cleanup.h"

enum { MAX = 32 };

/* Splits line at blanks: argv of "rtkvm lab LINE". */
static int parse(struct lab_options *o, const char *line, char *copy, struct err *e)
{
	static char *argv[MAX + 1];
	int argc = 0;

	argv[argc++] = (char *)"rtkvm lab";
	strcpy(copy, line);
	for (char *word = strtok(copy, " "); word && argc < MAX; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	return lab_parse(o, argc, argv, e);
}

static void defaults(void **state)
{
	struct lab_options o;
	struct err e = { 0 };
	char copy[256];

	(void)state;
	assert_int_equal(parse(&o, "run true", copy, &e), 0);
	assert_int_equal(o.action, LAB_RUN_COMMAND);
	assert_int_equal(o.flavour, LAB_FULL);
	assert_string_equal(o.kernel, "rt");
	assert_int_equal(o.cpus, 4);
	assert_true(o.mem_bytes == 4ull << 30);
	assert_true(o.timeout_ns == 0);
	assert_null(o.cmdline);
	assert_null(o.results);
	assert_int_equal(o.tries, 1);
	assert_false(o.retry_panic);
	assert_string_equal(o.argv[0], "true");
	assert_null(o.argv[1]);
}

static void everything(void **state)
{
	struct lab_options o;
	struct err e = { 0 };
	char copy[512];

	(void)state;
	assert_int_equal(
		parse(&o,
		      "--flavour fast run --kernel generic --cpus 2 --memory 1G "
		      "--share /a --share /b --timeout 90s --tries 3 --retry-panic -- cmd --cpus x --help",
		      copy, &e),
		0);
	assert_int_equal(o.flavour, LAB_FAST);
	assert_string_equal(o.kernel, "generic");
	assert_int_equal(o.cpus, 2);
	assert_true(o.mem_bytes == 1ull << 30);
	assert_int_equal(o.n_shares, 2);
	assert_string_equal(o.shares[1], "/b");
	assert_true(o.timeout_ns == 90000000000ull);
	assert_int_equal(o.tries, 3);
	assert_true(o.retry_panic);
	assert_string_equal(o.argv[0], "cmd");
	assert_string_equal(o.argv[1], "--cpus");
	assert_string_equal(o.argv[3], "--help");
}

/* The command's options are its own, also without "--" before it. */
static void the_command_keeps_its_options(void **state)
{
	struct lab_options o;
	struct err e = { 0 };
	char copy[256];

	(void)state;
	assert_int_equal(parse(&o, "run ls --flavour -l", copy, &e), 0);
	assert_string_equal(o.argv[1], "--flavour");
	assert_string_equal(o.argv[2], "-l");
}

static void bad(void **state)
{
	static const struct {
		const char *line, *text;
	} rows[] = {
		{ "", "an action is missing" },
		{ "boot", "not an action" },
		{ "run", "needs a command" },
		{ "list all", "one argument too many" },
		{ "shell x", "one argument too many" },
		{ "run --flavour slow x", "--flavour" },
		{ "run --kernel bsd x", "--kernel" },
		{ "run --cpus 0 x", "--cpus" },
		{ "run --cpus 256 x", "--cpus" },
		{ "run --cpus two x", "--cpus" },
		{ "run --memory 0 x", "--memory" },
		{ "run --memory 1M x", "--memory" },
		{ "run --memory 2T x", "--memory" },
		{ "run --timeout soon x", "--timeout" },
		{ "run --boot-timeout 0 x", "--boot-timeout" },
		{ "run --timeout 0 x", "--timeout" },
		{ "run --flavour fast --disk d x", "full flavour" },
		{ "run --flavour fast --cmdline-from-image x", "full flavour" },
		{ "run --retry-panic x", "--tries" },
		{ "run --retry-panic --tries 1 x", "--tries" },
		{ "run --nonsense x", "nonsense" },
		{ "run --cpus", "--cpus" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct lab_options o;
		struct err e = { 0 };
		char copy[256];

		assert_int_equal(parse(&o, rows[i].line, copy, &e), -EINVAL);
		if (!strstr(e.text, rows[i].text))
			fail_msg("%s: %s", rows[i].line, e.text);
	}
}

static void isolation(void **state)
{
	static const struct {
		unsigned int cpus;
		const char *text;
	} rows[] = {
		{ 1, "" },
		{ 2, "" },
		{ 3,
		  "isolcpus=managed_irq,domain,2-2 nohz_full=2-2 rcu_nocbs=2-2 irqaffinity=0-1" },
		{ 4,
		  "isolcpus=managed_irq,domain,2-3 nohz_full=2-3 rcu_nocbs=2-3 irqaffinity=0-1" },
	};
	char buf[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(lab_default_cmdline(rows[i].cpus, buf, sizeof(buf)),
				    rows[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(everything),
		cmocka_unit_test(the_command_keeps_its_options),
		cmocka_unit_test(bad),
		cmocka_unit_test(isolation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
