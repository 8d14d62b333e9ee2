// SPDX-License-Identifier: GPL-2.0-only
/* elf - the reader of ELF files: out of packages, but still somebody else's bytes */
#include <stdint.h>

#include "guests/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_args_ struct args needed = { 0 };
	struct err e = { 0 };

	elf_scan("fuzz", data, len, &needed, &e);
	return 0;
}
