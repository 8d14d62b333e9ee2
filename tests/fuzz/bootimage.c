// SPDX-License-Identifier: GPL-2.0-only
/* A kernel image is whatever file a user names; what a parser accepts must lie inside it */
#include <stdint.h>
#include <stdlib.h>

#include "vmm/boot.h"

static void check_elf(const uint8_t *data, size_t len)
{
	struct elf_image img;
	struct err e = { 0 };

	if (elf_parse(&img, data, len, &e))
		return;
	for (size_t i = 0; i < img.n; i++)
		if (img.seg[i].file_offset + img.seg[i].file_bytes > len ||
		    img.seg[i].file_bytes > img.seg[i].mem_bytes ||
		    img.seg[i].at + img.seg[i].mem_bytes > MEM_HOLE_START)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct err e = { 0 };
	struct bzimage b;

	if (!bzimage_parse(&b, data, len, &e) &&
	    (b.setup_bytes + b.kernel_bytes > len || b.header_bytes > sizeof(b.header)))
		abort();
	check_elf(data, len);
	return 0;
}
