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

#include "guests/image.h"
#include "lib/cleanup.h"
#include "lib/file.h"

static char base[] = "/tmp/rtkvm-unit.XXXXXX";

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(base) ? 0 : -1;
}

static int tear_down(void **state)
{
	struct err e = { 0 };

	(void)state;
	return file_remove_tree(base, &e);
}

static void manifests(void **state)
{
	static const struct {
		const char *text;
		int ret;
	} rows[] = {
		{ "{\"schema\": 1, \"kernel\": {\"release\": \"6.1\"}}", 0 },
		{ "{\"schema\": 2}", -EPROTO },
		{ "{}", -EPROTO },
		{ "[]", -EPROTO },
		{ "{\"schema\": 1", -EINVAL },
		{ "", -EINVAL },
	};
	char path[PATH_MAX];

	(void)state;
	assert_non_null(file_path(path, sizeof(path), "%s/manifest.json", base));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_json_ json_object *m = NULL;
		struct err e = { 0 };

		assert_int_equal(file_replace(path, rows[i].text, strlen(rows[i].text), &e), 0);
		assert_int_equal(image_manifest(base, &m, &e), rows[i].ret);
		if (!rows[i].ret)
			assert_string_equal(json_str(m, "kernel.release", ""), "6.1");
		else
			assert_null(m);
	}
	unlink(path);
}

static void a_directory_without_manifest_is_no_image(void **state)
{
	_cleanup_json_ json_object *m = NULL;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(image_manifest(base, &m, &e), -ENOENT);
	assert_non_null(strstr(e.text, "rtkvm guest build"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(manifests),
		cmocka_unit_test(a_directory_without_manifest_is_no_image),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
