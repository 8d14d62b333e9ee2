// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <asm/bootparam.h>

#include "lib/cleanup.h"
#include "vmm/boot.h"

enum { SETUP_SECTS = 3, KERNEL_BYTES = 4096, FILE_BYTES = (SETUP_SECTS + 1) * 512 + KERNEL_BYTES };

static struct setup_header *header(uint8_t *image)
{
	return (struct setup_header *)(image + 0x1f1);
}

/* A whole image as Debian's 6.1 kernel describes itself, of 6 KiB. */
static void good(uint8_t *image)
{
	struct setup_header h = {
		.setup_sects = SETUP_SECTS,
		.syssize = KERNEL_BYTES / 16,
		.boot_flag = 0xaa55,
		.jump = 0x6aeb,
		.header = 0x53726448,
		.version = 0x020f,
		.loadflags = LOADED_HIGH,
		.initrd_addr_max = 0x7fffffff,
		.kernel_alignment = 0x200000,
		.relocatable_kernel = 1,
		.xloadflags = XLF_KERNEL_64,
		.cmdline_size = 2047,
		.pref_address = 0x1000000,
		.init_size = 0x4000000,
	};

	memset(image, 0, FILE_BYTES);
	memcpy(header(image), &h, sizeof(h));
}

static void reads_the_header(void **state)
{
	uint8_t image[FILE_BYTES];
	struct err e = { 0 };
	struct bzimage b;

	(void)state;
	good(image);
	assert_int_equal(bzimage_parse(&b, image, sizeof(image), &e), 0);
	assert_int_equal(b.setup_bytes, (SETUP_SECTS + 1) * 512);
	assert_int_equal(b.kernel_bytes, KERNEL_BYTES);
	assert_int_equal(b.load, 0x1000000);
	assert_int_equal(b.init_bytes, 0x4000000);
	assert_int_equal(b.cmdline_max, 2047);
	assert_true(b.header_bytes <= sizeof(struct setup_header));

	header(image)->setup_sects = 0; /* means 4: boot.rst */
	assert_int_equal(bzimage_parse(&b, image, sizeof(image), &e), -EINVAL);
	assert_non_null(strstr(e.text, "truncated"));
}

static void refuses(void **state)
{
	static const struct {
		size_t offset;
		uint64_t value;
		size_t bytes;
		const char *why;
	} rows[] = {
		{ offsetof(struct setup_header, header), 0, 4, "neither a Linux bzImage" },
		{ offsetof(struct setup_header, boot_flag), 0, 2, "neither a Linux bzImage" },
		{ offsetof(struct setup_header, version), 0x020b, 2, "boot protocol 2.11" },
		{ offsetof(struct setup_header, loadflags), 0, 1, "zImage" },
		{ offsetof(struct setup_header, xloadflags), 0, 2, "32-bit" },
		{ offsetof(struct setup_header, syssize), 0xffffffff, 4, "truncated" },
		{ offsetof(struct setup_header, syssize), 1, 4, "too short for an entry" },
		{ offsetof(struct setup_header, setup_sects), 255, 1, "truncated" },
		{ offsetof(struct setup_header, jump), 0x00eb, 2, "impossible length" },
		{ offsetof(struct setup_header, pref_address), 0, 8, "wants to be loaded" },
		{ offsetof(struct setup_header, pref_address), UINT64_MAX, 8,
		  "wants to be loaded" },
		{ offsetof(struct setup_header, kernel_alignment), 3, 4, "no power of two" },
		{ offsetof(struct setup_header, kernel_alignment), 0, 4, "no power of two" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t image[FILE_BYTES];
		struct err e = { 0 };
		struct bzimage b;

		good(image);
		memcpy((uint8_t *)header(image) + rows[i].offset, &rows[i].value, rows[i].bytes);
		assert_int_equal(bzimage_parse(&b, image, sizeof(image), &e), -EINVAL);
		if (!strstr(e.text, rows[i].why))
			fail_msg("row %zu: %s", i, e.text);
	}
}

/* Cut anywhere it is refused; the copy on the heap lets the sanitizer see a read past the end. */
static void refuses_every_truncation(void **state)
{
	uint8_t image[FILE_BYTES];

	(void)state;
	good(image);
	for (size_t len = 0; len < FILE_BYTES; len += len < 0x300 ? 1 : 37) {
		uint8_t *cut = malloc(len ? len : 1);
		struct err e = { 0 };
		struct bzimage b;

		memcpy(cut, image, len);
		assert_int_equal(bzimage_parse(&b, cut, len, &e), -EINVAL);
		free(cut);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_header),
		cmocka_unit_test(refuses),
		cmocka_unit_test(refuses_every_truncation),
	};

	return cmocka_run_group_tests_name("bzimage", tests, NULL, NULL);
}
