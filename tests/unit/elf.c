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

#include <elf.h>

#include "guests/elf.h"
#include "lib/cleanup.h"

/* A whole ELF file in little: one LOAD segment that is the file, an INTERP, a DYNAMIC. */
struct small {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[3];
	Elf64_Dyn dyn[4];
	char strings[64];
};

enum { BASE = 0x400000 };

static struct small good(void)
{
	struct small s = {
		.eh = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB },
			.e_machine = EM_X86_64,
			.e_phoff = offsetof(struct small, ph),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 3 },
		.ph = { { .p_type = PT_LOAD, .p_vaddr = BASE, .p_filesz = sizeof(struct small) },
			{ .p_type = PT_INTERP, .p_offset = offsetof(struct small, strings) + 20 },
			{ .p_type = PT_DYNAMIC,
			  .p_offset = offsetof(struct small, dyn),
			  .p_filesz = sizeof(Elf64_Dyn) * 4 } },
		.dyn = { { .d_tag = DT_NEEDED, .d_un.d_val = 1 },
			 { .d_tag = DT_NEEDED, .d_un.d_val = 1 },
			 { .d_tag = DT_STRTAB,
			   .d_un.d_ptr = BASE + offsetof(struct small, strings) },
			 { .d_tag = DT_NULL } },
		.strings = "\0libc.so.6",
	};

	memcpy(s.strings + 20, "/lib64/ld.so", 13);
	return s;
}

static int parse(const struct small *s, size_t len, struct args *needed)
{
	/* on the heap and of that very length, so that the sanitizer sees a read beyond it */
	_cleanup_free_ void *copy = malloc(len);
	struct err e = { 0 };

	memcpy(copy, s, len);
	return elf_scan("small", copy, len, needed, &e);
}

static void finds_each_once(void **state)
{
	struct small s = good();
	struct args needed = { 0 };

	(void)state;
	assert_int_equal(parse(&s, sizeof(s), &needed), 1);
	assert_int_equal(needed.n, 2);
	assert_string_equal(needed.v[0], "/lib64/ld.so");
	assert_string_equal(needed.v[1], "libc.so.6");
	args_free(&needed);
}

static void reads_this_program(void **state)
{
	struct args needed = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(elf_needed("/proc/self/exe", &needed, &e), 1);
	assert_true(args_has(&needed, "libc.so.6"));
	args_free(&needed);
}

static void scripts_are_no_elf(void **state)
{
	struct args needed = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(elf_scan("x", "#!/bin/sh\n", 10, &needed, &e), 0);
	assert_int_equal(elf_scan("x", "", 0, &needed, &e), 0);
	assert_int_equal(e.code, 0);
	assert_int_equal(needed.n, 0);
}

/* Cut at any length it is an error or fewer names, never a read beyond the end. */
static void truncated(void **state)
{
	struct small s = good();

	(void)state;
	for (size_t len = 0; len < sizeof(s); len++) {
		struct args needed = { 0 };
		int ret = parse(&s, len, &needed);

		assert_true(ret == -EINVAL || (len < 4 && !ret) || ret == 1);
		args_free(&needed);
	}
}

static void damaged(void **state)
{
	static const struct {
		size_t offset, size;
		uint64_t value;
	} rows[] = {
		{ offsetof(struct small, eh.e_ident[EI_CLASS]), 1, ELFCLASS32 },
		{ offsetof(struct small, eh.e_ident[EI_DATA]), 1, ELFDATA2MSB },
		{ offsetof(struct small, eh.e_machine), 2, EM_AARCH64 },
		{ offsetof(struct small, eh.e_phentsize), 2, 1 },
		{ offsetof(struct small, eh.e_phoff), 8, UINT64_MAX },
		{ offsetof(struct small, eh.e_phoff), 8, sizeof(struct small) - 8 },
		{ offsetof(struct small, eh.e_phnum), 2, 0xffff },
		{ offsetof(struct small, ph[1].p_offset), 8, UINT64_MAX },
		{ offsetof(struct small, dyn[0].d_un.d_val), 8, UINT64_MAX },
		{ offsetof(struct small, dyn[0].d_un.d_val), 8, 0 }, /* the empty name */
		{ offsetof(struct small, dyn[2].d_un.d_ptr), 8, 0 },
		{ offsetof(struct small, dyn[2].d_tag), 8, DT_DEBUG }, /* no strings at all */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct small s = good();
		struct args needed = { 0 };

		memcpy((char *)&s + rows[i].offset, &rows[i].value, rows[i].size);
		assert_int_equal(parse(&s, sizeof(s), &needed), -EINVAL);
		args_free(&needed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_each_once),
		cmocka_unit_test(reads_this_program),
		cmocka_unit_test(scripts_are_no_elf),
		cmocka_unit_test(truncated),
		cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
