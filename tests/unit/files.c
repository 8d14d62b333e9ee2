// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/clock.h"
#include "lib/stop.h"
#include "tests/unit/tree.h"
#include "vmm/files.h"

/* Blocks the test forever where a signal is forgotten that came before the FIFO was opened. */
static void a_signal_before_the_wait_counts(void **state)
{
	const struct run_opts o = { .console = "fifo", .data = "new" };
	struct files f = { 0 };
	struct err e = { 0 };

	(void)state;
	alarm(60);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	stop_set(SIGTERM);
	assert_int_equal(files_open(&f, &o, &e), -EINTR);
	assert_int_equal(files_close(&f, -EINTR, &e), -EINTR);
	assert_int_equal(access("new", F_OK), -1);
	assert_int_equal(access("fifo", F_OK), 0);
	alarm(0);
}

static void *read_late(void *fd)
{
	clock_sleep_until(clock_now_ns() + 50000000);
	*(int *)fd = open("fifo", O_RDONLY | O_CLOEXEC);
	return NULL;
}

static void a_reader_is_waited_for(void **state)
{
	const struct run_opts o = { .console = "fifo" };
	struct files f = { 0 };
	struct err e = { 0 };
	pthread_t reader;
	int fd = -1;

	(void)state;
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(pthread_create(&reader, NULL, read_late, &fd), 0);
	assert_int_equal(files_open(&f, &o, &e), 0);
	pthread_join(reader, NULL);
	/* what a reader leaves waits, and is not dropped */
	assert_false(fcntl(files_fd(&f, "--console"), F_GETFL) & O_NONBLOCK);
	assert_int_equal(files_close(&f, 0, &e), 0);
	close(fd);
}

static void what_cannot_be_an_output(void **state)
{
	const struct {
		struct run_opts o;
		int ret;
		const char *why;
	} rows[] = {
		{ { .console = "link" },
		  -ENOENT,
		  "--console link failed: it is a link to nothing" },
		{ { .console = "none/x" }, -ENOENT, "opening --console none/x failed: No such" },
		{ { .devices = { .n = 1, .at = { { .kind = DEV_CONSOLE, .path = { "-", 1 } } } } },
		  -EINVAL,
		  "--virtio-console: - is standard output" },
	};

	(void)state;
	assert_int_equal(symlink("target", "link"), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct files f = { 0 };
		struct err e = { 0 };

		assert_int_equal(files_open(&f, &rows[i].o, &e), rows[i].ret);
		assert_non_null(strstr(e.text, rows[i].why));
		files_close(&f, rows[i].ret, &e);
		assert_int_equal(access("target", F_OK), -1);
		assert_int_equal(access("-", F_OK), -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_cannot_be_an_output, tree_enter, tree_leave),
		cmocka_unit_test_setup_teardown(a_reader_is_waited_for, tree_enter, tree_leave),
		/* the last one: nothing takes a stop back */
		cmocka_unit_test_setup_teardown(a_signal_before_the_wait_counts, tree_enter,
						tree_leave),
	};

	return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
