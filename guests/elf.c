// SPDX-License-Identifier: GPL-2.0-only
#include "guests/elf.h"

#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "lib/cleanup.h"
#include "lib/file.h"

enum { ELF_BYTES = 64 << 20 };

struct image {
	const char *path;
	const char *data;
	size_t size;
	size_t phoff, phnum;
};

/* The bytes at offset, or NULL when not all len of them are in the file. */
static const void *bytes_at(const struct image *im, uint64_t offset, uint64_t len)
{
	if (offset > im->size || len > im->size - offset)
		return NULL;
	return im->data + offset;
}

/* A NUL-terminated string that ends inside the file. */
static const char *string_at(const struct image *im, uint64_t offset)
{
	const char *s = bytes_at(im, offset, 1);

	return s && memchr(s, '\0', im->size - offset) ? s : NULL;
}

/* Headers may lie at any offset in a hostile file: copied, never cast. */
static int segment(const struct image *im, size_t i, Elf64_Phdr *ph)
{
	const void *p = bytes_at(im, im->phoff + i * sizeof(*ph), sizeof(*ph));

	if (!p)
		return -EINVAL;
	memcpy(ph, p, sizeof(*ph));
	return 0;
}

/* The file offset of a virtual address, UINT64_MAX when no segment of the file holds it. */
static uint64_t offset_of(const struct image *im, uint64_t addr)
{
	Elf64_Phdr ph;

	for (size_t i = 0; i < im->phnum && !segment(im, i, &ph); i++)
		if (ph.p_type == PT_LOAD && addr >= ph.p_vaddr && addr - ph.p_vaddr < ph.p_filesz)
			return ph.p_offset + (addr - ph.p_vaddr);
	return UINT64_MAX;
}

static int damaged(const struct image *im, struct err *e)
{
	return err_set(e, -EINVAL, "reading %s failed: not a whole 64-bit x86 ELF file", im->path);
}

static int add(const struct image *im, const char *name, struct args *needed, struct err *e)
{
	if (!name || !*name)
		return damaged(im, e);
	if (!args_has(needed, name))
		args_add(needed, "%s", name);
	return 0;
}

static int dynamic_entry(const struct image *im, const Elf64_Phdr *ph, size_t i, Elf64_Dyn *d)
{
	const void *p = NULL;

	if ((i + 1) * sizeof(*d) <= ph->p_filesz)
		p = bytes_at(im, ph->p_offset + i * sizeof(*d), sizeof(*d));
	if (!p)
		return -EINVAL;
	memcpy(d, p, sizeof(*d));
	return d->d_tag == DT_NULL ? -ENOENT : 0;
}

static int dynamic(const struct image *im, const Elf64_Phdr *ph, struct args *needed, struct err *e)
{
	uint64_t strings = UINT64_MAX;
	Elf64_Dyn d;

	for (size_t i = 0; !dynamic_entry(im, ph, i, &d); i++)
		if (d.d_tag == DT_STRTAB)
			strings = offset_of(im, d.d_un.d_ptr);
	for (size_t i = 0; !dynamic_entry(im, ph, i, &d); i++) {
		int ret;

		if (d.d_tag != DT_NEEDED)
			continue;
		if (strings > im->size || d.d_un.d_val > im->size)
			return damaged(im, e);
		ret = add(im, string_at(im, strings + d.d_un.d_val), needed, e);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int segments(const struct image *im, struct args *needed, struct err *e)
{
	for (size_t i = 0; i < im->phnum; i++) {
		Elf64_Phdr ph;
		int ret = segment(im, i, &ph);

		if (ret < 0)
			return damaged(im, e);
		if (ph.p_type == PT_INTERP)
			ret = add(im, string_at(im, ph.p_offset), needed, e);
		else if (ph.p_type == PT_DYNAMIC)
			ret = dynamic(im, &ph, needed, e);
		if (ret < 0)
			return ret;
	}
	return args_check(needed, e) < 0 ? e->code : 1;
}

int elf_scan(const char *path, const void *data, size_t len, struct args *needed, struct err *e)
{
	struct image im = { .path = path, .data = data, .size = len };
	Elf64_Ehdr eh;

	if (len < SELFMAG || memcmp(data, ELFMAG, SELFMAG))
		return 0;
	if (len < sizeof(eh))
		return damaged(&im, e);
	memcpy(&eh, data, sizeof(eh));
	if (eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_ident[EI_DATA] != ELFDATA2LSB ||
	    eh.e_machine != EM_X86_64 || eh.e_phentsize != sizeof(Elf64_Phdr) ||
	    eh.e_phoff > im.size)
		return damaged(&im, e);
	im.phoff = eh.e_phoff;
	im.phnum = eh.e_phnum;
	return segments(&im, needed, e);
}

int elf_needed(const char *path, struct args *needed, struct err *e)
{
	_cleanup_free_ char *data = NULL;
	ssize_t n = file_load(path, ELF_BYTES, &data, e);

	return n < 0 ? n : elf_scan(path, data, n, needed, e);
}
