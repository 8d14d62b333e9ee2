/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * elf - which shared libraries a program asks for
 *
 * Reads 64-bit little-endian ELF files (System V ABI, chapters 4 and 5: PT_INTERP, PT_DYNAMIC,
 * DT_NEEDED); every offset in the file is checked before it is followed.
 */
#ifndef RTKVM_GUESTS_ELF_H
#define RTKVM_GUESTS_ELF_H

#include <stddef.h>

#include "guests/args.h"
#include "lib/err.h"

/*
 * elf_needed - add the program interpreter's path ("/lib64/ld-linux-x86-64.so.2") and the names of
 * the needed libraries ("libc.so.6") to needed, each once. Returns 1, or 0 when the file is no ELF
 * file (a script); -EINVAL when it is a damaged or foreign one.
 */
int elf_needed(const char *path, struct args *needed, struct err *e);

/* elf_scan - elf_needed on len bytes in memory; path is for the error alone */
int elf_scan(const char *path, const void *data, size_t len, struct args *needed, struct err *e);

#endif
