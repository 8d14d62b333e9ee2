// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cyclic/guestjob.h"
#include "lib/cleanup.h"

static int parse(struct ctopts *o, const char *const *args, bool emulated, struct err *e)
{
	char *argv[16] = { (char *)"rtkvm cyclictest" };
	int argc = 1;

	for (; args[argc - 1]; argc++)
		argv[argc] = (char *)args[argc - 1];
	return ctopts_parse(o, GUEST_CYCLICTEST, argc, argv, emulated, e);
}

static void defaults(void **state)
{
	const char *const none[] = { NULL };
	struct err e = { 0 };
	struct ctopts o;

	(void)state;
	assert_int_equal(parse(&o, none, false, &e), 0);
	assert_string_equal(o.cpus, "auto");
	assert_int_equal(o.memory_bytes, 512 << 20);
	assert_int_equal(o.interval_us, 200);
	assert_int_equal(o.duration_s, 30);
	assert_int_equal(o.histogram_us, 10000);
	assert_int_equal(o.priority, 95);
	assert_int_equal(o.n_limits, 1);
	assert_int_equal(o.limits[0].ns, 40000);
	assert_int_equal(o.timeout_s, 210);
	assert_int_equal(o.vmm, VMM_RTKVM);
	assert_null(o.vmm_program);
}

static void given(void **state)
{
	const char *const args[] = { "-i",    "1ms",  "-D",	  "2h", "--limit", "25us",
				     "--vmm", "qemu", "--memory", "1G", "--smoke", NULL };
	const char *const smoke[] = { "--smoke", "--vmm", "./other/rtkvm", NULL };
	struct err e = { 0 };
	struct ctopts o;

	(void)state;
	assert_int_equal(parse(&o, args, true, &e), 0);
	assert_int_equal(o.interval_us, 1000);
	assert_int_equal(o.duration_s, 7200);
	assert_int_equal(o.n_limits, 1);
	assert_int_equal(o.limits[0].ns, 25000);
	assert_int_equal(o.memory_bytes, 1 << 30);
	assert_int_equal(o.vmm, VMM_QEMU);
	assert_int_equal(o.timeout_s, 7380);
	assert_int_equal(o.histogram_us, 100000);
	assert_int_equal(parse(&o, smoke, false, &e), 0);
	assert_int_equal(o.n_limits, 0); /* function is on trial: no limit nobody asked for */
	assert_string_equal(o.vmm_program, "./other/rtkvm");
}

/* What breaks the limit has to be counted. */
static void histogram(void **state)
{
	static const struct {
		const char *args[4];
		uint64_t us; /* 0: refused */
	} rows[] = {
		{ { "--histogram=100us" }, 100 },
		{ { "--histogram=41us" }, 41 },
		{ { "--histogram=40us" }, 0 },
		{ { "--histogram=1us" }, 0 },
		{ { "--histogram=1us", "--smoke" }, 1 },
		{ { "--histogram=1ms", "--limit=999500ns" }, 1000 },
		{ { "--limit=1ms", "--histogram=1ms", "--smoke" }, 0 },
		{ { "--limit=20ms" }, 10000 }, /* nobody asked for less */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		struct ctopts o;
		int ret = parse(&o, rows[i].args, false, &e);

		if (ret != (rows[i].us ? 0 : -EINVAL) || (!ret && o.histogram_us != rows[i].us) ||
		    (ret && !strstr(e.text, "--histogram: ")))
			fail_msg("row %zu: %d %s", i, ret, e.text);
	}
}

/* On the host nothing that is a guest's applies; a floor is a load's. */
static void places(void **state)
{
	static const struct {
		const char *args[4];
		const char *error; /* NULL: fine */
	} rows[] = {
		{ { "--host", "--cpus=2", "--smoke" }, NULL },
		{ { "--host", "--memory=1G" }, "--host measures in no guest: --memory" },
		{ { "--guest-load=fork", "--host" }, "--host measures in no guest: --guest-load" },
		{ { "--guest-load=fork", "--guest-load-floor=3", "--slice=1s" }, NULL },
		{ { "--guest-load-floor=3" }, "--guest-load-floor needs --guest-load" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		struct ctopts o;
		int ret = parse(&o, rows[i].args, false, &e);

		assert_int_equal(ret, rows[i].error ? -EINVAL : 0);
		if (rows[i].error && !strstr(e.text, rows[i].error))
			fail_msg("%s", e.text);
		assert_true(ret < 0 || o.host == (i == 0));
	}
}

static void sample(void **state)
{
	static const struct {
		const char *args[4];
		int ret;
	} rows[] = {
		{ { "-D", "7003ms", "--slice=1s" }, 0 },
		{ { "--limit=p99.9=20us" }, 0 },
		{ { "--slice=10ms" }, -EINVAL },
		{ { "--slice=2h" }, -EINVAL },
		{ { "-D", "0" }, -EINVAL },
		{ { "-D", "500us" }, -EINVAL },
		{ { "-i", "5us" }, -EINVAL },
		{ { "--limit=p9=1us" }, -EINVAL },
		{ { "--fifo=99" }, -EINVAL },
		{ { "--fifo=0" }, -EINVAL },
		{ { "--histogram=1ms" }, -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *argv[8] = { (char *)"rtkvm sample" };
		struct err e = { 0 };
		struct ctopts o;
		int argc = 1;

		for (; argc < 4 && rows[i].args[argc - 1]; argc++)
			argv[argc] = (char *)rows[i].args[argc - 1];
		if (ctopts_parse(&o, GUEST_SAMPLE, argc, argv, true, &e) != rows[i].ret)
			fail_msg("row %zu: %s", i, e.text);
	}
}

/* cyclictest tells of a spike by breaking off there, and not otherwise. */
static void breaks_off(void **state)
{
	static const struct {
		const char *args[5];
		uint64_t spike_ns;
		const char *error; /* NULL: fine */
	} rows[] = {
		{ { "--on-spike=trace" }, 40001, NULL },
		{ { "--on-spike=stop", "--spike=50us", "--host" }, 50000, NULL },
		{ { "--on-spike=record" }, 40001, NULL },
		{ { "--spike=50us" }, 0, "--spike needs --on-spike trace or stop" },
		{ { "--spike=50us", "--on-spike=record" }, 0, "--spike needs --on-spike" },
		{ { "--smoke", "--on-spike=trace" }, 0, "needs --spike, or --limit" },
		{ { "--on-spike=dance" }, 0, "none of record, trace, stop" },
		{ { "--on-spike=trace", "--spike=1us" }, 0, "at 2 us to 1000 s" },
		{ { "--on-spike=trace", "--spike=0us" }, 0, "--spike: \"0us\" is out of range" },
		{ { "--on-spike=trace", "--spike=2000s" }, 0, "at 2 us to 1000 s" },
		{ { "--on-spike=trace", "--limit=1us" },
		  0,
		  "--limit 1 us: cyclictest can break off at 2 us or later; give --spike" },
		{ { "--on-spike=trace", "--limit=1500ns" }, 0, "--limit 1.5 us: cyclictest" },
		{ { "--on-spike=trace", "--limit=2000s" }, 0, "--limit 2000 s: cyclictest" },
		{ { "--on-spike=trace", "--limit=1us", "--spike=2us" }, 2000, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		struct ctopts o;
		int ret = parse(&o, rows[i].args, false, &e);

		if (ret != (rows[i].error ? -EINVAL : 0) ||
		    (rows[i].error && !strstr(e.text, rows[i].error)))
			fail_msg("row %zu: %d, %s", i, ret, e.text);
		if (!ret)
			assert_int_equal(o.spike_ns, rows[i].spike_ns);
	}
}

/* A limit is what a spike is, and a sampler's time is not cut to seconds. */
static void sample_defaults(void **state)
{
	const char *argv[] = { "rtkvm sample", "-D", "7003ms", "--limit", "40us" };
	char text[CTOPTS_APPEND_BYTES];
	struct err e = { 0 };
	struct ctopts o;

	(void)state;
	assert_int_equal(ctopts_parse(&o, GUEST_SAMPLE, 5, (char **)argv, true, &e), 0);
	assert_int_equal(o.duration_ns, 7003000000);
	assert_int_equal(o.duration_s, 8);
	assert_int_equal(o.spike_ns, 40001);
	assert_int_equal(o.on_spike, SPIKE_RECORD);
	assert_int_equal(guestjob_command(&o, 3, text, sizeof(text), &e), 0);
	assert_string_equal(text,
			    "rtkvm-sample 1-2 1000000 7003000000 10000000000 95 40001 record");
}

static void oslat(void **state)
{
	const char *argv[] = { "rtkvm oslat", "-D", "12h" };
	const char *interval[] = { "rtkvm oslat", "-i", "1ms" };
	struct err e = { 0 };
	struct ctopts o;

	(void)state;
	assert_int_equal(ctopts_parse(&o, GUEST_OSLAT, 3, (char **)argv, false, &e), 0);
	assert_int_equal(o.duration_s, 43200);
	assert_int_equal(o.priority, 1);
	assert_int_equal(o.limits[0].ns, 20000);
	assert_int_equal(o.interval_us, 0);
	assert_int_equal(ctopts_parse(&o, GUEST_OSLAT, 3, (char **)interval, false, &e), -EINVAL);
}

static void hwlat(void **state)
{
	const char *argv[] = { "rtkvm hwlat-guest", "-D", "12h", "--threshold", "25us" };
	const char *smoke[] = { "rtkvm hwlat-guest", "--smoke", "--width=500ms" };
	const char *bad[][2] = {
		{ "--interval", "1ms" },   { "--histogram", "1ms" }, { "--host", NULL },
		{ "--threshold", "50ns" }, { "--width", "2s" },	     { "--on-spike", "stop" },
		{ "--threshold", "1" },	   { "--threshold", "0" },
	};
	struct err e = { 0 };
	struct ctopts o;

	(void)state;
	assert_int_equal(ctopts_parse(&o, GUEST_HWLAT, 5, (char **)argv, false, &e), 0);
	assert_int_equal(o.duration_s, 43200);
	assert_int_equal(o.priority, 10);
	assert_int_equal(o.n_limits, 1);
	assert_int_equal(o.limits[0].ns, 25000);
	assert_int_equal(ctopts_parse(&o, GUEST_HWLAT, 3, (char **)smoke, false, &e), 0);
	assert_int_equal(o.n_limits, 0);
	assert_int_equal(o.threshold_ns, 10000);
	assert_int_equal(o.width_ns, 500000000);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *args[] = { "rtkvm hwlat-guest", bad[i][0], bad[i][1] };

		err_clear(&e);
		assert_int_equal(
			ctopts_parse(&o, GUEST_HWLAT, bad[i][1] ? 3 : 2, (char **)args, false, &e),
			-EINVAL);
	}
}

static void cpus(void **state)
{
	static const struct {
		const char *cpus, *isolated;
		int n, host[4];
	} rows[] = {
		{ "2-3", "", 2, { 2, 3 } },
		{ "0:1,1:2,2:3", "2-3", 3, { 1, 2, 3 } },
		{ "auto", "2-3", 2, { 2, 3 } },
		{ "auto", "4,6-8", 3, { 4, 6, 8 } }, /* 7 is offline */
		{ "auto", "", -1, { 0 } },
		{ "auto", "3", -1, { 0 } },
		{ "3", "3", -1, { 0 } },
		{ "", "2-3", -1, { 0 } },
		{ "1:2", "2-3", -1, { 0 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct ctopts o = { .cpus = rows[i].cpus };
		struct hostcpus host = { 0 };
		struct err e = { 0 };
		struct cpumap m;
		int ret;

		if (rows[i].isolated[0])
			assert_int_equal(cpulist_parse(&host.isolated, rows[i].isolated, &e), 0);
		assert_int_equal(cpulist_parse(&host.online, "0-6,8", &e), 0);
		ret = ctopts_cpus(&o, &host, &m, &e);
		if (rows[i].n < 0) {
			assert_int_equal(ret, -EINVAL);
			continue;
		}
		assert_int_equal(ret, 0);
		assert_int_equal(m.n, rows[i].n);
		for (int k = 0; k < m.n; k++)
			assert_int_equal(m.host[k], rows[i].host[k]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),  cmocka_unit_test(given),
		cmocka_unit_test(histogram), cmocka_unit_test(places),
		cmocka_unit_test(sample),    cmocka_unit_test(sample_defaults),
		cmocka_unit_test(oslat),     cmocka_unit_test(hwlat),
		cmocka_unit_test(cpus),	     cmocka_unit_test(breaks_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
