/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * digest - the checksum by which files are told apart
 */
#ifndef RTKVM_LIB_DIGEST_H
#define RTKVM_LIB_DIGEST_H

#include "lib/err.h"

enum { DIGEST_HEX = 64 };

/* digest_sha256 - of a file, by sha256sum(1), in hexadecimal digits */
int digest_sha256(const char *path, char hex[static DIGEST_HEX + 1], struct err *e);

#endif
