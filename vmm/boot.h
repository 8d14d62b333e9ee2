/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot - from kernel, initrd and command line to guest memory and a first instruction
 *
 * bzImage by the 64-bit protocol (Documentation/arch/x86/boot.rst), 64-bit ELF by PVH
 * (xen/docs/misc/pvh.pandoc), 32-bit images by multiboot 1. The parsers take bytes and judge them; nothing in an image is
 * trusted: a file is as hostile as a guest.
 */
#ifndef RTKVM_VMM_BOOT_H
#define RTKVM_VMM_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "vmm/memory.h"
#include "vmm/vcpu.h"

#define BOOT_KERNEL_MAX_BYTES (512ull << 20)

/* Fixed places below 1 MiB; what they must leave free: vcpu.h. */
#define BOOT_INFO	 0x7000ull /* boot_params or hvm_start_info */
#define BOOT_LOW_IMAGE	 0x8000ull /* a 16-bit image's place: up to the command line */
#define BOOT_CMDLINE	 0x20000ull
#define BOOT_CMDLINE_MAX 0x10000u
#define BOOT_LOW_END	 0x9fc00ull /* RAM ends here below 1 MiB */
#define BOOT_HIGH_START	 0x100000ull
#define BOOT_ACPI	 0xe0000ull

struct boot_opts {
	const char *kernel; /* file names; initrd may be NULL */
	const char *initrd;
	const char *append; /* command line; may be NULL */
};

/* What a bzImage's header says, checked against the file's length. */
struct bzimage {
	uint64_t setup_bytes; /* real-mode part: boot sector and setup */
	uint64_t kernel_bytes; /* protected-mode part, follows it */
	uint64_t load; /* preferred address */
	uint64_t init_bytes; /* memory it needs from there until it has its own map */
	uint64_t align;
	bool relocatable;
	uint64_t initrd_max; /* highest address of the initrd's last byte */
	uint32_t cmdline_max;
	uint16_t version;
	uint8_t header[0x90]; /* setup header, from offset 0x1f1 */
	size_t header_bytes;
};

enum { ELF_SEGMENTS = 32 };

struct elf_image {
	size_t n;
	struct elf_segment {
		uint64_t at, file_bytes, mem_bytes, file_offset;
	} seg[ELF_SEGMENTS];
	uint64_t end; /* first address above all segments */
	bool low; /* segments may also lie in BOOT_LOW_IMAGE .. BOOT_CMDLINE */
	uint64_t pvh_entry;
};

/* bzimage_is - does it have the signature of Linux's setup header? */
bool bzimage_is(const uint8_t *data, size_t len);

/* bzimage_parse - the header in data[0, len) (a whole file); sentences name what is wrong */
int bzimage_parse(struct bzimage *b, const uint8_t *data, size_t len, struct err *e);

/* elf_parse - a 64-bit x86 ELF with a PVH entry note (XEN_ELFNOTE_PHYS32_ENTRY) */
int elf_parse(struct elf_image *img, const uint8_t *data, size_t len, struct err *e);

/*
 * elf_add_segment - a piece of the file (len bytes in all) that is to lie at s->at; -EINVAL when it is
 * not in the file, or its place is not RAM for images. Nothing to load: ignored
 */
int elf_add_segment(struct elf_image *img, const struct elf_segment *s, size_t len, struct err *e);

/* elf_has - does a segment bring a byte of the file to this address? */
bool elf_has(const struct elf_image *img, uint64_t at);

/* elf_load_segments - copy them, zeros behind; -EFBIG when the guest has too little memory */
int elf_load_segments(const struct elf_image *img, const struct memory *m, const uint8_t *data,
		      struct err *e);

struct multiboot {
	struct elf_image img;
	uint64_t entry;
};

/* multiboot_is - is there a multiboot-1 header with a right checksum where one has to be? */
bool multiboot_is(const uint8_t *data, size_t len);

/* multiboot_parse - such an image: a 32-bit ELF file, or one with address fields in its header */
int multiboot_parse(struct multiboot *mb, const uint8_t *data, size_t len, struct err *e);

/* boot_check - files exist, are of a kind we boot, and fit mem_bytes; before anything is built */
int boot_check(const struct boot_opts *o, uint64_t mem_bytes, struct err *e);

/* boot_load - put everything into guest memory; entry tells where vCPU 0 starts */
int boot_load(struct vm *vm, const struct boot_opts *o, struct vcpu_entry *entry, struct err *e);

/* One range of the memory map, for e820 and PVH alike. type: 1 RAM, 2 reserved */
struct boot_range {
	uint64_t first, bytes;
	uint32_t type;
};
enum { BOOT_RANGES = 4 };

/* Pieces that bzimage.c, pvh.c and multiboot.c share, in boot.c. */
size_t boot_memory_map(const struct memory *m, struct boot_range out[static BOOT_RANGES]);
int boot_put(const struct memory *m, uint64_t at, const void *data, size_t len, const char *what,
	     struct err *e);
int boot_put_cmdline(const struct memory *m, const char *text, uint32_t max, struct err *e);
int boot_put_initrd(const struct memory *m, const char *path, uint64_t lowest, uint64_t highest,
		    uint64_t *at, uint64_t *bytes, struct err *e);

/* bzimage_load, pvh_load, multiboot_load - one format each */
int bzimage_load(struct vm *vm, const struct boot_opts *o, const uint8_t *data, size_t len,
		 struct vcpu_entry *entry, struct err *e);
int pvh_load(struct vm *vm, const struct boot_opts *o, const uint8_t *data, size_t len,
	     struct vcpu_entry *entry, struct err *e);
int multiboot_load(struct vm *vm, const struct boot_opts *o, const uint8_t *data, size_t len,
		   struct vcpu_entry *entry, struct err *e);

#endif
