// SPDX-License-Identifier: GPL-2.0-only
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "vmm/boot.h"

#define MAGIC 0x1badb002u
#define LOAD  0x200000u

struct header {
	uint32_t magic, flags, checksum, header_at, load_at, load_end, bss_end, entry;
};

struct image {
	Elf32_Ehdr h;
	Elf32_Phdr load;
	struct header mb;
	uint8_t text[64];
};

static void sum(struct header *h)
{
	h->checksum = -(h->magic + h->flags);
}

static struct image elf_image(void)
{
	struct image i = {
		.h = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT },
		       .e_machine = EM_386,
		       .e_entry = LOAD + 16,
		       .e_phoff = offsetof(struct image, load),
		       .e_phentsize = sizeof(Elf32_Phdr),
		       .e_phnum = 1 },
		.load = { .p_type = PT_LOAD,
			  .p_offset = offsetof(struct image, text),
			  .p_paddr = LOAD,
			  .p_filesz = 64,
			  .p_memsz = 4096 },
		.mb = { .magic = MAGIC, .flags = 3 },
	};

	sum(&i.mb);
	return i;
}

/* The same file by its address fields: all of it lies at LOAD. */
static struct image flat_image(void)
{
	struct image i = elf_image();

	memset(&i.h, 0, sizeof(i.h));
	i.mb.flags |= 1 << 16;
	i.mb.header_at = LOAD + offsetof(struct image, mb);
	i.mb.load_at = LOAD;
	i.mb.bss_end = LOAD + 8192;
	i.mb.entry = LOAD + offsetof(struct image, text);
	sum(&i.mb);
	return i;
}

static int parse(struct multiboot *mb, const struct image *i, size_t len, struct err *e)
{
	_cleanup_free_ uint8_t *copy = malloc(len ? len : 1); /* the sanitizer knows its end */

	memcpy(copy, i, len);
	return multiboot_parse(mb, copy, len, e);
}

static void takes_elf(void **state)
{
	struct image i = elf_image();
	struct multiboot mb;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(parse(&mb, &i, sizeof(i), &e), 0);
	assert_int_equal(mb.img.n, 1);
	assert_int_equal(mb.img.seg[0].at, LOAD);
	assert_int_equal(mb.entry, LOAD + 16);
	i.load.p_paddr = 0x8000;
	i.h.e_entry = 0x8000;
	assert_int_equal(parse(&mb, &i, sizeof(i), &e), 0);
}

static void takes_address_fields(void **state)
{
	struct image i = flat_image();
	struct multiboot mb;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(parse(&mb, &i, sizeof(i), &e), 0);
	assert_int_equal(mb.img.seg[0].file_offset, 0);
	assert_int_equal(mb.img.seg[0].file_bytes, sizeof(i));
	assert_int_equal(mb.img.seg[0].mem_bytes, 8192);
	i.mb.load_at = LOAD + 8;
	i.mb.load_end = LOAD + sizeof(i) - 4;
	assert_int_equal(parse(&mb, &i, sizeof(i), &e), 0);
	assert_int_equal(mb.img.seg[0].file_offset, 8);
	assert_int_equal(mb.img.seg[0].file_bytes, sizeof(i) - 12);
}

static void finds_the_header_where_it_may_be(void **state)
{
	static uint8_t file[16384];
	struct header h = { .magic = MAGIC };

	(void)state;
	sum(&h);
	for (size_t at = 0; at < 8300; at++) {
		memset(file, 0, sizeof(file));
		memcpy(file + at, &h, 12);
		assert_int_equal(multiboot_is(file, sizeof(file)), at % 4 == 0 && at + 12 <= 8192);
		assert_int_equal(multiboot_is(file, at + 12), at % 4 == 0 && at + 12 <= 8192);
		assert_false(multiboot_is(file, at + 11));
	}
}

struct bend {
	size_t offset, bytes;
	uint32_t value;
	const char *why;
};

#define FIELD(f) offsetof(struct image, f), sizeof(((struct image *)0)->f)

static void refuse(const struct bend *rows, size_t n, struct image (*make)(void))
{
	for (size_t r = 0; r < n; r++) {
		struct image i = make();
		struct multiboot mb;
		struct err e = { 0 };

		memcpy((uint8_t *)&i + rows[r].offset, &rows[r].value, rows[r].bytes);
		if (rows[r].offset == offsetof(struct image, mb.flags))
			sum(&i.mb);
		assert_int_equal(parse(&mb, &i, sizeof(i), &e), -EINVAL);
		if (!strstr(e.text, rows[r].why))
			fail_msg("row %zu: %s", r, e.text);
	}
}

static void refuses_elf(void **state)
{
	static const struct bend rows[] = {
		{ FIELD(mb.magic), 0, "no multiboot header" },
		{ FIELD(mb.checksum), 0, "no multiboot header" },
		{ FIELD(mb.flags), 4, "flags 0x4" },
		{ FIELD(mb.flags), 0x8003, "flags 0x8000" },
		{ FIELD(h.e_ident[EI_CLASS]), ELFCLASS64, "neither a 32-bit x86 ELF" },
		{ FIELD(h.e_ident[0]), 0, "neither a 32-bit x86 ELF" },
		{ FIELD(h.e_machine), EM_ARM, "neither a 32-bit x86 ELF" },
		{ FIELD(h.e_phnum), 0, "without program headers" },
		{ FIELD(h.e_phentsize), 31, "without program headers" },
		{ FIELD(h.e_phnum), 0xffff, "program headers lie beyond" },
		{ FIELD(h.e_phoff), UINT32_MAX, "program headers lie beyond" },
		{ FIELD(load.p_offset), UINT32_MAX, "segment lies beyond" },
		{ FIELD(load.p_filesz), UINT32_MAX, "segment lies beyond" },
		{ FIELD(load.p_memsz), 1, "larger in the file" },
		{ FIELD(load.p_memsz), UINT32_MAX, "outside 1 MiB to 3 GiB" },
		{ FIELD(load.p_paddr), 0x7000, "outside 1 MiB to 3 GiB" },
		{ FIELD(load.p_paddr), 0x1f001, "outside 1 MiB to 3 GiB" },
		{ FIELD(load.p_paddr), UINT32_MAX, "outside 1 MiB to 3 GiB" },
		{ FIELD(load.p_type), PT_NULL, "lies in no segment" },
		{ FIELD(h.e_entry), LOAD + 64, "lies in no segment" },
	};

	(void)state;
	refuse(rows, ARRAY_SIZE(rows), elf_image);
}

static void refuses_address_fields(void **state)
{
	static const struct bend rows[] = {
		{ FIELD(mb.load_at), LOAD + offsetof(struct image, mb) + 1, "before the file" },
		{ FIELD(mb.load_at), LOAD - 1, "before the file" },
		{ FIELD(mb.header_at), UINT32_MAX, "before the file" },
		{ FIELD(mb.load_end), LOAD, "more than the file has" },
		{ FIELD(mb.load_end), LOAD + sizeof(struct image) + 1, "more than the file has" },
		{ FIELD(mb.bss_end), LOAD + 1, "bss ends within" },
		{ FIELD(mb.bss_end), UINT32_MAX, "outside 1 MiB to 3 GiB" },
		{ FIELD(mb.entry), LOAD - 1, "lies in no segment" },
		{ FIELD(mb.entry), LOAD + sizeof(struct image), "lies in no segment" },
	};

	(void)state;
	refuse(rows, ARRAY_SIZE(rows), flat_image);
}

static void refuses_every_truncation(void **state)
{
	struct image i = elf_image();
	struct multiboot mb;

	(void)state;
	for (size_t len = 0; len < sizeof(i); len++) {
		struct err e = { 0 };

		assert_int_equal(parse(&mb, &i, len, &e), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_elf),
		cmocka_unit_test(takes_address_fields),
		cmocka_unit_test(finds_the_header_where_it_may_be),
		cmocka_unit_test(refuses_elf),
		cmocka_unit_test(refuses_address_fields),
		cmocka_unit_test(refuses_every_truncation),
	};

	return cmocka_run_group_tests_name("multiboot", tests, NULL, NULL);
}
