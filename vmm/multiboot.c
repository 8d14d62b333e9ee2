// SPDX-License-Identifier: GPL-2.0-only
/* Multiboot 1 (Multiboot Specification version 0.6.96): 32-bit ELF, or any file that says where it
 * belongs in its header's address fields. */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "vmm/boot.h"

enum {
	HEADER_MAGIC = 0x1badb002,
	ENTRY_MAGIC = 0x2badb002,
	SEARCH_BYTES = 8192, /* the header lies within these, on a multiple of 4 */
};

/* The header's flags: the low 16 are demands that a loader must know, or refuse. */
enum {
	WANTS_ALIGNED_MODULES = 1 << 0,
	WANTS_MEMORY = 1 << 1,
	WANTS_KNOWN = WANTS_ALIGNED_MODULES | WANTS_MEMORY,
	WANTS_MASK = 0xffff,
	HAS_ADDRESSES = 1 << 16,
};

/* Which fields of the information structure are valid. */
enum {
	INFO_MEMORY = 1 << 0,
	INFO_CMDLINE = 1 << 2,
	INFO_MODULES = 1 << 3,
	INFO_MEMORY_MAP = 1 << 6,
	INFO_LOADER_NAME = 1 << 9,
};

struct header {
	uint32_t magic, flags, checksum;
	/* with HAS_ADDRESSES */
	uint32_t header_at, load_at, load_end, bss_end, entry;
};

enum { HEADER_MIN_BYTES = 12 };

struct info {
	uint32_t flags, mem_lower_kib, mem_upper_kib, boot_device, cmdline;
	uint32_t mods_count, mods_at, syms[4], mmap_bytes, mmap_at;
	uint32_t drives_bytes, drives_at, config_table, loader_name, apm_table;
};

struct module {
	uint32_t first, end, string, reserved;
};

struct range {
	uint32_t size; /* of the rest */
	uint64_t first, bytes;
	uint32_t type;
} __attribute__((packed));

/* All of it on the page at BOOT_INFO, beside the command line's own place. */
struct info_page {
	struct info info;
	struct module initrd;
	struct range ranges[BOOT_RANGES];
	char loader[16], module[128];
};

_Static_assert(sizeof(struct info) == 72, "the specification's offsets");

/* Its offset in the file, -1: none. What the file has of the header is copied, the rest is 0. */
static ssize_t find_header(struct header *h, const uint8_t *data, size_t len)
{
	size_t end = len < SEARCH_BYTES ? len : SEARCH_BYTES;

	for (size_t at = 0; at + HEADER_MIN_BYTES <= end; at += 4) {
		size_t n = len - at < sizeof(*h) ? len - at : sizeof(*h);

		memset(h, 0, sizeof(*h));
		memcpy(h, data + at, n);
		if (h->magic == HEADER_MAGIC && h->magic + h->flags + h->checksum == 0)
			return n < sizeof(*h) && h->flags & HAS_ADDRESSES ? -1 : (ssize_t)at;
	}
	return -1;
}

bool multiboot_is(const uint8_t *data, size_t len)
{
	struct header h;

	return find_header(&h, data, len) >= 0;
}

/* The file is loaded as one piece, from load_at's byte on. */
static int parse_addresses(struct multiboot *mb, const struct header *h, size_t header_offset,
			   size_t len, struct err *e)
{
	uint64_t before = h->header_at - (uint64_t)h->load_at, file_bytes;
	struct elf_segment s = { .at = h->load_at };

	if (h->header_at < h->load_at || before > header_offset)
		return err_set(e, -EINVAL, "multiboot: its load address lies before the file");
	s.file_offset = header_offset - before;
	file_bytes = len - s.file_offset;
	if (h->load_end) {
		if (h->load_end <= h->load_at || h->load_end - h->load_at > file_bytes)
			return err_set(e, -EINVAL, "truncated: it loads more than the file has");
		file_bytes = h->load_end - h->load_at;
	}
	s.file_bytes = s.mem_bytes = file_bytes;
	if (h->bss_end) {
		if (h->bss_end < h->load_at + file_bytes)
			return err_set(e, -EINVAL, "multiboot: its bss ends within its data");
		s.mem_bytes = h->bss_end - h->load_at;
	}
	mb->entry = h->entry;
	return elf_add_segment(&mb->img, &s, len, e);
}

static int parse_elf32(struct multiboot *mb, const uint8_t *data, size_t len, struct err *e)
{
	Elf32_Ehdr h;
	int ret = 0;

	if (len < sizeof(h))
		return err_set(e, -EINVAL, "truncated: %zu bytes are less than an ELF header", len);
	memcpy(&h, data, sizeof(h));
	if (memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 || h.e_ident[EI_CLASS] != ELFCLASS32 ||
	    h.e_ident[EI_DATA] != ELFDATA2LSB || h.e_machine != EM_386)
		return err_set(e, -EINVAL,
			       "a multiboot image that is neither a 32-bit x86 ELF file nor says "
			       "where to load it");
	if (h.e_phentsize != sizeof(Elf32_Phdr) || !h.e_phnum)
		return err_set(e, -EINVAL, "an ELF image without program headers: not bootable");
	if (h.e_phoff > len || (len - h.e_phoff) / sizeof(Elf32_Phdr) < h.e_phnum)
		return err_set(e, -EINVAL, "truncated: its program headers lie beyond the end");
	for (unsigned int i = 0; !ret && i < h.e_phnum; i++) {
		Elf32_Phdr p;

		memcpy(&p, data + h.e_phoff + i * sizeof(p), sizeof(p));
		if (p.p_type == PT_LOAD)
			ret = elf_add_segment(&mb->img,
					      &(struct elf_segment){ p.p_paddr, p.p_filesz,
								     p.p_memsz, p.p_offset },
					      len, e);
	}
	mb->entry = h.e_entry;
	return ret;
}

int multiboot_parse(struct multiboot *mb, const uint8_t *data, size_t len, struct err *e)
{
	struct header h;
	ssize_t at = find_header(&h, data, len);
	int ret;

	*mb = (struct multiboot){ .img.low = true };
	if (at < 0)
		return err_set(e, -EINVAL, "no multiboot header in its first %d bytes",
			       SEARCH_BYTES);
	if (h.flags & WANTS_MASK & ~WANTS_KNOWN)
		return err_set(e, -EINVAL,
			       "its multiboot header demands what this machine does not have "
			       "(flags %#x): a video mode, or something newer",
			       h.flags & WANTS_MASK & ~WANTS_KNOWN);
	ret = h.flags & HAS_ADDRESSES ? parse_addresses(mb, &h, at, len, e)
				      : parse_elf32(mb, data, len, e);
	if (ret < 0)
		return ret;
	if (!elf_has(&mb->img, mb->entry))
		return err_set(e, -EINVAL, "its entry %#" PRIx64 " lies in no segment", mb->entry);
	return 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* By custom the first word is the image's own name. */
static int put_cmdline(const struct memory *m, const struct boot_opts *o, struct err *e)
{
	_cleanup_free_ char *text = NULL;

	if (asprintf(&text, "%s%s%s", base_name(o->kernel), o->append ? " " : "",
		     o->append ? o->append : "") < 0)
		return err_set(e, -ENOMEM, "no memory for the command line");
	return boot_put_cmdline(m, text, BOOT_CMDLINE_MAX - 1, e);
}

#define PAGE_FIELD(f) (BOOT_INFO + offsetof(struct info_page, f))

static int put_info(const struct memory *m, const struct boot_opts *o, uint64_t initrd_at,
		    uint64_t initrd_bytes, struct err *e)
{
	struct boot_range r[BOOT_RANGES];
	size_t n = boot_memory_map(m, r);
	struct info_page page = {
		.info = {
			.flags = INFO_MEMORY | INFO_CMDLINE | INFO_MODULES | INFO_MEMORY_MAP |
				 INFO_LOADER_NAME,
			.mem_lower_kib = BOOT_LOW_END >> 10,
			.mem_upper_kib = (m->low_bytes - BOOT_HIGH_START) >> 10,
			.cmdline = BOOT_CMDLINE,
			.mods_count = initrd_bytes ? 1 : 0,
			.mods_at = PAGE_FIELD(initrd),
			.mmap_bytes = n * sizeof(page.ranges[0]),
			.mmap_at = PAGE_FIELD(ranges),
			.loader_name = PAGE_FIELD(loader),
		},
		.initrd = { .first = initrd_at,
			    .end = initrd_at + initrd_bytes,
			    .string = PAGE_FIELD(module) },
		.loader = "rtkvm",
	};

	for (size_t i = 0; i < n; i++)
		page.ranges[i] = (struct range){ .size = sizeof(page.ranges[0]) - sizeof(uint32_t),
						 .first = r[i].first,
						 .bytes = r[i].bytes,
						 .type = r[i].type };
	if (o->initrd)
		snprintf(page.module, sizeof(page.module), "%s", base_name(o->initrd));
	return boot_put(m, BOOT_INFO, &page, sizeof(page), "the multiboot information", e);
}

static uint64_t above_1mib(uint64_t at)
{
	return at > BOOT_HIGH_START ? at : BOOT_HIGH_START;
}

int multiboot_load(struct vm *vm, const struct boot_opts *o, const uint8_t *data, size_t len,
		   struct vcpu_entry *entry, struct err *e)
{
	const struct memory *m = &vm->mem;
	uint64_t initrd_at, initrd_bytes;
	struct multiboot mb;
	int ret = multiboot_parse(&mb, data, len, e);

	if (!ret)
		ret = elf_load_segments(&mb.img, m, data, e);
	if (!ret)
		ret = put_cmdline(m, o, e);
	if (!ret)
		ret = boot_put_initrd(m, o->initrd, above_1mib(mb.img.end), MEM_HOLE_START,
				      &initrd_at, &initrd_bytes, e);
	if (ret < 0)
		return ret;
	*entry = (struct vcpu_entry){
		.mode = VCPU_PROTECTED, .rip = mb.entry, .arg = BOOT_INFO, .magic = ENTRY_MAGIC
	};
	return put_info(m, o, initrd_at, initrd_bytes, e);
}
