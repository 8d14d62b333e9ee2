// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cyclic/campaign_image.h"
#include "lib/cleanup.h"
#include "tests/unit/tree.h"

/* sha256sum of "a" and "b" */
#define A "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
#define B "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"

/* Support files below root: init and sample are "a", hwlat is not there. */
static int find(char *buf, size_t size, const char *name, struct err *e)
{
	file_path(buf, size, "%s/%s", root, name);
	return file_exists(buf) ? 0 : err_set(e, -ENOENT, "no %s", name);
}

static void tells_another_build(void **state)
{
	static const struct {
		const char *manifest;
		int ret;
		const char *other;
	} rows[] = {
		{ "{\"init_sha256\":\"" A "\",\"sample_sha256\":\"" A "\"}", 0, NULL },
		{ "{\"init_sha256\":\"" A "\",\"sample_sha256\":\"" B "\"}", 0, "guests/sample" },
		{ "{\"init_sha256\":\"\"}", 0, "guests/init" },
		{ "{\"hwlat_sha256\":\"" A "\"}", -ENOENT, NULL },
		{ "{\"later_sha256\":\"" A "\"}", -ENOENT, NULL }, /* of a newer rtkvm */
		{ "{\"../init_sha256\":\"" B "\",\"_sha256\":7,\"sha256\":\"" B "\"}", 0, NULL },
		{ "{\"sample_sha256\":7}", 0, NULL },
		{ "{}", 0, NULL }, /* somebody else's */
		{ "[]", 0, NULL },
		{ "{", -EINVAL, NULL },
	};

	(void)state;
	tree_put("a", "guests/init");
	tree_put("a", "guests/sample");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		char other[CAMPAIGN_IMAGE_FILE];

		tree_put(rows[i].manifest, "manifest.json");
		assert_int_equal(campaign_image_other(root, find, other, &e), rows[i].ret);
		if (!rows[i].ret)
			assert_string_equal(other, rows[i].other ? rows[i].other : "");
	}
}

static void no_manifest(void **state)
{
	struct err e = { 0 };
	char other[CAMPAIGN_IMAGE_FILE];

	(void)state;
	assert_int_equal(campaign_image_other(root, find, other, &e), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(tells_another_build),
		tree_test(no_manifest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
