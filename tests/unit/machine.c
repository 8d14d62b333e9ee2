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

#include "guests/machine.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

static void command(void **state)
{
	static const struct machine_share shares[] = { { "a", "/x,y", false },
						       { "b", "/z", true } };
	const struct machine_config c = { .kernel = "k",
					  .initrd = "i",
					  .cmdline = "x=1 y",
					  .cpus = 3,
					  .mem_bytes = 2ull << 30,
					  .disk = "/d,1",
					  .shares = shares,
					  .n_shares = 2,
					  .console = "/con,1",
					  .log = "log",
					  .monitor = "m" };
	static const char *const want[] = {
		"3",
		"2048M",
		"x=1 y",
		"file,id=console,path=/con,,1",
		"socket,id=lab,fd=7",
		"socket,id=gdb,server=on,wait=off,fd=8",
		"chardev:gdb",
		"local,id=a,security_model=none,multidevs=remap,readonly=on,path=/x,,y",
		"local,id=b,security_model=none,multidevs=remap,path=/z",
		"if=virtio,format=raw,cache=unsafe,file=/d,,1,snapshot=on",
		"unix:m,server=on,wait=off",
	};
	_cleanup_args_ struct args a = { 0 };

	(void)state;
	machine_command(&a, &c, 7, 8);
	assert_false(a.failed);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		if (!args_has(&a, want[i]))
			fail_msg("%s is missing", want[i]);
}

static void a_kept_disk_is_no_snapshot(void **state)
{
	const struct machine_config c = { .kernel = "k",
					  .initrd = "i",
					  .cmdline = "",
					  .cpus = 1,
					  .disk = "d",
					  .keep_disk = true,
					  .console = "c" };
	_cleanup_args_ struct args a = { 0 };

	(void)state;
	machine_command(&a, &c, 3, 4);
	assert_true(args_has(&a, "if=virtio,format=raw,cache=unsafe,file=d"));
	assert_false(args_has(&a, "-monitor"));
}

struct channel {
	int theirs;
	struct machine m;
};

static struct channel channel(void)
{
	struct channel c = { .m = { .channel = -1, .dir = -1 } };
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	c.m.channel = ends[0];
	c.theirs = ends[1];
	return c;
}

static void receives_frames(void **state)
{
	struct channel c = channel();
	struct lab_frame h = { .type = LAB_OUT, .len = 5 };
	uint64_t soon = clock_now_ns() + 10 * NSEC_PER_SEC;
	char data[LAB_FRAME_MAX];
	struct err e = { 0 };

	(void)state;
	assert_int_equal(write(c.theirs, &h, sizeof(h)), sizeof(h));
	assert_int_equal(write(c.theirs, "hello", 5), 5);
	assert_int_equal(machine_receive(&c.m, soon, -1, &h, data, &e), 0);
	assert_int_equal(h.type, LAB_OUT);
	assert_memory_equal(data, "hello", 5);
	assert_int_equal(machine_receive(&c.m, clock_now_ns() + 1000000, -1, &h, data, &e),
			 -ETIMEDOUT);
	h.len = LAB_FRAME_MAX + 1;
	assert_int_equal(write(c.theirs, &h, sizeof(h)), sizeof(h));
	assert_int_equal(machine_receive(&c.m, soon, -1, &h, data, &e), -EPROTO);
	close(c.theirs);
	machine_stop(&c.m);
}

/* A machine may stand still in mid-frame, and be looked at, before it sends the rest. */
static void goes_on_in_mid_frame(void **state)
{
	struct channel c = channel();
	const struct lab_frame sent = { .type = LAB_ERR, .len = 5 };
	struct lab_frame h = { 0 };
	char bytes[sizeof(sent) + 5], data[LAB_FRAME_MAX];
	struct err e = { 0 };

	(void)state;
	memcpy(bytes, &sent, sizeof(sent));
	memcpy(bytes + sizeof(sent), "hello", 5);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		assert_int_equal(machine_receive(&c.m, 0, -1, &h, data, &e), -ETIMEDOUT);
		assert_int_equal(write(c.theirs, &bytes[i], 1), 1);
	}
	/* what is there is taken, however late it is */
	assert_int_equal(machine_receive(&c.m, 0, -1, &h, data, &e), 0);
	assert_int_equal(h.type, LAB_ERR);
	assert_int_equal(h.len, 5);
	assert_memory_equal(data, "hello", 5);
	assert_int_equal(machine_receive(&c.m, 0, -1, &h, data, &e), -ETIMEDOUT);
	close(c.theirs);
	machine_stop(&c.m);
}

static void a_broken_channel(void **state)
{
	struct channel c = channel();
	struct lab_frame h = { .type = LAB_OUT, .len = 5 };
	uint64_t soon = clock_now_ns() + 10 * NSEC_PER_SEC;
	char data[LAB_FRAME_MAX];
	struct err e = { 0 };

	(void)state;
	assert_int_equal(write(c.theirs, &h, sizeof(h)), sizeof(h));
	assert_int_equal(write(c.theirs, "he", 2), 2);
	close(c.theirs);
	assert_int_equal(machine_receive(&c.m, soon, -1, &h, data, &e), -EPIPE);
	machine_stop(&c.m);
	assert_int_equal(c.m.channel, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command),	    cmocka_unit_test(a_kept_disk_is_no_snapshot),
		cmocka_unit_test(receives_frames),  cmocka_unit_test(goes_on_in_mid_frame),
		cmocka_unit_test(a_broken_channel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
