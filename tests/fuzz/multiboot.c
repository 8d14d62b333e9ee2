// SPDX-License-Identifier: GPL-2.0-only
/* A multiboot image: what the parser accepts lies inside the file and where images may lie */
#include <stdlib.h>

#include "vmm/boot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct err e = { 0 };
	struct multiboot mb;

	if (multiboot_parse(&mb, data, len, &e))
		return 0;
	if (!multiboot_is(data, len) || !elf_has(&mb.img, mb.entry))
		abort();
	for (size_t i = 0; i < mb.img.n; i++) {
		const struct elf_segment *s = &mb.img.seg[i];

		if (s->file_offset > len || s->file_bytes > len - s->file_offset ||
		    s->file_bytes > s->mem_bytes || s->at < BOOT_LOW_IMAGE ||
		    s->at + s->mem_bytes > MEM_HOLE_START ||
		    (s->at < BOOT_HIGH_START && s->at + s->mem_bytes > BOOT_CMDLINE))
			abort();
	}
	return 0;
}
