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

#include "lib/cleanup.h"
#include "lib/file.h"
#include "vmm/ctlplace.h"

static void names(void **state)
{
	static const struct {
		const char *name;
		bool good;
	} cases[] = {
		{ "rt1", true },  { "a", true },    { "Guest-1_b.c", true },
		{ "", false },	  { "123", false }, { ".hidden", false },
		{ "a/b", false }, { "a b", false }, { "caf\xc3\xa9", false },
	};
	char longest[CTLPLACE_NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = { 0 };

		assert_int_equal(!ctlplace_check_name(cases[i].name, &e), cases[i].good);
	}
	memset(longest, 'a', sizeof(longest) - 1);
	longest[CTLPLACE_NAME_MAX] = '\0';
	assert_int_equal(ctlplace_check_name(longest, &(struct err){ 0 }), 0);
	longest[CTLPLACE_NAME_MAX] = 'a';
	longest[CTLPLACE_NAME_MAX + 1] = '\0';
	assert_int_equal(ctlplace_check_name(longest, &(struct err){ 0 }), -EINVAL);
}

struct place {
	char dir[32];
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	strcpy(p->dir, "/tmp/rtkvm-place.XXXXXX");
	*state = p;
	return mkdtemp(p->dir) ? 0 : -1;
}

static int teardown(void **state)
{
	struct err e = { 0 };
	struct place *p = *state;

	file_remove_tree(p->dir, &e);
	free(p);
	return e.code;
}

static char *in(const struct place *p, const char *name, char path[64])
{
	snprintf(path, 64, "%s/%s", p->dir, name);
	return path;
}

static void a_dead_socket_is_replaced(void **state)
{
	struct err e = { 0 };
	char path[64];
	int fd;

	in(*state, "vm.sock", path);
	fd = ctlplace_listen(path, &e);
	assert_true(fd >= 0);
	assert_int_equal(ctlplace_listen(path, &e), -EADDRINUSE);
	assert_non_null(strstr(e.text, "a running VM has it"));
	close(fd); /* as after a crash: the file stays */
	assert_true(file_exists(path));
	err_clear(&e);
	fd = ctlplace_listen(path, &e);
	assert_true(fd >= 0);
	close(fd);
}

static void bad_paths(void **state)
{
	char path[64], longest[200];
	struct err e = { 0 };
	FILE *f = fopen(in(*state, "file", path), "w");

	fclose(f);
	assert_int_equal(ctlplace_listen(path, &e), -EEXIST);
	assert_true(file_exists(path));
	err_clear(&e);
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(ctlplace_listen(longest, &e), -ENAMETOOLONG);
	err_clear(&e);
	assert_int_equal(ctlplace_listen("", &e), -ENAMETOOLONG);
	err_clear(&e);
	assert_int_equal(ctlplace_listen(in(*state, "none/x.sock", path), &e), -ENOENT);
}

static void sweeps_the_dead(void **state)
{
	const struct place *p = *state;
	char dead[64], live[64], other[64];
	struct err e = { 0 };
	int fd;

	close(ctlplace_listen(in(p, "dead.sock", dead), &e));
	close(ctlplace_listen(in(p, "other", other), &e));
	fd = ctlplace_listen(in(p, "live.sock", live), &e);
	ctlplace_sweep(p->dir);
	assert_false(file_exists(dead));
	assert_true(file_exists(live));
	assert_true(file_exists(other)); /* not one of ours */
	close(fd);
	ctlplace_sweep("/nonexistent");
}

static void finds(void **state)
{
	const struct place *p = *state;
	char path[64], pid[16];
	struct err e = { 0 };
	int a, b, fd;

	snprintf(pid, sizeof(pid), "%d", getpid());
	assert_int_equal(ctlplace_connect(p->dir, NULL, &e), -ENOENT);
	err_clear(&e);
	close(ctlplace_listen(in(p, "dead.sock", path), &e));
	a = ctlplace_listen(in(p, "a.sock", path), &e);
	fd = ctlplace_connect(p->dir, NULL, &e); /* the dead one does not count */
	assert_true(fd >= 0);
	close(fd);
	fd = ctlplace_connect(p->dir, pid, &e);
	assert_true(fd >= 0);
	close(fd);
	/* the same in the lower 32 bits is nobody's process id */
	snprintf(pid, sizeof(pid), "%jd", ((intmax_t)1 << 32) + getpid());
	assert_int_equal(ctlplace_connect(p->dir, pid, &e), -EINVAL);
	assert_non_null(strstr(e.text, "neither name, process id nor path"));
	err_clear(&e);
	b = ctlplace_listen(in(p, "b.sock", path), &e);
	assert_int_equal(ctlplace_connect(p->dir, NULL, &e), -ENOTUNIQ);
	assert_true(strstr(e.text, "a, b") || strstr(e.text, "b, a"));
	err_clear(&e);
	fd = ctlplace_connect(p->dir, "b", &e);
	assert_true(fd >= 0);
	close(fd);
	fd = ctlplace_connect("/nonexistent", path, &e);
	assert_true(fd >= 0);
	close(fd);
	close(a);
	close(b);
}

static void finds_nothing(void **state)
{
	static const struct {
		const char *vm;
		int ret;
	} cases[] = {
		{ "gone", -ENOENT }, { "1", -ENOENT },	 { "0", -EINVAL },
		{ "", -EINVAL },     { "a b", -EINVAL }, { "/nonexistent/x", -ENOENT },
	};
	const struct place *p = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = { 0 };

		assert_int_equal(ctlplace_connect(p->dir, cases[i].vm, &e), cases[i].ret);
		assert_true(e.text[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test_setup_teardown(a_dead_socket_is_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(sweeps_the_dead, setup, teardown),
		cmocka_unit_test_setup_teardown(finds, setup, teardown),
		cmocka_unit_test_setup_teardown(finds_nothing, setup, teardown),
	};

	return cmocka_run_group_tests_name("ctlplace", tests, NULL, NULL);
}
