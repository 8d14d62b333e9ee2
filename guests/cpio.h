/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cpio - an initramfs archive in which nothing depends on when, where or by whom it was made
 *
 * Format "newc": Documentation/driver-api/early-userspace/buffer-format.rst. Entries are collected,
 * then written sorted by name: owner 0:0, inode numbers counted from 1, one time stamp for all, and
 * parent directories made up (0755), so that equal contents are equal bytes.
 */
#ifndef RTKVM_GUESTS_CPIO_H
#define RTKVM_GUESTS_CPIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/err.h"

struct cpio_entry {
	char *name; /* "bin/sh": no leading slash, no "." or ".." parts */
	mode_t mode; /* type and permissions */
	char *from; /* a regular file's contents: this file's ... */
	char *data; /* ... or these bytes; a symbolic link's target */
	size_t len; /* of data */
};

struct cpio {
	struct cpio_entry *entries;
	size_t n;
	uint32_t mtime; /* seconds since 1970, for every entry */
};

/* cpio_dir - a directory; parents appear by themselves, a directory added twice is one */
int cpio_dir(struct cpio *c, const char *name, mode_t perm, struct err *e);

/* cpio_file - a regular file with the contents from has when the archive is written */
int cpio_file(struct cpio *c, const char *name, mode_t perm, const char *from, struct err *e);

/* cpio_data - a regular file with these bytes (copied) */
int cpio_data(struct cpio *c, const char *name, mode_t perm, const void *data, size_t len,
	      struct err *e);

/* cpio_link - a symbolic link */
int cpio_link(struct cpio *c, const char *name, const char *target, struct err *e);

/* cpio_has - is there an entry of this name? */
bool cpio_has(const struct cpio *c, const char *name);

/* cpio_write - the whole archive to fd; two different entries of one name are -EEXIST */
int cpio_write(struct cpio *c, int fd, struct err *e);

/* cpio_free - release the entries */
void cpio_free(struct cpio *c);

#define _cleanup_cpio_ __attribute__((cleanup(cpio_free)))

#endif
