/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tar - write a POSIX ustar archive of small regular files
 */
#ifndef RTKVM_PROFILES_TAR_H
#define RTKVM_PROFILES_TAR_H

#include <stddef.h>
#include <zlib.h>

#include "lib/err.h"

struct tar {
	gzFile out;
	char *path, *tmp; /* the archive appears under path only when tar_close has succeeded */
};

/* tar_open - path ending in "gz": compressed */
int tar_open(struct tar *t, const char *path, struct err *e);

/* tar_add - one file; a leading '/' of the name is left out; -ENAMETOOLONG beyond ustar's limits */
int tar_add(struct tar *t, const char *name, const char *data, size_t len, struct err *e);

/* tar_close - end marker, sync, rename */
int tar_close(struct tar *t, struct err *e);

/* tar_abort - remove what was written; for an archive that is not closed */
void tar_abort(struct tar *t);

#endif
