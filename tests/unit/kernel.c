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

#include <fcntl.h>
#include <sys/mman.h>

#include "guests/kernel.h"
#include "lib/cleanup.h"
#include "lib/file.h"

static char base[] = "/tmp/rtkvm-unit.XXXXXX";

static void put(const char *name, const char *text)
{
	char path[PATH_MAX], dir[PATH_MAX];
	struct err e = { 0 };

	assert_non_null(file_path(path, sizeof(path), "%s/%s", base, name));
	strcpy(dir, path);
	*strrchr(dir, '/') = '\0';
	assert_int_equal(file_mkdirs(dir, &e), 0);
	assert_int_equal(file_replace(path, text, strlen(text), &e), 0);
}

static int set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(base));
	put("boot/vmlinuz-6.1-rt", "k");
	put("lib/modules/6.1-rt/modules.builtin", "kernel/drivers/char/hpet.ko\n");
	put("lib/modules/6.1-rt/modules.dep",
	    "kernel/a.ko: kernel/b.ko kernel/c.ko\nkernel/b.ko: kernel/c.ko\nkernel/c.ko:\n"
	    "kernel/9p/virtio-pci.ko: kernel/c.ko\n");
	return 0;
}

static int tear_down(void **state)
{
	struct err e = { 0 };

	(void)state;
	return file_remove_tree(base, &e);
}

static void note(void *ctx, const char *path)
{
	strcat(ctx, strrchr(path, '/') + 1);
	strcat(ctx, " ");
}

static void modules_after_their_needs(void **state)
{
	static const struct {
		const char *names[4];
		const char *order; /* NULL: refused */
	} rows[] = {
		{ { "a" }, "c.ko b.ko a.ko " },
		{ { "b", "a" }, "c.ko b.ko a.ko " },
		{ { "virtio_pci", "c" }, "c.ko virtio-pci.ko " },
		{ { "hpet" }, "" },
		{ { "virtio" }, NULL },
		{ { "nosuch" }, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_cpio_ struct cpio c = { 0 };
		char order[256] = "";
		struct err e = { 0 };
		struct kernel k;
		int ret;

		assert_int_equal(kernel_open(&k, base, &e), 0);
		assert_string_equal(k.release, "6.1-rt");
		ret = kernel_add_modules(&k, rows[i].names, &c, note, order, &e);
		assert_int_equal(ret, rows[i].order ? 0 : -ENOENT);
		if (rows[i].order)
			assert_string_equal(order, rows[i].order);
	}
}

static void no_kernel(void **state)
{
	struct err e = { 0 };
	struct kernel k;

	(void)state;
	assert_int_equal(kernel_open(&k, "/nonexistent", &e), -ENOENT);
}

static void kinds(void **state)
{
	(void)state;
	assert_string_equal(kernel_metapackage("rt"), "linux-image-rt-amd64");
	assert_string_equal(kernel_metapackage("generic"), "linux-image-amd64");
	assert_null(kernel_metapackage("bsd"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modules_after_their_needs),
		cmocka_unit_test(no_kernel),
		cmocka_unit_test(kinds),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
