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
#include <sys/stat.h>

#include "guests/cpio.h"
#include "lib/cleanup.h"
#include "lib/file.h"

/* The archive in memory, as cpio_write makes it; the caller frees it. */
static char *archive(struct cpio *c, size_t *len)
{
	_cleanup_close_ int fd = memfd_create("cpio", MFD_CLOEXEC);
	struct err e = { 0 };
	struct stat st;
	char *data;

	assert_int_equal(cpio_write(c, fd, &e), 0);
	assert_int_equal(fstat(fd, &st), 0);
	data = malloc(st.st_size);
	assert_int_equal(pread(fd, data, st.st_size, 0), st.st_size);
	*len = st.st_size;
	return data;
}

static unsigned int hex(const char *header, int field)
{
	char text[9] = { 0 };

	memcpy(text, header + 6 + 8 * field, 8);
	return strtoul(text, NULL, 16);
}

enum { F_INO, F_MODE, F_UID, F_GID, F_NLINK, F_MTIME, F_SIZE, F_NAMESIZE = 11 };

struct seen {
	const char *name;
	unsigned int mode, ino, mtime;
	const char *data;
	size_t size;
};

/* An independent reader: walks the archive and returns how many entries stand before the end. */
static size_t parse(const char *data, size_t len, struct seen *out, size_t max)
{
	size_t at = 0, n = 0;

	for (;; n++) {
		const char *h = data + at;
		size_t name_len, size;

		assert_true(at + 110 <= len);
		assert_memory_equal(h, "070701", 6);
		name_len = hex(h, F_NAMESIZE);
		size = hex(h, F_SIZE);
		assert_int_equal(strlen(h + 110) + 1, name_len);
		assert_int_equal(hex(h, F_UID), 0);
		assert_int_equal(hex(h, F_GID), 0);
		at = (at + 110 + name_len + 3) & ~3ul;
		if (!strcmp(h + 110, "TRAILER!!!")) {
			assert_int_equal(at, len);
			return n;
		}
		assert_true(n < max && at + size <= len);
		out[n] = (struct seen){ .name = h + 110,
					.mode = hex(h, F_MODE),
					.ino = hex(h, F_INO),
					.mtime = hex(h, F_MTIME),
					.data = data + at,
					.size = size };
		at = (at + size + 3) & ~3ul;
	}
}

static void contents(void **state)
{
	_cleanup_free_ char *data = NULL;
	struct cpio c = { .mtime = 1234 };
	struct err e = { 0 };
	struct seen s[8];
	size_t len;

	(void)state;
	assert_int_equal(cpio_data(&c, "usr/bin/tool", 0755, "abcde", 5, &e), 0);
	assert_int_equal(cpio_link(&c, "bin", "usr/bin", &e), 0);
	assert_int_equal(cpio_dir(&c, "usr", 0755, &e), 0);
	assert_int_equal(cpio_file(&c, "version", 0644, "VERSION", &e), 0);
	data = archive(&c, &len);
	assert_int_equal(parse(data, len, s, 8), 5);
	assert_string_equal(s[0].name, "bin");
	assert_int_equal(s[0].mode, S_IFLNK | 0777);
	assert_memory_equal(s[0].data, "usr/bin", 7);
	assert_string_equal(s[1].name, "usr");
	assert_int_equal(s[1].mode, S_IFDIR | 0755);
	assert_string_equal(s[2].name, "usr/bin");
	assert_string_equal(s[3].name, "usr/bin/tool");
	assert_int_equal(s[3].mode, S_IFREG | 0755);
	assert_int_equal(s[3].size, 5);
	assert_memory_equal(s[3].data, "abcde", 5);
	assert_string_equal(s[4].name, "version");
	assert_true(s[4].size > 0);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(s[i].ino, i + 1);
		assert_int_equal(s[i].mtime, 1234);
	}
	cpio_free(&c);
}

static void order_of_adding_does_not_matter(void **state)
{
	static const char *const names[] = { "b", "a/x", "a-b", "a/b/c", "z" };
	_cleanup_free_ char *one = NULL, *two = NULL;
	struct cpio c1 = { 0 }, c2 = { 0 };
	size_t len1, len2, n = ARRAY_SIZE(names);
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(cpio_data(&c1, names[i], 0644, names[i], 1, &e), 0);
		assert_int_equal(cpio_data(&c2, names[n - 1 - i], 0644, names[n - 1 - i], 1, &e),
				 0);
	}
	one = archive(&c1, &len1);
	two = archive(&c2, &len2);
	assert_int_equal(len1, len2);
	assert_memory_equal(one, two, len1);
	cpio_free(&c1);
	cpio_free(&c2);
}

static void bad_names(void **state)
{
	static const char *const bad[] = {
		"", "/a", "a/", "a//b", ".", "a/./b", "../a", "a/..",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct cpio c = { 0 };
		struct err e = { 0 };

		assert_int_equal(cpio_data(&c, bad[i], 0644, "", 0, &e), -EINVAL);
		assert_int_equal(c.n, 0);
		cpio_free(&c);
	}
}

static void conflicts(void **state)
{
	_cleanup_close_ int fd = memfd_create("cpio", MFD_CLOEXEC);
	struct cpio c = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(cpio_data(&c, "a", 0644, "", 0, &e), 0);
	assert_int_equal(cpio_data(&c, "a/b", 0644, "", 0, &e), -EEXIST);
	err_clear(&e);
	assert_int_equal(cpio_dir(&c, "a", 0755, &e), -EEXIST);
	err_clear(&e);
	assert_int_equal(cpio_link(&c, "a", "b", &e), 0);
	assert_int_equal(cpio_write(&c, fd, &e), -EEXIST);
	assert_non_null(strstr(e.text, "a is in the archive twice"));
	cpio_free(&c);
}

static void cannot_read_or_write(void **state)
{
	_cleanup_close_ int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	_cleanup_close_ int fd = memfd_create("cpio", MFD_CLOEXEC);
	struct cpio c = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(cpio_data(&c, "a", 0644, "x", 1, &e), 0);
	assert_int_equal(cpio_write(&c, full, &e), -ENOSPC);
	err_clear(&e);
	assert_int_equal(cpio_file(&c, "b", 0644, "/nonexistent", &e), 0);
	assert_int_equal(cpio_write(&c, fd, &e), -ENOENT);
	err_clear(&e);
	cpio_free(&c);
	assert_int_equal(cpio_file(&c, "dev", 0644, "/dev/null", &e), 0);
	assert_int_equal(cpio_write(&c, fd, &e), -EINVAL);
	cpio_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contents),
		cmocka_unit_test(order_of_adding_does_not_matter),
		cmocka_unit_test(bad_names),
		cmocka_unit_test(conflicts),
		cmocka_unit_test(cannot_read_or_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
