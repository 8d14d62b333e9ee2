// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/clock.h"
#include "lib/proc.h"

static void exit_codes_and_output(void **state)
{
	char out[8];
	struct err e = { 0 };
	char *seven[] = { "sh", "-c", "printf 0123456789; exit 7", NULL };
	char *killed[] = { "sh", "-c", "kill -9 $$", NULL };

	(void)state;
	assert_int_equal(proc_run(seven, 0, out, sizeof(out), &e), 7);
	assert_string_equal(out, "0123456"); /* cut, and the writer was not blocked */
	assert_int_equal(proc_run(killed, 60, NULL, 0, &e), 128 + SIGKILL);
}

static void missing_program_is_an_error_not_an_exit_code(void **state)
{
	char *argv[] = { "no-such-program", NULL };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(proc_run(argv, 0, NULL, 0, &e), -ENOENT);
	assert_non_null(strstr(e.text, "no-such-program"));
}

/* Whoever holds the write end is alive: the end of file tells that none is left. */
static void assert_all_gone(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char c;

	assert_int_equal(poll(&pfd, 1, 5000), 1);
	assert_int_equal(read(fd, &c, 1), 0);
	close(fd);
}

static void deadline_and_stop_take_the_whole_group(void **state)
{
	struct proc_opts o = PROC_OPTS_INIT;
	char *argv[] = { "sh", "-c", "sleep 1000 & trap '' TERM; echo; sleep 1000; sleep 1000",
			 NULL };
	struct err e = { 0 };
	struct proc p;
	int fd[2];
	char c;

	(void)state;
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	o.argv = argv;
	o.out = fd[1];
	assert_int_equal(proc_start(&p, &o, &e), 0);
	close(fd[1]);
	assert_int_equal(read(fd[0], &c, 1), 1); /* it ignores SIGTERM from now on */
	assert_int_equal(proc_wait(&p, clock_now_ns() + 100000000), -ETIMEDOUT);
	proc_stop(&p, 100);
	assert_int_equal(p.pid, 0);
	assert_int_equal(proc_code(&p), 128 + SIGKILL);
	assert_all_gone(fd[0]);
	proc_stop(&p, 100);
}

static void run_has_a_deadline(void **state)
{
	char *sleeps[] = { "sh", "-c", "echo begun; sleep 1000", NULL };
	/* it has ended, but what it left behind holds the pipe */
	char *left[] = { "sh", "-c", "echo begun; sleep 1000 & exit 3", NULL };
	struct err e = { 0 };
	char out[16];

	(void)state;
	assert_int_equal(proc_run(sleeps, 1, out, sizeof(out), &e), -ETIMEDOUT);
	assert_string_equal(out, "begun\n");
	assert_non_null(strstr(e.text, "not ended after 1 s"));
	err_clear(&e);
	assert_int_equal(proc_run(sleeps, 1, NULL, 0, &e), -ETIMEDOUT);
	err_clear(&e);
	assert_int_equal(proc_run(left, 1, out, sizeof(out), &e), -ETIMEDOUT);
}

static void child_dies_with_its_parent(void **state)
{
	pid_t parent;
	int fd[2];

	(void)state;
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	parent = fork();
	if (!parent) {
		struct proc_opts o = PROC_OPTS_INIT;
		char *argv[] = { "sleep", "1000", NULL };
		struct err e = { 0 };
		struct proc p;

		o.argv = argv;
		o.out = fd[1];
		proc_start(&p, &o, &e);
		kill(getpid(), SIGKILL);
	}
	close(fd[1]);
	waitpid(parent, NULL, 0);
	assert_all_gone(fd[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exit_codes_and_output),
		cmocka_unit_test(missing_program_is_an_error_not_an_exit_code),
		cmocka_unit_test(deadline_and_stop_take_the_whole_group),
		cmocka_unit_test(run_has_a_deadline),
		cmocka_unit_test(child_dies_with_its_parent),
	};

	return cmocka_run_group_tests_name("proc", tests, NULL, NULL);
}
