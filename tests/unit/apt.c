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

#include "guests/apt.h"
#include "lib/cleanup.h"

static const char text[] = "Package: linux-image-rt-amd64\n"
			   "Source: linux\n"
			   "Version: 6.1.192-2\n"
			   "Depends: foo (>= 1), linux-image-6.1.0-56-rt-amd64 (= 6.1.192-2)\n"
			   "Description: a kernel\n Version: 9 is not a field\n"
			   "\n"
			   "Package: busybox-static\n"
			   "Version: 1:1.35.0-4+b1\n"
			   "\n"
			   "Package: broken\n"
			   "Description: no version\n";

static void finds_records(void **state)
{
	struct apt_package p;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(apt_parse(&p, text, "busybox-static", &e), 0);
	assert_string_equal(p.version, "1:1.35.0-4+b1");
	assert_string_equal(p.depends, "");
	assert_int_equal(apt_parse(&p, text, "linux-image-rt-amd64", &e), 0);
	assert_string_equal(p.version, "6.1.192-2");
	assert_non_null(strstr(p.depends, "6.1.0-56"));
}

static void says_what_is_missing(void **state)
{
	struct apt_package p;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(apt_parse(&p, text, "linux-image", &e), -ENOENT);
	assert_non_null(strstr(e.text, "linux-image; run apt-get update"));
	err_clear(&e);
	assert_int_equal(apt_parse(&p, "", "x", &e), -ENOENT);
	err_clear(&e);
	assert_int_equal(apt_parse(&p, text, "broken", &e), -EINVAL);
}

/* The version becomes part of a path. */
static void refuses_a_version_with_a_slash(void **state)
{
	struct apt_package p;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(apt_parse(&p, "Package: x\nVersion: ../../etc\n", "x", &e), -EINVAL);
}

static void dependencies(void **state)
{
	static const struct {
		const char *depends, *name, *version; /* name NULL: none */
	} rows[] = {
		{ "linux-image-1-rt (= 1.2-3)", "linux-image-1-rt", "1.2-3" },
		{ "a (= 2), linux-image-1 (= 1:1~rc+b), linux-image-2 (= 4)", "linux-image-1",
		  "1:1~rc+b" },
		{ "linux-image-1 (>= 1)", NULL, NULL },
		{ "linux-image-1", NULL, NULL },
		{ "xlinux-image-1 (= 1)", NULL, NULL },
		{ "", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct apt_package p = { .name = "meta" }, out;
		struct err e = { 0 };
		int ret;

		snprintf(p.depends, sizeof(p.depends), "%s", rows[i].depends);
		ret = apt_dependency(&out, &p, "linux-image-", &e);
		assert_int_equal(ret, rows[i].name ? 0 : -ENOENT);
		if (ret)
			continue;
		assert_string_equal(out.name, rows[i].name);
		assert_string_equal(out.version, rows[i].version);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_records),
		cmocka_unit_test(says_what_is_missing),
		cmocka_unit_test(refuses_a_version_with_a_slash),
		cmocka_unit_test(dependencies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
