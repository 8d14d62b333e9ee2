// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/tree.h"
#include "vmm/dmalatency.h"

static char path[sizeof(root) + 8];

static void is_held_and_read_back(void **state)
{
	struct err e = { 0 };
	int32_t us = -1, kept = -1;
	int fd;

	(void)state;
	tree_put("", "pm");
	snprintf(path, sizeof(path), "%s/pm", root);
	fd = dmalatency_hold(path, 20, &us, &e);
	assert_true(fd >= 0);
	assert_int_equal(us, 20);
	assert_int_equal(pread(fd, &kept, sizeof(kept), 0), sizeof(kept));
	assert_int_equal(kept, 20);
	close(fd);
}

static void what_cannot_be_had(void **state)
{
	struct err e = { 0 };
	int32_t us;

	(void)state;
	snprintf(path, sizeof(path), "%s/none", root);
	assert_int_equal(dmalatency_hold(path, 20, &us, &e), -ENOENT);
	assert_non_null(strstr(e.text, "--cpu-dma-latency: opening "));
	assert_non_null(
		strstr(e.text, "/none failed: No such file or directory; leave the option out"));
	err_clear(&e);
	/* takes the request, tells of nothing */
	assert_true(dmalatency_hold("/dev/null", 20, &us, &e) < 0);
	assert_non_null(strstr(e.text, "reading /dev/null back"));
	err_clear(&e);
	/* tells of other values than were asked for */
	assert_true(dmalatency_hold("/dev/zero", -5, &us, &e) < 0);
	assert_non_null(strstr(e.text, "wanted at most -5 us, /dev/zero reads 0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(is_held_and_read_back),
		tree_test(what_cannot_be_had),
	};

	return cmocka_run_group_tests_name("dmalatency", tests, NULL, NULL);
}
