// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/digest.h"
#include "tests/unit/tree.h"

/* FIPS 180-4's example, under names that sha256sum writes in ways of its own. */
static void of_a_file(void **state)
{
	static const char *const names[] = { "f", "a b", "back\\slash", "line\nend", "-f" };
	char path[PATH_MAX], hex[DIGEST_HEX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct err e = { 0 };

		tree_put("abc", "%s", names[i]);
		file_path(path, sizeof(path), "%s/%s", root, names[i]);
		assert_int_equal(digest_sha256(path, hex, &e), 0);
		assert_string_equal(
			hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	}
}

static void of_what_is_no_file(void **state)
{
	struct err e = { 0 };
	char hex[DIGEST_HEX + 1];

	(void)state;
	assert_int_equal(digest_sha256(root, hex, &e), -EIO);
	assert_non_null(strstr(e.text, root));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(of_a_file),
		tree_test(of_what_is_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
