// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/file.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/claim.h"
#include "lib/cleanup.h"
#include "tests/unit/cpus.h"
#include "tests/unit/tree.h"

static int claim(struct claim *c, const char *vcpus, const char *others, bool shared, struct err *e)
{
	struct cpulist isolated = cpus_of("2-5"), v = cpus_of(vcpus), t = cpus_of(others);
	struct claim_opts o = { .isolated = &isolated,
				.alone = &v,
				.beside = &t,
				.alone_for = "--cpus",
				.beside_for = "--housekeeping",
				.remedy = "name others",
				.allow_shared = shared };

	err_clear(e);
	return claim_cpus(c, root, &o, e);
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
	for (int cpu = 0; cpu < 6; cpu++)
		tree_put("", "devices/system/cpu/cpu%d/uevent", cpu);
	assert_int_equal(claim(&first, "2-3", "0-1,4", false, &e), 0);
	assert_int_equal(first.n, 3);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int ret = claim(&c, rows[i].vcpus, rows[i].others, rows[i].shared, &e);

		if (rows[i].why ? ret != -EBUSY || !strstr(e.text, rows[i].why) : ret)
			fail_msg("row %zu: %d %s", i, ret, e.text);
		assert_int_equal(c.busy_cpu, rows[i].busy);
		claim_drop(&c);
	}
	claim_drop(&first);
	assert_int_equal(claim(&c, "2-3", "0-1", false, &e), 0); /* it has ended */
	claim_drop(&c);
	claim_drop(&c);
	assert_int_equal(file_remove_tree(root, &e), 0);
	assert_true(claim(&c, "2", "0", true, &e) < 0); /* cannot be claimed at all */
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
	for (int cpu = 0; cpu < 6; cpu++)
		tree_put("", "devices/system/cpu/cpu%d/uevent", cpu);
	assert_int_equal(claim(&first, "2-3", "0-1,4", false, &e), 0);
	assert_int_equal(claim(&second, "2", "4", true, &e), 0);
	claim_drop(&first);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int ret = claim(&c, rows[i].vcpus, rows[i].others, false, &e);

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
		{ "cpu2", false, -EBUSY,
		  "/devices/system/cpu/cpu2 (another rtkvm run, or a campaign?); name" },
		{ "cpu2/uevent", false, -EBUSY,
		  "cpu2/uevent (another rtkvm run, or a campaign?); name" },
		{ "cpu2", true, -EAGAIN,
		  "/devices/system/cpu/cpu2 (another rtkvm run, or a campaign?)" },
		{ "cpu0/uevent", true, 0, "" }, /* not isolated: nothing to claim */
		{ ".", false, -EAGAIN,
		  "/devices/system/cpu (another rtkvm run, or a campaign?) and keeps it" },
	};
	struct err e = { 0 };

	(void)state;
	for (int cpu = 0; cpu < 6; cpu++)
		tree_put("", "devices/system/cpu/cpu%d/uevent", cpu);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct claim c = { 0 };
		char path[256];
		int fd, ret;

		snprintf(path, sizeof(path), "%s/devices/system/cpu/%s", root, rows[i].file);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
		ret = claim(&c, "2", "0", rows[i].shared, &e);
		if (ret != rows[i].ret || !strstr(e.text, rows[i].why))
			fail_msg("row %zu: %d %s", i, ret, e.text);
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
		cmocka_unit_test(finds_the_holder),
	};

	return cmocka_run_group_tests_name("claim", tests, NULL, NULL);
}
