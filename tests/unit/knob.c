// SPDX-License-Identifier: GPL-2.0-only
#include "lib/knob.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/file.h"

struct fixture {
	char dir[64];
	char journal[96];
	int root;
};

static void put(struct fixture *f, const char *name, const char *text)
{
	struct err e = { 0 };
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	assert_int_equal(file_replace(path, text, strlen(text), &e), 0);
}

static void expect(struct fixture *f, const char *name, const char *text)
{
	struct err e = { 0 };
	char buf[256];

	assert_true(knob_read(f->root, name, buf, sizeof(buf), &e) >= 0);
	assert_string_equal(buf, text);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err e = { 0 };

	strcpy(f->dir, "/tmp/rtkvm-knob.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->journal, sizeof(f->journal), "%s/run/a.knobs", f->dir);
	f->root = knob_root(f->dir, &e);
	assert_true(f->root >= 0);
	put(f, "/watchdog", "1\n");
	put(f, "/mask", "ff\n");
	put(f, "/thp", "always\n");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };

	file_remove_tree(f->dir, &e);
	close(f->root);
	free(f);
	return 0;
}

static void same(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} t[] = {
		{ "0", "0", true },	      { "Y", "1", true },
		{ "N", "0", true },	      { "n", "N", true },
		{ "0000000c", "c", true },    { "00000000,0000000c", "c", true },
		{ "c,00000000", "c", false }, { "0,2", "2", false },
		{ "0-3", "-3", false },	      { "10", "1", false },
		{ "-1", "-1", true },	      { "never", "never", true },
		{ "never", "always", false }, { "", "0", false },
		{ "00", "0", true },	      { "0x10", "10", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		if (knob_same(t[i].a, t[i].b) != t[i].same)
			fail_msg("\"%s\" and \"%s\"", t[i].a, t[i].b);
}

static void value(void **state)
{
	static const struct {
		const char *text, *value;
	} t[] = {
		{ "always madvise [never]", "never" },
		{ "[always] madvise never\n", "always" },
		{ "1000\n", "1000" },
		{ "[]", "[]" },
		{ "open [", "open [" },
		{ "", "" },
	};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		assert_string_equal(knob_value(t[i].text, buf, sizeof(buf)), t[i].value);
}

static void reading_has_limits(void **state)
{
	struct fixture *f = *state;
	char path[96], buf[8];
	int ret;

	snprintf(path, sizeof(path), "%s/fifo", f->dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(path, sizeof(path), "%s/link", f->dir);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	put(f, "/long", "12345678");
	put(f, "/fits", "1234567");
	snprintf(path, sizeof(path), "%s/nul", f->dir);
	assert_int_equal(file_replace(path, "a\0b", 3, &(struct err){ 0 }), 0);
	static const struct {
		const char *path;
		int ret;
	} t[] = {
		{ "/fits", 7 },		 { "/long", -EFBIG },	 { "/nul", -EBADMSG },
		{ "/fifo", -EINVAL },	 { "/absent", -ENOENT }, { "/link", -ENOENT },
		{ "/fits/x", -ENOTDIR }, { "/", -EINVAL },	 { "/../../fits", 7 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct err e = { 0 };

		ret = knob_read(f->root, t[i].path, buf, sizeof(buf), &e);
		if (ret != t[i].ret)
			fail_msg("%s: %d, expected %d (%s)", t[i].path, ret, t[i].ret, e.text);
		assert_int_equal(e.code, ret < 0 ? ret : 0);
	}
}

static void set_and_undo(void **state)
{
	struct fixture *f = *state;
	struct knob k[] = {
		{ .path = "/watchdog", .want = "0" },
		{ .path = "/mask", .want = "0000000f" },
		{ .path = "/none", .want = "1", .flags = KNOB_MAY_MISS },
		{ .path = "/thp", .want = "always" },
	};
	struct err e = { 0 };

	assert_int_equal(knobs_apply(f->root, f->journal, KNOB_STANDING, k, 4, &e), 2);
	assert_int_equal(k[0].state, KNOB_SET);
	assert_int_equal(k[2].state, KNOB_ABSENT);
	assert_int_equal(k[3].state, KNOB_KEPT);
	expect(f, "/watchdog", "0");
	assert_true(file_exists(f->journal));
	/* again: nothing to do */
	assert_int_equal(knobs_apply(f->root, f->journal, KNOB_STANDING, k, 4, &e), 0);
	knobs_free(k, 4);
	/* somebody else's setting since is theirs */
	put(f, "/mask", "3\n");
	assert_int_equal(knobs_undo(f->root, f->journal, &e), 1);
	expect(f, "/watchdog", "1");
	expect(f, "/mask", "3");
	assert_false(file_exists(f->journal));
	assert_int_equal(knobs_undo(f->root, f->journal, &e), 0);
}

static void second_journal_keeps_the_oldest_value(void **state)
{
	struct fixture *f = *state;
	struct knob k = { .path = "/watchdog", .want = "0" };
	struct err e = { 0 };

	assert_int_equal(knobs_apply(f->root, f->journal, KNOB_STANDING, &k, 1, &e), 1);
	put(f, "/watchdog", "7\n");
	assert_int_equal(knobs_apply(f->root, f->journal, KNOB_STANDING, &k, 1, &e), 1);
	assert_int_equal(knobs_undo(f->root, f->journal, &e), 1);
	expect(f, "/watchdog", "1");
	knobs_free(&k, 1);
}

static void failure_puts_back(void **state)
{
	struct fixture *f = *state;
	/* from "/": /proc/version can be read but is never written, not even by root */
	_cleanup_close_ int root = knob_root("/", &(struct err){ 0 });
	char watchdog[96];
	struct knob k[] = {
		{ .path = watchdog, .want = "0" },
		{ .path = "/proc/version", .want = "1" },
	};
	struct err e = { 0 };

	snprintf(watchdog, sizeof(watchdog), "%s/watchdog", f->dir);
	assert_true(knobs_apply(root, f->journal, KNOB_STANDING, k, 2, &e) < 0);
	assert_int_not_equal(e.code, 0);
	assert_false(file_exists(f->journal));
	expect(f, "/watchdog", "1");
	knobs_free(k, 2);
}

static void refusal_may_be_allowed(void **state)
{
	struct fixture *f = *state;
	struct knob k = { .path = "/proc/version", .want = "1", .flags = KNOB_MAY_REFUSE };
	struct err e = { 0 };
	int root = knob_root("/", &e);

	assert_int_equal(knobs_apply(root, f->journal, KNOB_STANDING, &k, 1, &e), 0);
	assert_int_equal(k.state, KNOB_REFUSED);
	knobs_free(&k, 1);
	close(root);
}

static void absent_knob_touches_nothing(void **state)
{
	struct fixture *f = *state;
	struct knob k[] = {
		{ .path = "/watchdog", .want = "0" },
		{ .path = "/none", .want = "1" },
	};
	struct err e = { 0 };

	assert_int_equal(knobs_apply(f->root, f->journal, KNOB_STANDING, k, 2, &e), -ENOENT);
	assert_false(file_exists(f->journal));
	expect(f, "/watchdog", "1");
	knobs_free(k, 2);
}

/*
 * Stands in for intel_pstate and amd-pstate-epp (store_energy_performance_preference): -EBUSY for any
 * other preference while the governor is "performance". A file "stuck" takes no write at all.
 */
ssize_t write(int fd, const void *buf, size_t n)
{
	char link[64], path[128] = "", governor[160], text[32] = "";
	const char *name;
	bool busy;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, path, sizeof(path) - 1) < 0)
		path[0] = '\0';
	name = strrchr(path, '/');
	busy = name && !strcmp(name, "/stuck");
	if (name && !strcmp(name, "/epp") && memcmp(buf, "performance", 11) != 0) {
		snprintf(governor, sizeof(governor), "%.*s/governor", (int)(name - path), path);
		file_read(governor, text, sizeof(text), &(struct err){ 0 });
		busy = !strncmp(text, "performance", 11);
	}
	if (!busy)
		return syscall(SYS_write, fd, buf, n);
	/* what was in force still is: opening the file has emptied it, as no kernel file is */
	text[0] = syscall(SYS_write, fd, name[1] == 'e' ? "performance\n" : "0\n",
			  name[1] == 'e' ? 12 : 2);
	errno = EBUSY;
	return -1;
}

static void the_old_preference_waits_for_the_old_governor(void **state)
{
	struct fixture *f = *state;
	struct knob k[] = {
		{ .path = "/governor", .want = "performance" },
		{ .path = "/epp", .want = "performance" },
		{ .path = "/min", .want = "3000" },
		{ .path = "/stuck", .want = "1" },
	};
	struct err e = { 0 };

	put(f, "/governor", "powersave\n");
	put(f, "/epp", "balance_performance\n");
	put(f, "/min", "1000\n");
	assert_int_equal(knobs_apply(f->root, f->journal, KNOB_STANDING, k, 3, &e), 3);
	assert_int_equal(knobs_undo(f->root, f->journal, &e), 3);
	expect(f, "/epp", "balance_performance");
	knobs_free(k, 3);
	assert_int_equal(knobs_apply(f->root, f->journal, KNOB_STANDING, k, 3, &e), 3);
	assert_int_equal(knobs_undo_others(f->root, f->journal, &k[2], 1, &e), 2);
	expect(f, "/governor", "powersave");
	expect(f, "/epp", "balance_performance");
	expect(f, "/min", "3000");
	assert_int_equal(knobs_undo(f->root, f->journal, &e), 1);
	knobs_free(k, 3);
	/* a later one fails: the same on the way back */
	put(f, "/stuck", "0\n");
	assert_int_equal(knobs_apply(f->root, f->journal, KNOB_STANDING, k, 4, &e), -EBUSY);
	expect(f, "/epp", "balance_performance");
	assert_false(file_exists(f->journal));
	assert_null(strstr(e.text, "could not be put back"));
	knobs_free(k, 4);
}

static void what_cannot_be_put_back_is_said_and_kept(void **state)
{
	struct fixture *f = *state;
	struct knob k[] = {
		{ .path = "/epp", .want = "performance" },
		{ .path = "/governor", .want = "performance" },
		{ .path = "/thp", .want = "never" },
		{ .path = "/stuck", .want = "1" },
	};
	struct err e = { 0 };

	put(f, "/governor", "powersave\n");
	put(f, "/epp", "balance_performance\n");
	put(f, "/stuck", "0\n");
	assert_int_equal(knobs_apply(f->root, f->journal, KNOB_STANDING, k, 3, &e), 3);
	/* struck out but for the one that fails, whatever comes after it */
	put(f, "/governor", "performance \n");
	assert_int_equal(knobs_undo(f->root, f->journal, &e), -EBUSY);
	expect(f, "/thp", "always");
	assert_true(file_exists(f->journal));
	put(f, "/governor", "powersave\n");
	e = (struct err){ 0 };
	assert_int_equal(knobs_undo(f->root, f->journal, &e), 1);
	expect(f, "/epp", "balance_performance");
	assert_false(file_exists(f->journal));
	knobs_free(k, 4);
}

static void another_value_may_be_as_good(void **state)
{
	struct fixture *f = *state;
	struct knob k = { .path = "/thp", .want = "N", .also = "always" };
	struct err e = { 0 };

	assert_int_equal(knobs_apply(f->root, f->journal, KNOB_STANDING, &k, 1, &e), 0);
	assert_int_equal(k.state, KNOB_KEPT);
	expect(f, "/thp", "always");
	knobs_free(&k, 1);
}

/* As debugfs under lockdown; root reads everything, so it takes somebody else. */
static void a_file_that_is_not_shown(void **state)
{
	struct fixture *f = *state;
	struct knob k[] = {
		{ .path = "/mask", .want = "1", .flags = KNOB_MAY_REFUSE },
		{ .path = "/watchdog", .want = "0" },
	};
	struct err e = { 0 };
	char path[96];
	int status;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/watchdog", f->dir);
	assert_int_equal(chmod(path, 0666), 0);
	snprintf(path, sizeof(path), "%s/mask", f->dir);
	assert_int_equal(chmod(path, 0), 0);
	assert_int_equal(chmod(f->dir, 0777), 0);
	pid = fork();
	if (!pid) {
		int ret;

		if (!geteuid() && setresuid(65534, 65534, 65534))
			_exit(9);
		ret = knobs_apply(f->root, f->journal, KNOB_STANDING, k, 2, &e);
		_exit(ret != 1 ? 1 : k[0].state != KNOB_REFUSED ? 2 : k[0].refusal != -EACCES);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	expect(f, "/watchdog", "0");
}

static void a_dead_process_is_cleaned_up_after(void **state)
{
	struct fixture *f = *state;
	struct knob k = { .path = "/watchdog", .want = "0" };
	struct err e = { 0 };
	char dir[80];
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(knobs_apply(f->root, f->journal, KNOB_PROCESS, &k, 1, &e) != 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	expect(f, "/watchdog", "0");
	snprintf(dir, sizeof(dir), "%s/run", f->dir);
	assert_int_equal(knobs_recover(f->root, dir, &e), 1);
	expect(f, "/watchdog", "1");
	/* a living process's journal, and a standing one, are left */
	assert_int_equal(knobs_apply(f->root, f->journal, KNOB_PROCESS, &k, 1, &e), 1);
	assert_int_equal(knobs_recover(f->root, dir, &e), 0);
	expect(f, "/watchdog", "0");
	assert_int_equal(knobs_recover(f->root, "/nonexistent/dir", &e), 0);
	knobs_free(&k, 1);
}

/* Another that lives and will put it back; not ourselves, nor one that is gone, nor a standing set. */
static void tells_who_holds_a_knob(void **state)
{
	struct fixture *f = *state;
	struct knob k = { .path = "/watchdog", .want = "0" };
	struct err e = { 0 };
	int ready[2], end[2];
	char dir[96], c = 0;
	pid_t child;

	snprintf(dir, sizeof(dir), "%s/run", f->dir);
	assert_int_equal(knobs_holder(dir, "/watchdog"), 0);
	assert_int_equal(pipe(ready) | pipe(end), 0);
	child = fork();
	if (!child) {
		close(end[1]);
		c = knobs_apply(f->root, f->journal, KNOB_PROCESS, &k, 1, &e) != 1;
		if (write(ready[1], &c, 1) == 1 && read(end[0], &c, 1) == 0)
			_exit(0);
		_exit(1);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(c, 0);
	assert_int_equal(knobs_holder(dir, "/watchdog"), child);
	assert_int_equal(knobs_holder(dir, "/mask"), 0);
	close(end[1]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(knobs_holder(dir, "/watchdog"), 0);
	assert_int_equal(knobs_recover(f->root, dir, &e), 1);
	assert_int_equal(knobs_apply(f->root, f->journal, KNOB_PROCESS, &k, 1, &e), 1);
	assert_int_equal(knobs_holder(dir, "/watchdog"), 0);
	assert_int_equal(knobs_undo(f->root, f->journal, &e), 1);
	assert_int_equal(knobs_apply(f->root, f->journal, KNOB_STANDING, &k, 1, &e), 1);
	assert_int_equal(knobs_holder(dir, "/watchdog"), 0);
	knobs_free(&k, 1);
	close(ready[0]);
	close(ready[1]);
	close(end[0]);
}

static void a_journal_from_before_a_reboot_is_dropped(void **state)
{
	struct fixture *f = *state;
	const char *text = "{\"schema\":1,\"boot\":\"other\",\"pid\":1,\"start\":1,\"knobs\":"
			   "[{\"path\":\"/watchdog\",\"saved\":\"9\",\"want\":\"1\"}]}";
	struct err e = { 0 };
	char dir[80];

	snprintf(dir, sizeof(dir), "%s/run", f->dir);
	assert_int_equal(file_mkdirs(dir, &e), 0);
	put(f, "/run/a.knobs", text);
	assert_int_equal(knobs_undo(f->root, f->journal, &e), 0);
	expect(f, "/watchdog", "1");
	assert_false(file_exists(f->journal));
	put(f, "/run/a.knobs", "{}");
	assert_int_equal(knobs_undo(f->root, f->journal, &e), -EINVAL);
	assert_true(file_exists(f->journal));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same),
		cmocka_unit_test(value),
		cmocka_unit_test_setup_teardown(reading_has_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(set_and_undo, setup, teardown),
		cmocka_unit_test_setup_teardown(second_journal_keeps_the_oldest_value, setup,
						teardown),
		cmocka_unit_test_setup_teardown(failure_puts_back, setup, teardown),
		cmocka_unit_test_setup_teardown(refusal_may_be_allowed, setup, teardown),
		cmocka_unit_test_setup_teardown(absent_knob_touches_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(the_old_preference_waits_for_the_old_governor,
						setup, teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_put_back_is_said_and_kept, setup,
						teardown),
		cmocka_unit_test_setup_teardown(another_value_may_be_as_good, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_that_is_not_shown, setup, teardown),
		cmocka_unit_test_setup_teardown(a_dead_process_is_cleaned_up_after, setup,
						teardown),
		cmocka_unit_test_setup_teardown(tells_who_holds_a_knob, setup, teardown),
		cmocka_unit_test_setup_teardown(a_journal_from_before_a_reboot_is_dropped, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
