// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "tests/unit/guestclaim.h"

#define CPUS "devices/system/cpu/"

/* A descriptor of the tree's file; lock: LOCK_SH or LOCK_EX, -1: none. */
static int open_locked(const char *file, int flags, int lock)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", root, file);
	fd = open(path, O_RDONLY | flags);
	assert_true(fd >= 0);
	if (lock >= 0)
		assert_int_equal(flock(fd, lock | LOCK_NB), 0);
	return fd;
}

/* Beside a guest with vCPUs on CPU 2 and 3 and the rest on 0, 1 and 4. */
static void one_guest_a_cpu(void **state)
{
	static const struct {
		const char *vcpus, *others;
		bool shared;
		const char *why; /* NULL: may run */
		int busy; /* the last one that the other guest has */
	} rows[] = {
		{ "5", "0-1", false, NULL, -1 },
		{ "5", "0,4", false, NULL, -1 }, /* their other threads may meet */
		{ "0,5", "1", false, NULL,
		  -1 }, /* not isolated: --allow-shared decides elsewhere */
		{ "2-3", "0-1", false, "--cpus: CPU 2 wanted", 2 },
		{ "3,5", "0-1", false, "--cpus: CPU 3 wanted", 3 },
		{ "4", "0-1", false, "--cpus: CPU 4 wanted", 4 }, /* its other threads are there */
		{ "5", "0,3", false, "--housekeeping: CPU 3 wanted, but ", 3 },
		{ "2-3", "0-1", true, NULL, -1 },
		{ "5", "3", true, NULL, -1 },
		{ "3-4", "3-5", true, NULL, -1 },
	};
	struct claim first = { 0 }, c = { 0 };
	struct err e = { 0 };

	(void)state;
	guestclaim_tree();
	assert_int_equal(guestclaim(&first, "2-3", "0-1,4", false, &e), 0);
	assert_int_equal(first.n, 3);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int ret = guestclaim(&c, rows[i].vcpus, rows[i].others, rows[i].shared, &e);

		if (rows[i].why ? ret != -EBUSY || !strstr(e.text, rows[i].why) : ret)
			fail_msg("row %zu: %d %s", i, ret, e.text);
		assert_int_equal(c.busy_cpu, rows[i].busy);
		claim_drop(&c);
	}
	claim_drop(&first);
	assert_int_equal(guestclaim(&c, "2-3", "0-1", false, &e), 0); /* it has ended */
	claim_drop(&c);
	claim_drop(&c);
	assert_int_equal(file_remove_tree(root, &e), 0);
	assert_true(guestclaim(&c, "2", "0", true, &e) < 0); /* cannot be claimed at all */
}

/* A guest that shares a CPU has it, whoever was there before it and has gone. */
static void who_shares_is_known(void **state)
{
	static const struct {
		const char *vcpus, *others;
		const char *why; /* to whom comes then; NULL: may run */
	} rows[] = {
		{ "2", "0-1", "CPU 2 wanted alone, but " },
		{ "4", "0-1", "CPU 4 wanted alone, but " },
		{ "5", "2", "--housekeeping: CPU 2 wanted, but " },
		{ "5", "4", NULL }, /* their other threads may meet */
		{ "3", "0-1", NULL },
	};
	struct claim first = { 0 }, second = { 0 }, c = { 0 };
	struct err e = { 0 };

	(void)state;
	guestclaim_tree();
	assert_int_equal(guestclaim(&first, "2-3", "0-1,4", false, &e), 0);
	assert_int_equal(guestclaim(&second, "2", "4", true, &e), 0);
	claim_drop(&first);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int ret = guestclaim(&c, rows[i].vcpus, rows[i].others, false, &e);

		if (rows[i].why ? ret != -EBUSY || !strstr(e.text, rows[i].why) ||
					  !strstr(e.text, "holds the lock on ")
				: ret)
			fail_msg("row %zu: %d %s", i, ret, e.text);
		claim_drop(&c);
	}
	claim_drop(&second);
}

/* Any user may lock what all can open. */
static void a_strangers_lock_is_told(void **state)
{
	static const struct {
		const char *file;
		bool shared;
		int ret;
		const char *why;
	} rows[] = {
		{ CPUS "cpu2", false, -EBUSY, "/devices/system/cpu/cpu2; name" },
		{ CPUS "cpu2/uevent", false, -EBUSY, "cpu2/uevent; name" },
		{ CPUS "cpu2", true, -EAGAIN, "/devices/system/cpu/cpu2 for itself; end it" },
		{ CPUS "cpu0/uevent", true, 0, "" }, /* not isolated: nothing to claim */
		{ CPUS, false, -EAGAIN, "/devices/system/cpu and keeps it; end it" },
	};
	struct err e = { 0 };

	(void)state;
	guestclaim_tree();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int fd = open_locked(rows[i].file, O_CLOEXEC, LOCK_EX), ret;
		struct claim c = { 0 };

		ret = guestclaim(&c, "2", "0", rows[i].shared, &e);
		if (ret != rows[i].ret || !strstr(e.text, rows[i].why))
			fail_msg("row %zu: %d %s", i, ret, e.text);
		claim_drop(&c);
		close(fd);
	}
}

/* Its command as /proc has it: any user may have started it, with any name. */
static void the_holder_is_named(void **state)
{
	static const struct {
		const char *name, *want;
	} rows[] = {
		{ "rtkvm run", " (rtkvm run 9) holds the lock on F" },
		{ "e\x1b[2Jvil\n", " (e?[2Jvil? 9) holds the lock on F" },
		{ "a-name-longer-than-the-room-for-it-has-its-beginning-told-and-no-more",
		  " (a-name-longer-than-the-room-for-it-has-its-beginning-told-and-n) holds" },
	};
	char path[256], text[CLAIM_HELD_BYTES] = "", want[256];
	int fd;

	(void)state;
	tree_put("", "F");
	snprintf(path, sizeof(path), "%s/F", root);
	fd = open(path, O_RDONLY);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		pid_t pid = fork();

		if (!pid) {
			flock(open(path, O_RDONLY), LOCK_EX);
			execl("/bin/sleep", rows[i].name, "9", NULL);
			_exit(1);
		}
		for (int k = 0; k < 5000 && !strstr(text, rows[i].want); k++) {
			usleep(1000);
			claim_held(text, fd, "F");
		}
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		snprintf(want, sizeof(want), "process %d%s", (int)pid, rows[i].want);
		if (strncmp(text, want, strlen(want)) != 0)
			fail_msg("%s, not %s", text, want);
	}
	assert_non_null(strstr(claim_held(text, fd, "F"), "somebody holds the lock on F ("));
	close(fd);
}

enum { NO_RIGHT = 77 };

/* What a stranger sees of it on a /proc mounted with hidepid=2, in another mount namespace. */
static int look_without_its_directory(pid_t pid, int fd, const char *want)
{
	char dir[64], text[CLAIM_HELD_BYTES];
	int code;

	snprintf(dir, sizeof(dir), "/proc/%d", (int)pid);
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", dir, "tmpfs", 0, NULL))
		return NO_RIGHT;
	code = strcmp(claim_held(text, fd, "F"), want) ? 1 : 0;
	if (code)
		fprintf(stderr, "%s, not %s\n", text, want);
	return code;
}

/* Its number is known all the same, and that it lives. */
static void a_hidden_holder_has_a_number(void **state)
{
	int fd, status;
	char want[128];
	pid_t pid;

	(void)state;
	tree_put("", "F");
	fd = open_locked("F", 0, LOCK_EX);
	snprintf(want, sizeof(want), "process %d holds the lock on F", (int)getpid());
	pid = fork();
	if (!pid)
		_exit(look_without_its_directory(getppid(), fd, want));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(fd);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_RIGHT)
		skip();
	assert_int_equal(status, 0);
}

/* Another's CPU is refused, and the claim says whose it is; what is shared by kind. */
static void each_kind_is_shared_alone(void **state)
{
	static const struct {
		const char *vcpus, *others;
		bool share_alone, share_beside;
		int ret, busy;
	} rows[] = {
		{ "2", "0", false, true, -EBUSY, 2 }, { "2", "0", true, false, 0, -1 },
		{ "5", "3", true, false, -EBUSY, 3 }, { "5", "3", false, true, 0, -1 },
		{ "2", "3", true, true, 0, -1 },
	};
	struct claim first = { 0 };
	struct err e = { 0 };
	char me[32];

	(void)state;
	guestclaim_tree();
	snprintf(me, sizeof(me), "process %d (", getpid());
	assert_int_equal(guestclaim(&first, "2-3", "0", false, &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cpulist v = cpus_of(rows[i].vcpus), t = cpus_of(rows[i].others);
		const struct claim_opts o = { .alone = &v, /* isolated: as the tree has them */
					      .beside = &t,
					      .alone_for = "--cpus",
					      .beside_for = "--housekeeping",
					      .share_alone = rows[i].share_alone,
					      .share_beside = rows[i].share_beside };
		struct claim c;

		err_clear(&e);
		if (claim_cpus(&c, root, &o, &e) != rows[i].ret || c.busy_cpu != rows[i].busy)
			fail_msg("row %zu: CPU %d, %s", i, c.busy_cpu, e.text);
		if (rows[i].ret) {
			assert_non_null(strstr(e.text, "; wait for its end or take other CPUs"));
			assert_memory_equal(c.busy_by, me, strlen(me));
		}
		claim_drop(&c);
	}
	claim_drop(&first);
}

/* A descriptor that outlives exec, with a lock: that of a campaign, or of flock(1). */
static void what_is_handed_over_is_ours(void **state)
{
	static const struct {
		const char *file;
		int flags, lock; /* -1: none */
		int ret;
		size_t n; /* claimed by ourselves */
	} rows[] = {
		{ CPUS "cpu2", 0, LOCK_SH, 0, 1 },
		{ CPUS "cpu2", 0, LOCK_EX, 0, 1 },
		{ CPUS "cpu2", O_CLOEXEC, LOCK_SH, -EBUSY, 0 }, /* not left to us */
		{ CPUS "cpu3", 0, LOCK_SH, 0, 1 },
		{ CPUS "cpu4", 0, LOCK_SH, 0, 2 }, /* not asked for */
		{ CPUS "cpu2", 0, -1, 0, 2 }, /* no claim */
		{ CPUS "cpu2/uevent", 0, LOCK_SH, -EBUSY, 0 }, /* somebody's beside, not alone */
	};
	struct err e = { 0 };

	(void)state;
	guestclaim_tree();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int fd = open_locked(rows[i].file, rows[i].flags, rows[i].lock);
		struct claim c = { 0 };

		if (guestclaim(&c, "2-3", "0", false, &e) != rows[i].ret || c.n != rows[i].n)
			fail_msg("row %zu: %zu claimed; %s", i, c.n, e.text);
		claim_drop(&c);
		close(fd);
	}
}

static void finds_the_holder(void **state)
{
	static const char locks[] = "1: POSIX  ADVISORY  WRITE 11 00:16:4711 0 EOF\n"
				    "2: FLOCK  ADVISORY  READ  12 00:17:4711 0 EOF\n"
				    "3: FLOCK  ADVISORY  WRITE 13 00:16:4711 0 EOF\n"
				    "3: -> FLOCK  ADVISORY  WRITE 14 00:16:4712 0 EOF\n"
				    "4: FLOCK  ADVISORY  READ  -1 103:02:15 0 EOF\n"
				    "5: FLOCK  ADVISORY  READ  16 103:02:15 0 EOF\n"
				    "6: FLOCK  ADVISORY";
	static const struct {
		unsigned int major, minor;
		ino_t inode;
		pid_t want;
	} rows[] = {
		{ 0, 0x16, 4711, 13 }, { 0, 0x17, 4711, 12 }, { 0x103, 2, 15, 16 },
		{ 0, 0x16, 4712, 0 },  { 0, 0x16, 471, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(
			claim_holder(locks, makedev(rows[i].major, rows[i].minor), rows[i].inode),
			rows[i].want);
	assert_int_equal(claim_holder("", 0, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(one_guest_a_cpu),
		tree_test(who_shares_is_known),
		tree_test(a_strangers_lock_is_told),
		tree_test(the_holder_is_named),
		tree_test(a_hidden_holder_has_a_number),
		tree_test(each_kind_is_shared_alone),
		tree_test(what_is_handed_over_is_ours),
		cmocka_unit_test(finds_the_holder),
	};

	return cmocka_run_group_tests_name("claim", tests, NULL, NULL);
}
