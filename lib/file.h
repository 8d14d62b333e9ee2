/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * file - kernel files, whole-file reads, and writes that a crash cannot tear
 */
#ifndef RTKVM_LIB_FILE_H
#define RTKVM_LIB_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "lib/err.h"

/* file_read - at most size - 1 bytes of a small (kernel) file, NUL-terminated; returns the length */
ssize_t file_read(const char *path, char *buf, size_t size, struct err *e);

/* file_read_line - the first line of a kernel file without its newline; "" when it cannot be read */
char *file_read_line(const char *path, char *buf, size_t size);

/*
 * file_open - a regular file for reading: the descriptor, or -errno. In a directory that somebody else
 * filled a name may be that of a FIFO, which would be waited for: it is refused, as all else is
 */
int file_open(const char *path, struct err *e);

/* file_stream - the same as a stream; *f NULL and 0 where there is no such file */
int file_stream(const char *path, FILE **f, struct err *e);

/*
 * file_load - a whole file, of the kernel's too, NUL-terminated, at most max bytes; *data is the
 * caller's to free
 */
ssize_t file_load(const char *path, size_t max, char **data, struct err *e);

/* file_write - write text to an existing (kernel) file in one write(2) */
int file_write(const char *path, const char *text, struct err *e);

/* file_replace - new content under that name, whole or not at all: temporary file, fsync, rename */
int file_replace(const char *path, const void *data, size_t len, struct err *e);

/* file_write_all - write(2) until everything is out; -errno */
int file_write_all(int fd, const void *data, size_t len);

/* file_copy - copy a regular file with its mode */
int file_copy(const char *from, const char *to, struct err *e);

/* file_mkdirs - make a directory and its parents (mkdir -p), or none of them */
int file_mkdirs(const char *path, struct err *e);

/* What file_make made of a path: where in it each directory ends. */
struct file_made {
	char path[PATH_MAX];
	uint16_t ends[PATH_MAX / 2];
	int n;
};

/* file_make - the same, for one who may have to take it back */
int file_make(const char *path, struct file_made *made, struct err *e);

/* file_unmake - remove what file_make made, as far as it is empty: others may use it by now */
void file_unmake(struct file_made *made);

/*
 * file_remove_tree - remove a directory and all below it; symbolic links are not followed, and what
 * is mounted below it is left alone (and is then an error)
 */
int file_remove_tree(const char *path, struct err *e);

bool file_exists(const char *path);

/* file_path - printf into buf; returns buf, or NULL with errno ENAMETOOLONG when it does not fit */
char *file_path(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
