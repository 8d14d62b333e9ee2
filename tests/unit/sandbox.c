// SPDX-License-Identifier: GPL-2.0-only
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/file.h"
#include "lib/stop.h"
#include "vmm/sandbox.h"

/* What a child does in its sandbox; 0 when all was as it should be. */
typedef int (*child_fn)(const struct sandbox *s);

static int in_child(const struct sandbox_opts *o, child_fn fn)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		struct sandbox s = { 0 };
		struct err e = { 0 };
		int ret = sandbox_prepare(&s, o, &e) ? 100 : fn(&s);

		if (e.code)
			fprintf(stderr, "%s\n", e.text);
		sandbox_free(&s);
		_exit(ret);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int says(const char *what)
{
	struct err e = { 0 };

	if (!sandbox_violation(&e))
		return 1;
	return strstr(e.text, what) ? 0 : 2;
}

static bool status_has(const char *line)
{
	struct err e = { 0 };
	char path[64], text[4096];

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", (int)syscall(SYS_gettid));
	return file_read(path, text, sizeof(text), &e) > 0 && strstr(text, line);
}

/* What isatty, tcgetattr and tcsetattr may be made of; no descriptor -1 is a terminal. */
static bool reaches_terminals(void)
{
	static const unsigned long requests[] = { TCGETS,  TCSETS,  TCSETSW,  TCSETSF,
						  TCGETS2, TCSETS2, TCSETSW2, TCSETSF2 };

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		if (ioctl(-1, requests[i], NULL) != -1 || errno != EBADF)
			return false;
	return true;
}

static int main_role(const struct sandbox *s)
{
	struct err e = { 0 };

	if (sandbox_enter(s, SANDBOX_MAIN, &e) < 0)
		return 10;
	if (!status_has("\nSeccomp:\t2\n") || !status_has("\nNoNewPrivs:\t1\n"))
		return 11;
	if (!status_has("\nCapEff:\t0000000000000000\n") &&
	    !status_has("\nCapEff:\t0000000000800000\n"))
		return 12;
	if (sandbox_violation(&e))
		return 13;
	if (!reaches_terminals() || sandbox_violation(&e))
		return 15;
	if (socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != EPERM)
		return 14;
	return says("a main thread at system call socket");
}

static int undo_role(const struct sandbox *s)
{
	struct err e = { 0 };
	int fd;

	if (sandbox_enter(s, SANDBOX_MAIN, &e) < 0)
		return 20;
	/* the root cgroup is 0555: nothing below it goes without CAP_DAC_OVERRIDE */
	if (!geteuid() && !status_has("\nCapEff:\t0000000000800002\n"))
		return 23;
	fd = open("/dev/null", O_WRONLY);
	if (fd < 0 || sandbox_violation(&e))
		return 21;
	close(fd);
	return execl("/bin/true", "true", NULL) < 0 ? says("system call execve") : 22;
}

static void *vcpu_thread(void *arg)
{
	struct err e = { 0 };

	if (sandbox_enter(arg, SANDBOX_VCPU, &e) < 0)
		return NULL;
	syscall(SYS_getuid); /* must not return */
	stop_set(1 << 20); /* not a violation */
	_exit(30);
}

static int vcpu_role(const struct sandbox *s)
{
	pthread_t t;

	stop_install(); /* the main thread is woken with a SIGTERM */
	if (pthread_create(&t, NULL, vcpu_thread, (void *)s) || pthread_join(t, NULL))
		return 31;
	return says("a vCPU or device thread at system call getuid");
}

/* A device's thread may write what is open. */
static int device_role(const struct sandbox *s)
{
	struct err e = { 0 };

	if (sandbox_enter(s, SANDBOX_DEVICE, &e) < 0)
		return 50;
	if (syscall(SYS_pwritev, STDOUT_FILENO, NULL, 0, 0, 0) && errno == EPERM)
		return 51;
	if (fdatasync(STDOUT_FILENO) && errno == EPERM)
		return 52;
	if (sandbox_violation(&e))
		return 53;
	syscall(SYS_getuid);
	return says("getuid");
}

static int no_role(const struct sandbox *s)
{
	struct err e = { 0 };

	if (sandbox_enter(s, SANDBOX_MAIN, &e) < 0)
		return 40;
	syscall(SYS_getuid);
	return sandbox_violation(&e) ? 41 : 0;
}

static void stops_what_is_not_needed(void **state)
{
	struct sandbox_opts o = { .fifo = 1 };

	(void)state;
	assert_int_equal(in_child(&o, main_role), 0);
	assert_int_equal(in_child(&o, vcpu_role), 0);
	o.devices = true;
	assert_int_equal(in_child(&o, device_role), 0);
	o.restores = true;
	assert_int_equal(in_child(&o, undo_role), 0);
}

static void lets_pass_what_it_is_told_to(void **state)
{
	struct sandbox_opts o = { .mode = SANDBOX_OFF };

	(void)state;
	assert_int_equal(in_child(&o, no_role), 0);
	o.mode = SANDBOX_LOG;
	assert_int_equal(in_child(&o, no_role), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stops_what_is_not_needed),
		cmocka_unit_test(lets_pass_what_it_is_told_to),
	};

	return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
