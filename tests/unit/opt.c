// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/opt.h"

static void sizes(void **state)
{
	static const struct {
		const char *in;
		uint64_t out;
	} rows[] = {
		{ "0", 0 },	      { "4096", 4096 }, { "512M", 512ull << 20 },
		{ "1g", 1ull << 30 }, { "2K", 2048 },	{ "3T", 3ull << 40 },
	};
	static const char *const bad[] = {
		"",    "M", "-1", "1.5G", "1GB", "1 G", "99999999999999T", "99999999999999999999",
		"0x10"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		uint64_t v;

		assert_int_equal(opt_size("--memory", rows[i].in, &v, &e), 0);
		assert_int_equal(v, rows[i].out);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err e = { 0 };
		uint64_t v;

		assert_int_equal(opt_size("--memory", bad[i], &v, &e), -EINVAL);
		assert_non_null(strstr(e.text, "--memory"));
	}
}

static void durations(void **state)
{
	static const struct {
		const char *in;
		uint64_t out;
	} rows[] = {
		{ "90s", 90000000000 },
		{ "90", 90000000000 },
		{ "10m", 600000000000 },
		{ "24h", 86400000000000 },
		{ "1d", 86400000000000 },
		{ "200us", 200000 },
		{ "4611686018s", 4611686018000000000 },
		{ "5ms", 5000000 },
		{ "7ns", 7 },
	};
	static const char *const bad[] = {
		"",
		"s",
		"-5s",
		"1.5h",
		"10 m",
		"10min",
		"9999999999999d",
		"18446744073s", /* a deadline would wrap: the end would be now */
		"4611686019s"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		uint64_t v;

		assert_int_equal(opt_duration("--duration", rows[i].in, &v, &e), 0);
		assert_int_equal(v, rows[i].out);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err e = { 0 };
		uint64_t v;

		assert_int_equal(opt_duration("--duration", bad[i], &v, &e), -EINVAL);
	}
}

static void numbers(void **state)
{
	struct err e = { 0 };
	uint64_t v = 0;
	int n = -1;

	(void)state;
	assert_int_equal(opt_int("--fifo", "100", 1, 99, &n, &e), -EINVAL);
	assert_int_equal(opt_int("--fifo", "x", 1, 99, &n, &e), -EINVAL);
	assert_int_equal(n, -1);
	err_clear(&e);
	assert_int_equal(opt_int("--fifo", "99", 1, 99, &n, &e), 0);
	assert_int_equal(n, 99);
	assert_int_equal(opt_u64("--fifo", "99", 1, 99, &v, &e), 0);
	assert_int_equal(v, 99);
	assert_int_equal(opt_u64("--fifo", "0x10", 1, 99, &v, &e), 0);
	assert_int_equal(v, 16);
	assert_int_equal(opt_u64("--fifo", "100", 1, 99, &v, &e), -EINVAL);
	assert_non_null(strstr(e.text, "1 to 99"));
	err_clear(&e);
	assert_int_equal(opt_u64("--fifo", " 9", 1, 99, &v, &e), -EINVAL);
	err_clear(&e);
	assert_int_equal(opt_u64("--fifo", "-1", 0, UINT64_MAX, &v, &e), -EINVAL);
}

struct input {
	const char *name;
	bool flag;
	bool command;
	int rest;
};

static error_t parse(int key, char *arg, struct argp_state *st)
{
	struct input *in = st->input;

	switch (key) {
	case 'n':
		in->name = arg;
		return 0;
	case 'f':
		in->flag = true;
		return 0;
	case ARGP_KEY_ARG:
		in->rest++;
		if (in->command)
			st->next = st->argc;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
	{ "name", 'n', "NAME", 0, "a name", 0 },
	{ "flag", 'f', NULL, 0, "a flag", 0 },
	{ 0 },
};

static int parse_words(char **words, int n, bool in_order, struct input *in, struct err *e)
{
	static const struct argp argp = { options, parse, NULL, NULL, NULL, NULL, NULL };

	return opt_parse(&argp, n, words, in_order, in, e);
}

static void command_lines(void **state)
{
	struct input in = { 0 };
	struct err e = { 0 };
	char *good[] = { "rtkvm x", "--name", "a", "-f", "b", NULL };
	char *order[] = { "rtkvm x", "-f", "cmd", "--own", NULL };

	(void)state;
	assert_int_equal(parse_words(good, 5, false, &in, &e), 0);
	assert_string_equal(in.name, "a");
	assert_true(in.flag);
	assert_int_equal(in.rest, 1);

	in = (struct input){ .command = true };
	assert_int_equal(parse_words(order, 4, true, &in, &e), 0);
	assert_int_equal(in.rest, 1);
}

static void bad_command_lines_name_the_option(void **state)
{
	struct {
		char *words[5];
		int n;
		const char *names;
	} rows[] = {
		{ { "rtkvm x", "--bogus", NULL }, 2, "--bogus\" is not" },
		{ {
			  "rtkvm x",
			  "--name",
			  "--flag",
			  "-z",
		  },
		  4,
		  "-z\" is not" },
		{ { "rtkvm x", "-q", NULL }, 2, "-q" },
		{ { "rtkvm x", "--name", NULL }, 2, "--name\" lacks" },
		{ { "rtkvm x", "--flag=1", NULL }, 2, "--flag=1\" takes no" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct input in = { 0 };
		struct err e = { 0 };

		assert_int_equal(parse_words(rows[i].words, rows[i].n, false, &in, &e), -EINVAL);
		if (!strstr(e.text, rows[i].names))
			fail_msg("%s", e.text);
	}
}

static void durations_in_a_range(void **state)
{
	static const struct {
		const char *text;
		int ret;
		const char *why;
	} rows[] = {
		{ "10us", 0, "" },
		{ "1s", 0, "" },
		{ "9us", -EINVAL, "--x: \"9us\" is out of range (10us to 1s)" },
		{ "1001ms", -EINVAL, "out of range" },
		{ "soon", -EINVAL, "not a duration" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err e = { 0 };
		uint64_t ns;

		assert_int_equal(opt_duration_in("--x", rows[i].text, 10000, 1000000000, &ns, &e),
				 rows[i].ret);
		if (!strstr(e.text, rows[i].why))
			fail_msg("%s", e.text);
	}
}

static void latencies_in_a_range(void **state)
{
	static const struct {
		const char *text;
		int ret;
		const char *why;
	} rows[] = {
		{ "100ns", 0, "" },
		{ "1s", 0, "" },
		{ "99ns", -EINVAL, "--x: \"99ns\" is out of range (100ns to 1s)" },
		{ "0", -EINVAL, "out of range" },
		{ "2s", -EINVAL, "out of range" },
		{ "1", -EINVAL, "--x: \"1\" has no unit; is it 1us, 1ms or 1s?" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err e = { 0 };
		uint64_t ns;

		assert_int_equal(opt_latency_in("--x", rows[i].text, 100, 1000000000, &ns, &e),
				 rows[i].ret);
		if (!strstr(e.text, rows[i].why))
			fail_msg("%s", e.text);
	}
}

/* The limits of a range are told in units that they have, whatever those are. */
static void ranges(void **state)
{
	static const struct {
		uint64_t min, max;
		const char *in, *why;
	} rows[] = {
		{ 100000000, 86400000000000, "2d", "(100ms to 1d)" },
		{ 600000000000, 90000000000000, "2d", "(10m to 25h)" },
		{ 1500, 90000000000, "91s", "(1500ns to 90s)" },
		{ 0, 1000, "2us", "(0 to 1us)" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		uint64_t ns;

		assert_int_equal(
			opt_latency_in("--x", rows[i].in, rows[i].min, rows[i].max, &ns, &e),
			-EINVAL);
		if (!strstr(e.text, rows[i].why))
			fail_msg("%s", e.text);
	}
}

static void cpus_name_their_option(void **state)
{
	struct err e = { 0 };
	struct cpulist l;
	struct cpumap m;

	(void)state;
	assert_int_equal(opt_cpulist("--housekeeping", "1,x", &l, &e), -EINVAL);
	assert_string_equal(e.text,
			    "--housekeeping: CPU list \"1,x\": a CPU number is missing at \"x\"");
	err_clear(&e);
	assert_int_equal(opt_cpumap("--cpus", "0:1,1:1", &m, &e), -EINVAL);
	assert_string_equal(e.text, "--cpus: CPU map \"0:1,1:1\": CPU 1 carries two vCPUs");
}

/* Of 40 nobody knows whether it is 40 us, as with cyclictest, or 40 s, as with a duration. */
static void latencies(void **state)
{
	static const struct {
		const char *in;
		int ret;
		uint64_t ns;
	} rows[] = {
		{ "40us", 0, 40000 },  { "1ms", 0, 1000000 }, { "40s", 0, 40000000000 },
		{ "0", 0, 0 },	       { "40", -EINVAL, 0 },  { "00", -EINVAL, 0 },
		{ "40x", -EINVAL, 0 }, { "", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		uint64_t ns = 0;

		if (opt_latency("--limit", rows[i].in, &ns, &e) != rows[i].ret ||
		    (!rows[i].ret && ns != rows[i].ns))
			fail_msg("\"%s\": %ju ns, %s", rows[i].in, (uintmax_t)ns, e.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(latencies_in_a_range),
		cmocka_unit_test(ranges),
		cmocka_unit_test(cpus_name_their_option),
		cmocka_unit_test(latencies),
		cmocka_unit_test(sizes),
		cmocka_unit_test(durations),
		cmocka_unit_test(durations_in_a_range),
		cmocka_unit_test(numbers),
		cmocka_unit_test(command_lines),
		cmocka_unit_test(bad_command_lines_name_the_option),
	};

	return cmocka_run_group_tests_name("opt", tests, NULL, NULL);
}
