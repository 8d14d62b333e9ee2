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
					     "--no-exit=mwait,pause",
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
	assert_int_equal(o.no_exit, 1 | 4);
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

static void priorities(void **state)
{
	static const char *const words[] = { "--kernel=k", "--cpus=4-7", "--fifo=0:2,1-2:5", NULL };
	static const int want[] = { 2, 5, 5, 0 };
	struct err e = { 0 };
	struct run_opts o;

	(void)state;
	assert_int_equal(parse(&o, words, &e), 0);
	assert_int_equal(o.fifo, 1); /* of those that are not named */
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_int_equal(o.fifo_of[i], want[i]);
}

static void what_only_some_hosts_have(void **state)
{
	static const char *const words[] = { "--kernel=k",
					     "--cpus=4",
					     "--pmu=on",
					     "--resctrl=rt",
					     "--cpu-dma-latency=20",
					     "--no-exit=aperfmperf",
					     NULL };
	static const char *const none[] = { "--kernel=k", "--cpus=4", NULL };
	struct err e = { 0 };
	struct run_opts o;

	(void)state;
	assert_int_equal(parse(&o, words, &e), 0);
	assert_true(o.pmu);
	assert_string_equal(o.resctrl, "rt");
	assert_int_equal(o.cpu_dma_latency_us, 20);
	assert_int_equal(o.no_exit, 16);
	assert_int_equal(parse(&o, none, &e), 0);
	assert_false(o.pmu);
	assert_null(o.resctrl);
	assert_int_equal(o.cpu_dma_latency_us, -1);
}

/* What looks like a contradiction, and is none. */
static void accepts(void **state)
{
	static const char *const rows[][ARGS] = {
		{ "--kernel=k", "--cpus=1", "--ordinary=0", NULL },
		{ "--kernel=k", "--cpus=1", "--ordinary=0", "--fifo=0", NULL },
		{ "--kernel=k", "--cpus=1-2", "--ordinary=0", "--fifo=7", "--rt-delay", NULL },
		{ "--kernel=k", "--placement=auto", "--vcpus=2", "--ordinary=0", "--fifo=7", NULL },
		{ "--kernel=k", "--cpus=1", "--console=c", "--events=-", NULL },
		{ "--kernel=k", "--cpus=1", "--no-exit=pause", "--halt-poll=0", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		struct run_opts o;

		if (parse(&o, rows[i], &e) < 0)
			fail_msg("row %zu: %s", i, e.text);
	}
}

static const struct {
	const char *words[ARGS];
	const char *why;
} wrong[] = {
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
	{ { "--timeout=18446744073s", NULL }, "too large" },
	{ { "--cpus=0,0", NULL }, "--cpus: CPU list \"0,0\": CPU 0 carries two vCPUs" },
	{ { "--housekeeping=1-", NULL }, "--housekeeping: CPU list" },
	{ { "--fifo=0:99", NULL }, "out of range" },
	{ { "--fifo=0:0", NULL }, "out of range" },
	{ { "--fifo=0:2,", NULL }, "is not VCPU:PRIO" },
	{ { "--fifo=0:2,3", NULL }, "is not VCPU:PRIO" },
	{ { "--fifo=:2", NULL }, "--fifo: CPU list" },
	{ { "--fifo=0:2,0:3", NULL }, "--fifo: vCPU 0 is given twice" },
	{ { "--fifo=200:3", NULL }, "there is no vCPU 200" },
	{ { "--kernel=k", "--cpus=4-5", "--fifo=2:3", NULL }, "--fifo: there is no vCPU 2" },
	{ { "--pmu=yes", NULL }, "--pmu: \"yes\" is not one of the choices: off, on" },
	{ { "--cpu-dma-latency=-1", NULL }, "--cpu-dma-latency" },
	{ { "--cpu-dma-latency=2000000", NULL }, "out of range" },
	{ { "--ordinary=x", NULL }, "--ordinary: CPU list" },
	{ { "--hugepages=3M", NULL }, "--hugepages" },
	{ { "--prefault=maybe", NULL }, "--prefault" },
	{ { "--exit-code=odd", NULL }, "--exit-code" },
	{ { "--housekeeping=", NULL }, "empty" },
	{ { "--no-exit=", NULL }, "not a list" },
	{ { "--no-exit=hlt,", NULL }, "not a list" },
	{ { "--no-exit=hl", NULL }, "not a list" },
	{ { "--halt-poll=1h", NULL }, "over 4 seconds" },
	{ { "--halt-poll=2", NULL }, "--halt-poll: \"2\" has no unit; is it 2us" },
	{ { "--cpuset-partition=", NULL }, "no name for a cgroup" },
	{ { "--cpuset-partition=a/b", NULL }, "no name for a cgroup" },
	{ { "--cpuset-partition=..", NULL }, "no name for a cgroup" },
	{ { "--cpuset-partition=cgroup.procs", NULL }, "no name for a cgroup" },
	{ { "--kernel", "k", "--placement", "auto", "--vcpus", "1", "--cpuset-partition", "p",
	    NULL },
	  "give one" },
	{ { "--irqchip=none", NULL }, "--irqchip" },
	{ { "--nx-huge-pages=Y", NULL }, "--nx-huge-pages: \"Y\"" },
	{ { "--nx-huge-pages=auto", NULL }, "--nx-huge-pages: \"auto\"" },
	{ { "--core-sched", "--core-sched", NULL }, "given twice" },
	{ { "--lapic-timer-advance=", NULL }, "not auto, off or a number" },
	{ { "--lapic-timer-advance=-1", NULL }, "not auto, off or a number" },
	{ { "--lapic-timer-advance=on", NULL }, "not auto, off or a number" },
	{ { "--lapic-timer-advance=0", NULL }, "off turns it off" },
	{ { "--lapic-timer-advance=100001", NULL }, "out of range" },
	{ { "--kernel", "k", "--cpus", "1", "--timer-residual", "--lapic-timer-advance=off", NULL },
	  "contradict" },
	{ { "--kernel", "k", "--cpus", "1", "--fifo=0", "--rt-delay", NULL },
	  "--rt-delay and --fifo 0 contradict" },
	{ { "--kernel", "k", "--cpus", "1", "--rt-delay", "--ordinary=0", NULL },
	  "--ordinary leaves no vCPU" },
	{ { "--kernel", "k", "--cpus", "1", "--fifo=7", "--ordinary=0", NULL },
	  "--ordinary leaves no vCPU" },
	{ { "--kernel", "k", "--cpus", "1-2", "--fifo=0:50,1:2", "--ordinary=0", NULL },
	  "--ordinary and --fifo both name vCPU 0; give one" },
	{ { "--kernel", "k", "--cpus", "1", "--no-exit=hlt", "--halt-poll=50us", NULL },
	  "--no-exit hlt and --halt-poll contradict" },
	{ { "--kernel", "k", "--cpus", "1", "--name=a", "--ctl=none", NULL },
	  "--name and --ctl none contradict" },
	{ { "--kernel", "k", "--cpus", "1", "--allow-shared", "--allow-tick", NULL },
	  "--allow-shared accepts what --allow-tick does" },
	{ { "--kernel", "k", "--cpus", "1", "--data=-", NULL }, "one can be standard output" },
	{ { "--kernel", "k", "--cpus", "1", "--console=c", "--data=-", "--events=-", NULL },
	  "one can be standard output" },
	{ { "--no-exit=hlt,hlt", NULL }, "names hlt twice" },
	{ { "--slow-exit=2s", NULL }, "more than 1s" },
	{ { "--slow-exit=x", NULL }, "not a duration" },
	{ { "--slow-exit=1", NULL }, "no unit; is it 1us, 1ms or 1s?" },
	{ { "--halt-poll=1", NULL }, "no unit; is it 1us, 1ms or 1s?" },
	{ { "--nonsense", NULL }, "--nonsense" },
	{ { "--kernel", NULL }, "--kernel" },
	{ { "kernel", NULL }, "is not an option" },
};

static void refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct err e = { 0 };
		struct run_opts o;

		assert_true(parse(&o, wrong[i].words, &e) < 0);
		if (!strstr(e.text, wrong[i].why))
			fail_msg("row %zu: %s", i, e.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fills_the_struct),
		cmocka_unit_test(leaves_the_host_its_mitigation),
		cmocka_unit_test(priorities),
		cmocka_unit_test(what_only_some_hosts_have),
		cmocka_unit_test(accepts),
		cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests_name("opts", tests, NULL, NULL);
}
