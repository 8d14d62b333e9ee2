// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "vmm/populate.h"

enum { PIECE = 32 << 20, BYTES = 3 * PIECE + 4096, PAGES = BYTES / 4096 };

static uint8_t *area(void)
{
	uint8_t *at = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_true(at != MAP_FAILED);
	assert_int_equal(madvise(at, BYTES, MADV_NOHUGEPAGE), 0); /* page for page */
	return at;
}

static size_t resident(uint8_t *at)
{
	static unsigned char vec[PAGES];
	size_t n = 0;

	assert_int_equal(mincore(at, BYTES, vec), 0);
	for (size_t i = 0; i < PAGES; i++)
		n += vec[i] & 1;
	return n;
}

static void every_page(void **state)
{
	uint8_t *at = area();
	struct err e = { 0 };

	(void)state;
	assert_int_equal(resident(at), 0);
	assert_int_equal(populate_range(at, BYTES, 4096, &e), 0);
	assert_int_equal(resident(at), PAGES);
	munmap(at, BYTES);
}

/* Whoever finds it: the last piece, of one page, is some thread's. */
static void a_hole_is_an_error(void **state)
{
	uint8_t *at = area();
	struct err e = { 0 };

	(void)state;
	munmap(at + BYTES - 4096, 4096);
	assert_int_equal(populate_range(at, BYTES, 4096, &e), -ENOMEM);
	assert_string_equal(e.text,
			    "populating 96 MiB of guest memory failed: Cannot allocate memory");
	munmap(at, BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_page),
		cmocka_unit_test(a_hole_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
