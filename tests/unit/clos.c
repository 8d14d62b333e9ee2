// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "tests/unit/tree.h"
#include "vmm/clos.h"

static void a_group_has_to_be_there(void **state)
{
	static const struct {
		const char *group;
		int ret;
		const char *why;
	} t[] = {
		{ "rt", 0, "" },
		{ "none", -ENOENT, "make it with mkdir" },
		{ "", -EINVAL, "not the name of a group" },
		{ "../x", -EINVAL, "not the name of a group" },
		{ "rt/mon_groups", -EINVAL, "not the name of a group" },
	};
	struct err e = { 0 };

	(void)state;
	tree_put("", "rt/tasks");
	assert_int_equal(clos_check(root, "rt", &e), -ENOTSUP);
	assert_non_null(strstr(e.text, "mount -t resctrl"));
	tree_put("L3:0=fff\n", "schemata");
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct err why = { 0 };

		assert_int_equal(clos_check(root, t[i].group, &why), t[i].ret);
		assert_non_null(strstr(why.text, t[i].why));
	}
}

static void what_joined_is_listed(void **state)
{
	char path[sizeof(root) + 16];
	struct err e = { 0 };

	(void)state;
	tree_put("", "rt/tasks");
	assert_int_equal(clos_join(root, "rt", 4711, &e), 0);
	assert_int_equal(clos_join(root, "gone", 4711, &e), -ENOENT);
	assert_non_null(strstr(e.text, "--resctrl: "));
	err_clear(&e);
	/* takes the thread, and lists none */
	snprintf(path, sizeof(path), "%s/rt/tasks", root);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_int_equal(clos_join(root, "rt", 4711, &e), -EIO);
	assert_non_null(strstr(e.text, "rt/tasks, which does not list it"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(a_group_has_to_be_there),
		tree_test(what_joined_is_listed),
	};

	return cmocka_run_group_tests_name("clos", tests, NULL, NULL);
}
