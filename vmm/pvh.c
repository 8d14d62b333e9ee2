// SPDX-License-Identifier: GPL-2.0-only
/* ELF by PVH: xen/docs/misc/pvh.pandoc, xen/include/public/arch-x86/hvm/start_info.h */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lib/cleanup.h"
#include "vmm/boot.h"

enum {
	NOTE_PHYS32_ENTRY = 18, /* XEN_ELFNOTE_PHYS32_ENTRY */
	START_MAGIC = 0x336ec578, /* "xEn3" with the 0x80 bit of the "E" set */
	PAGE = 4096,
};

struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist, cmdline, rsdp, memmap;
	uint32_t memmap_entries, reserved;
};

struct start_module {
	uint64_t at, bytes, cmdline, reserved;
};

struct start_range {
	uint64_t first, bytes;
	uint32_t type, reserved;
};

/* One page at BOOT_INFO holds all of it. */
struct start_page {
	struct start_info info;
	struct start_module initrd;
	struct start_range ranges[BOOT_RANGES];
};

static int parse_ehdr(Elf64_Ehdr *h, const uint8_t *data, size_t len, struct err *e)
{
	if (len < sizeof(*h))
		return err_set(e, -EINVAL, "truncated: %zu bytes are less than an ELF header", len);
	memcpy(h, data, sizeof(*h));
	if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB ||
	    h->e_machine != EM_X86_64)
		return err_set(e, -EINVAL, "an ELF image, but not of a 64-bit x86 machine");
	if (h->e_phentsize != sizeof(Elf64_Phdr) || !h->e_phnum)
		return err_set(e, -EINVAL, "an ELF image without program headers: not bootable");
	if (h->e_phoff > len || (len - h->e_phoff) / sizeof(Elf64_Phdr) < h->e_phnum)
		return err_set(e, -EINVAL, "truncated: its program headers lie beyond the end");
	return 0;
}

static bool lies_in(const struct elf_segment *s, uint64_t first, uint64_t end)
{
	return s->at >= first && s->at < end && s->mem_bytes <= end - s->at;
}

int elf_add_segment(struct elf_image *img, const struct elf_segment *s, size_t len, struct err *e)
{
	if (!s->mem_bytes)
		return 0;
	if (img->n == ELF_SEGMENTS)
		return err_set(e, -EINVAL, "more than %d segments to load", ELF_SEGMENTS);
	if (s->file_offset > len || s->file_bytes > len - s->file_offset)
		return err_set(e, -EINVAL, "truncated: a segment lies beyond the end of the file");
	if (s->file_bytes > s->mem_bytes)
		return err_set(e, -EINVAL, "a segment is larger in the file than in memory");
	if (!lies_in(s, BOOT_HIGH_START, MEM_HOLE_START) &&
	    !(img->low && lies_in(s, BOOT_LOW_IMAGE, BOOT_CMDLINE)))
		return err_set(e, -EINVAL,
			       "a segment wants address %#" PRIx64 ", outside 1 MiB to 3 GiB",
			       s->at);
	img->seg[img->n++] = *s;
	if (s->at + s->mem_bytes > img->end)
		img->end = s->at + s->mem_bytes;
	return 0;
}

static uint64_t padded(uint32_t n)
{
	return ((uint64_t)n + 3) & ~3ull;
}

/* Name and descriptor are padded to 4 bytes; a note that runs over the end ends the search. */
static void parse_notes(struct elf_image *img, const Elf64_Phdr *p, const uint8_t *data, size_t len)
{
	uint64_t left = p->p_filesz;
	const uint8_t *at;

	if (p->p_offset > len || p->p_filesz > len - p->p_offset)
		return;
	at = data + p->p_offset;
	while (left >= sizeof(Elf64_Nhdr)) {
		uint64_t whole;
		Elf64_Nhdr n;

		memcpy(&n, at, sizeof(n));
		whole = sizeof(n) + padded(n.n_namesz) + padded(n.n_descsz);
		if (whole > left)
			return;
		if (n.n_type == NOTE_PHYS32_ENTRY && n.n_namesz == 4 &&
		    !memcmp(at + sizeof(n), "Xen", 4) && n.n_descsz >= 4)
			memcpy(&img->pvh_entry, at + sizeof(n) + 4, n.n_descsz >= 8 ? 8 : 4);
		at += whole;
		left -= whole;
	}
}

bool elf_has(const struct elf_image *img, uint64_t at)
{
	for (size_t i = 0; i < img->n; i++)
		if (at >= img->seg[i].at && at - img->seg[i].at < img->seg[i].file_bytes)
			return true;
	return false;
}

int elf_parse(struct elf_image *img, const uint8_t *data, size_t len, struct err *e)
{
	Elf64_Ehdr h;
	int ret;

	memset(img, 0, sizeof(*img));
	ret = parse_ehdr(&h, data, len, e);
	for (unsigned int i = 0; !ret && i < h.e_phnum; i++) {
		Elf64_Phdr p;

		memcpy(&p, data + h.e_phoff + i * sizeof(p), sizeof(p));
		if (p.p_type == PT_LOAD)
			ret = elf_add_segment(img,
					      &(struct elf_segment){ p.p_paddr, p.p_filesz,
								     p.p_memsz, p.p_offset },
					      len, e);
		else if (p.p_type == PT_NOTE)
			parse_notes(img, &p, data, len);
	}
	if (ret < 0)
		return ret;
	if (!img->pvh_entry)
		return err_set(e, -EINVAL, "an ELF image without a PVH entry note (CONFIG_PVH)");
	if (!elf_has(img, img->pvh_entry))
		return err_set(e, -EINVAL, "its PVH entry %#" PRIx64 " lies in no segment",
			       img->pvh_entry);
	return 0;
}

int elf_load_segments(const struct elf_image *img, const struct memory *m, const uint8_t *data,
		      struct err *e)
{
	for (size_t i = 0; i < img->n; i++) {
		const struct elf_segment *s = &img->seg[i];
		uint8_t *to = mem_ptr(m, GPA(s->at), s->mem_bytes);

		if (!to)
			return err_set(e, -EFBIG,
				       "the kernel needs memory up to %" PRIu64
				       " MiB; give the guest more with --memory",
				       (img->end >> 20) + 1);
		memcpy(to, data + s->file_offset, s->file_bytes);
		memset(to + s->file_bytes, 0, s->mem_bytes - s->file_bytes);
	}
	return 0;
}

static int put_info(const struct memory *m, uint64_t initrd_at, uint64_t initrd_bytes,
		    struct err *e)
{
	struct boot_range r[BOOT_RANGES];
	struct start_page page = {
		.info = {
			.magic = START_MAGIC,
			.version = 1,
			.nr_modules = initrd_bytes ? 1 : 0,
			.modlist = BOOT_INFO + offsetof(struct start_page, initrd),
			.cmdline = BOOT_CMDLINE,
			.rsdp = BOOT_ACPI,
			.memmap = BOOT_INFO + offsetof(struct start_page, ranges),
			.memmap_entries = boot_memory_map(m, r),
		},
		.initrd = { .at = initrd_at, .bytes = initrd_bytes },
	};

	for (uint32_t i = 0; i < page.info.memmap_entries; i++)
		page.ranges[i] = (struct start_range){ .first = r[i].first,
						       .bytes = r[i].bytes,
						       .type = r[i].type };
	return boot_put(m, BOOT_INFO, &page, sizeof(page), "the PVH start info", e);
}

int pvh_load(struct vm *vm, const struct boot_opts *o, const uint8_t *data, size_t len,
	     struct vcpu_entry *entry, struct err *e)
{
	const struct memory *m = &vm->mem;
	uint64_t initrd_at, initrd_bytes;
	struct elf_image img;
	int ret = elf_parse(&img, data, len, e);

	if (!ret)
		ret = elf_load_segments(&img, m, data, e);
	if (!ret)
		ret = boot_put_cmdline(m, o->append ? o->append : "", BOOT_CMDLINE_MAX - 1, e);
	if (!ret)
		ret = boot_put_initrd(m, o->initrd, img.end, MEM_HOLE_START, &initrd_at,
				      &initrd_bytes, e);
	if (ret < 0)
		return ret;
	*entry = (struct vcpu_entry){ .mode = VCPU_PROTECTED,
				      .rip = img.pvh_entry,
				      .arg = BOOT_INFO };
	return put_info(m, initrd_at, initrd_bytes, e);
}
