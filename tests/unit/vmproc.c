// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "cyclic/qemu.h"
#include "lib/threads.h"
#include "cyclic/vmproc.h"
#include "lib/cleanup.h"

static const struct cpumap map = { .n = 2, .host = { 2, 5 } };

static bool has(const struct vmproc_argv *a, const char *option, const char *value)
{
	for (int i = 0; i + 1 < a->n; i++)
		if (!strcmp(a->argv[i], option) && !strcmp(a->argv[i + 1], value))
			return true;
	return false;
}

static void command_lines(void **state)
{
	struct vmproc_opts o = {
		.kernel = "/i/vmlinuz",
		.initrd = "/i/initrd",
		.append = "quiet rtkvm.exec=\"a b\"",
		.cpus = &map,
		.memory_bytes = 512 << 20,
		.timeout_ns = 90000000000,
		.console = "/r/console.log",
	};
	const struct vmproc_fds fds = { .events = 7, .data = 9, .ctl = 11, .in = -1, .out = -1 };
	struct vmproc_argv a;
	struct err e = { 0 };

	(void)state;
	o.hold = true;
	assert_int_equal(vmproc_argv(&a, &o, "/bin/rtkvm", &fds, &e), 0);
	assert_true(has(&a, "/dev/fd/11", "--hold"));
	o.hold = false;
	assert_int_equal(vmproc_argv(&a, &o, "/bin/rtkvm", &fds, &e), 0);
	assert_false(has(&a, "/dev/fd/11", "--hold"));
	assert_true(has(&a, "--ctl", "/dev/fd/11"));
	assert_false(has(&a, "--ordinary", "0"));
	cpulist_add(&o.ordinary, 0);
	assert_int_equal(vmproc_argv(&a, &o, "/bin/rtkvm", &fds, &e), 0);
	assert_true(has(&a, "--ordinary", "0"));
	assert_string_equal(a.argv[0], "/bin/rtkvm");
	assert_string_equal(a.argv[1], "run");
	assert_null(a.argv[a.n]);
	assert_true(has(&a, "--cpus", "0:2,1:5"));
	assert_true(has(&a, "--memory", "536870912"));
	assert_true(has(&a, "--events", "/dev/fd/7"));
	assert_true(has(&a, "--data", "/dev/fd/9"));
	assert_true(has(&a, "--timeout", "90s"));
	assert_true(has(&a, "--append", o.append));
	assert_string_not_equal(a.argv[a.n - 1], "--allow-shared");

	o.kind = VMM_QEMU;
	assert_int_equal(vmproc_argv(&a, &o, "/bin/rtkvm", &fds, &e), 0);
	assert_string_equal(a.argv[0], "qemu-system-x86_64");
	assert_true(has(&a, "-smp", "2"));
	assert_true(has(&a, "-m", "512M"));
	assert_true(has(&a, "-object", "memory-backend-ram,id=ram,prealloc=on,size=512M"));
	assert_true(has(&a, "-chardev", "file,id=data,path=/dev/fd/9"));
	assert_true(has(&a, "-chardev", "stdio,id=console,signal=off"));
	assert_true(has(&a, "-serial", "chardev:console"));
	assert_true(has(&a, "-device", "isa-debugcon,iobase=0x5e0,chardev=data"));
	assert_true(has(&a, "-device", "isa-debugcon,iobase=0x5e4,chardev=mark"));
	assert_true(has(&a, "-device", "isa-debug-exit,iobase=0xf4,iosize=1"));
}

static void too_long(void **state)
{
	static char text[VMPROC_ARG_BYTES + 1];
	struct vmproc_opts o = { .cpus = &map, .kernel = "k", .initrd = "i", .console = "c" };
	const struct vmproc_fds fds = VMPROC_FDS_INIT;
	struct vmproc_argv a;
	struct err e = { 0 };

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	o.append = text;
	assert_int_equal(vmproc_argv(&a, &o, "rtkvm", &fds, &e), -E2BIG);
}

static void qemu_codes(void **state)
{
	(void)state;
	assert_int_equal(qemu_exit(1), 0);
	assert_int_equal(qemu_exit(3), 1);
	assert_int_equal(qemu_exit(255), 127);
	assert_int_equal(qemu_exit(0), -1);
	assert_int_equal(qemu_exit(2), -1);
}

static void overhead(void **state)
{
	const uint64_t ram = 512 << 20, page = sysconf(_SC_PAGESIZE);
	char statm[64];

	(void)state;
	snprintf(statm, sizeof(statm), "999999 %ju 10 1 0 5 0\n", (uintmax_t)(ram / page + 100));
	assert_int_equal(qemu_overhead(statm, ram), 100 * page);
	assert_int_equal(qemu_overhead("999999 17 10 1 0 5 0", ram), 0); /* RAM is not locked */
	assert_int_equal(qemu_overhead("", ram), 0);
}

/* What has been taken leaves a hole: a stream may be longer than the VMM may leave unread. */
static void long_stream(void **state)
{
	const struct vmproc_opts o = { .kind = VMM_RTKVM };
	struct vmproc v = { .o = &o, .data = memfd_create("test", 0) };
	json_object *event = NULL;
	struct err e = { 0 };
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	v.events = fds[0];
	assert_true(v.data >= 0);
	assert_int_equal(ftruncate(v.data, 1ll << 40), 0);
	assert_int_equal(vmproc_next(&v, 0, &event, &e), 0);
	close(v.data);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_lines), cmocka_unit_test(too_long),
		cmocka_unit_test(qemu_codes),	 cmocka_unit_test(overhead),
		cmocka_unit_test(long_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
