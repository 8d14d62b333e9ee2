// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "vmm/opts.h"

enum { ARGS = 28 };

static int parse(struct run_opts *o, const char *const *words, struct err *e)
{
	char *argv[ARGS + 1] = { (char *)"rtkvm run" };
	int argc = 1;

	while (*words)
		argv[argc++] = (char *)*words++;
	return run_opts_parse(o, argc, argv, e);
}

static void fills_the_struct(void **state)
{
	static const char *const words[] = { "--kernel",
					     "k",
					     "--initrd",
					     "i",
					     "--cpus",
					     "0:3,1:2",
					     "--memory",
					     "1G",
					     "--fifo=7",
					     "--timeout",
					     "2m",
					     "--hugepages=2M",
					     "--prefault=off",
					     "--exit-code=qemu",
					     "--no-exit=hlt,pause",
					     "--halt-poll=50us",
					     "--rt-delay",
					     "--irqchip=full",
					     "--nx-huge-pages=off",
					     "--lapic-timer-advance=1500",
					     "--timer-residual",
					     "--trace-switches",
					     "--name=g1",
					     "--ctl=/tmp/x",
					     "--hold",
					     "--sandbox=log",
					     NULL };
	struct err e = { 0 };
	struct run_opts o;

	(void)state;
	assert_int_equal(parse(&o, words, &e), 0);
	assert_string_equal(o.boot.kernel, "k");
	assert_string_equal(o.boot.initrd, "i");
	assert_null(o.boot.append);
	assert_int_equal(o.map.n, 2);
	assert_int_equal(o.map.host[0], 3);
	assert_int_equal(o.mem.bytes, 1 << 30);
	assert_int_equal(o.mem.pages, MEM_PAGES_2M);
	assert_false(o.mem.populate);
	assert_true(o.qemu_exit_code);
	assert_int_equal(o.fifo, 7);
	assert_int_equal(o.timeout_ns, 120000000000);
	assert_string_equal(o.console, "-");
	assert_string_equal(o.name, "g1");
	assert_string_equal(o.ctl, "/tmp/x");
	assert_true(o.hold);
	assert_int_equal(o.sandbox, SANDBOX_LOG);
	assert_false(o.allow_shared);
	assert_true(o.rt_delay);
	assert_int_equal(o.no_exit, 2 | 4);
	assert_int_equal(o.halt_poll_ns, 50000);
	assert_true(o.irqchip_full);
	assert_int_equal(o.nx_pages, NXPAGES_OFF);
	assert_int_equal(o.advance.mode, ADVANCE_NS);
	assert_int_equal(o.advance.ns, 1500);
	assert_true(o.timer_residual);
	assert_true(o.trace_switches);
}

static void leaves_the_host_its_mitigation(void **state)
{
	static const char *const words[] = { "--kernel", "k", "--cpus", "1", NULL };
	struct err e = { 0 };
	struct run_opts o;

	(void)state;
	assert_int_equal(parse(&o, words, &e), 0);
	assert_int_equal(o.nx_pages, NXPAGES_KEEP);
}

static void refuses(void **state)
{
	static const struct {
		const char *words[ARGS];
		const char *why;
	} rows[] = {
		{ { NULL }, "--kernel is missing" },
		{ { "--kernel", "k", NULL }, "--cpus is missing" },
		{ { "--kernel", "k", "--cpus", "", NULL }, "empty" },
		{ { "--kernel", "k", "--cpus", "1", "--placement", "auto", NULL }, "contradict" },
		{ { "--kernel", "k", "--placement", "auto", NULL }, "--vcpus is missing" },
		{ { "--kernel", "k", "--cpus", "1", "--vcpus", "1", NULL }, "--vcpus goes with" },
		{ { "--placement", "best", NULL }, "--placement: \"best\"" },
		{ { "--vcpus=0", NULL }, "out of range" },
		{ { "--vcpus=129", NULL }, "out of range" },
		{ { "--vcpus=two", NULL }, "not a number" },
		{ { "--kernel", "k", "--cpus", "1,", NULL }, "missing at" },
		{ { "--kernel", "k", "--kernel", "k", NULL }, "--kernel is given twice" },
		{ { "--cpus=1", "--cpus=1", NULL }, "--cpus is given twice" },
		{ { "--memory=12X", NULL }, "not a size" },
		{ { "--memory=-1", NULL }, "not a size" },
		{ { "--memory=99999999999T", NULL }, "too large" },
		{ { "--fifo=99", NULL }, "out of range" },
		{ { "--fifo=high", NULL }, "not a number" },
		{ { "--timeout=0", NULL }, "no time" },
		{ { "--timeout=soon", NULL }, "not a duration" },
		{ { "--hugepages=3M", NULL }, "--hugepages" },
		{ { "--prefault=maybe", NULL }, "--prefault" },
		{ { "--exit-code=odd", NULL }, "--exit-code" },
		{ { "--housekeeping=", NULL }, "empty" },
		{ { "--no-exit=", NULL }, "not a list" },
		{ { "--no-exit=hlt,", NULL }, "not a list" },
		{ { "--no-exit=hl", NULL }, "not a list" },
		{ { "--halt-poll=1h", NULL }, "over 4 seconds" },
		{ { "--cpuset-partition=", NULL }, "no name for a cgroup" },
		{ { "--cpuset-partition=a/b", NULL }, "no name for a cgroup" },
		{ { "--cpuset-partition=..", NULL }, "no name for a cgroup" },
		{ { "--cpuset-partition=cgroup.procs", NULL }, "no name for a cgroup" },
		{ { "--kernel", "k", "--placement", "auto", "--vcpus", "1", "--cpuset-partition",
		    "p", NULL },
		  "give one" },
		{ { "--irqchip=none", NULL }, "--irqchip" },
		{ { "--nx-huge-pages=Y", NULL }, "--nx-huge-pages: \"Y\"" },
		{ { "--nx-huge-pages=auto", NULL }, "--nx-huge-pages: \"auto\"" },
		{ { "--core-sched", "--core-sched", NULL }, "given twice" },
		{ { "--lapic-timer-advance=", NULL }, "not auto, off or a number" },
		{ { "--lapic-timer-advance=-1", NULL }, "not auto, off or a number" },
		{ { "--lapic-timer-advance=on", NULL }, "not auto, off or a number" },
		{ { "--lapic-timer-advance=0", NULL }, "out of range" },
		{ { "--lapic-timer-advance=100001", NULL }, "out of range" },
		{ { "--kernel", "k", "--cpus", "1", "--timer-residual", "--lapic-timer-advance=off",
		    NULL },
		  "contradict" },
		{ { "--slow-exit=2s", NULL }, "more than 1s" },
		{ { "--slow-exit=x", NULL }, "not a duration" },
		{ { "--nonsense", NULL }, "--nonsense" },
		{ { "--kernel", NULL }, "--kernel" },
		{ { "kernel", NULL }, "is not an option" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		struct run_opts o;

		assert_true(parse(&o, rows[i].words, &e) < 0);
		if (!strstr(e.text, rows[i].why))
			fail_msg("row %zu: %s", i, e.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fills_the_struct),
		cmocka_unit_test(leaves_the_host_its_mitigation),
		cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests_name("opts", tests, NULL, NULL);
}
