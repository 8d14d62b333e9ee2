// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <elf.h>

#include "lib/cleanup.h"
#include "vmm/boot.h"

struct image {
	Elf64_Ehdr h;
	Elf64_Phdr load, note;
	struct {
		Elf64_Nhdr h;
		char name[4];
		uint32_t entry;
	} pvh;
	uint8_t text[64];
};

static struct image good(void)
{
	struct image i = {
		.h = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		       .e_type = ET_EXEC,
		       .e_machine = EM_X86_64,
		       .e_phoff = offsetof(struct image, load),
		       .e_phentsize = sizeof(Elf64_Phdr),
		       .e_phnum = 2 },
		.load = { .p_type = PT_LOAD,
			  .p_offset = offsetof(struct image, text),
			  .p_paddr = 0x100000,
			  .p_filesz = 64,
			  .p_memsz = 4096 },
		.note = { .p_type = PT_NOTE,
			  .p_offset = offsetof(struct image, pvh),
			  .p_filesz = 20 },
		.pvh = { .h = { 4, 4, 18 }, .name = "Xen", .entry = 0x100010 },
	};

	return i;
}

static void reads_segments_and_note(void **state)
{
	struct image i = good();
	struct elf_image img;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(elf_parse(&img, (uint8_t *)&i, sizeof(i), &e), 0);
	assert_int_equal(img.n, 1);
	assert_int_equal(img.seg[0].at, 0x100000);
	assert_int_equal(img.end, 0x101000);
	assert_int_equal(img.pvh_entry, 0x100010);
}

static void refuses(void **state)
{
#define FIELD(f) offsetof(struct image, f), sizeof(((struct image *)0)->f)
	static const struct {
		size_t offset, bytes;
		uint64_t value;
		const char *why;
	} rows[] = {
		{ FIELD(h.e_ident[EI_CLASS]), ELFCLASS32, "not of a 64-bit" },
		{ FIELD(h.e_machine), EM_AARCH64, "not of a 64-bit x86" },
		{ FIELD(h.e_phnum), 0, "without program headers" },
		{ FIELD(h.e_phnum), 0xffff, "program headers lie beyond" },
		{ FIELD(h.e_phentsize), 32, "without program headers" },
		{ FIELD(h.e_phoff), UINT64_MAX, "program headers lie beyond" },
		{ FIELD(load.p_offset), UINT64_MAX, "segment lies beyond" },
		{ FIELD(load.p_filesz), UINT64_MAX, "segment lies beyond" },
		{ FIELD(load.p_memsz), 1, "larger in the file" },
		{ FIELD(load.p_memsz), UINT64_MAX, "outside 1 MiB to 3 GiB" },
		{ FIELD(load.p_paddr), 0x1000, "outside 1 MiB to 3 GiB" },
		{ FIELD(load.p_paddr), UINT64_MAX, "outside 1 MiB to 3 GiB" },
		{ FIELD(note.p_type), PT_NULL, "without a PVH entry" },
		{ FIELD(note.p_offset), UINT64_MAX, "without a PVH entry" },
		{ FIELD(note.p_filesz), 19, "without a PVH entry" },
		{ FIELD(pvh.h.n_namesz), 0xffffffff, "without a PVH entry" },
		{ FIELD(pvh.h.n_descsz), 0xffffffff, "without a PVH entry" },
		{ FIELD(pvh.h.n_type), 17, "without a PVH entry" },
		{ FIELD(pvh.entry), 0x100040, "lies in no segment" },
	};

	(void)state;
	for (size_t r = 0; r < ARRAY_SIZE(rows); r++) {
		struct image i = good();
		struct elf_image img;
		struct err e = { 0 };

		memcpy((uint8_t *)&i + rows[r].offset, &rows[r].value, rows[r].bytes);
		assert_int_equal(elf_parse(&img, (uint8_t *)&i, sizeof(i), &e), -EINVAL);
		if (!strstr(e.text, rows[r].why))
			fail_msg("row %zu: %s", r, e.text);
	}
}

static void refuses_every_truncation(void **state)
{
	struct image i = good();

	(void)state;
	for (size_t len = 0; len < offsetof(struct image, text) + sizeof(i.text); len++) {
		uint8_t *cut = malloc(len ? len : 1);
		struct elf_image img;
		struct err e = { 0 };

		memcpy(cut, &i, len);
		assert_int_equal(elf_parse(&img, cut, len, &e), -EINVAL);
		free(cut);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_segments_and_note),
		cmocka_unit_test(refuses),
		cmocka_unit_test(refuses_every_truncation),
	};

	return cmocka_run_group_tests_name("pvh", tests, NULL, NULL);
}
