/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * frames - the files a guest sent through the data port (lib/abi.h), whole or not at all
 *
 * A guest may send anything: every length is checked against what is there, every name against
 * what a plain file may be called, and nothing is believed before its checksum.
 */
#ifndef RTKVM_LIB_FRAMES_H
#define RTKVM_LIB_FRAMES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/abi.h"
#include "lib/err.h"

enum { FRAMES_FILES = 256 };

struct frame_file {
	char name[sizeof(((struct abi_frame *)0)->name)];
	const uint8_t *data; /* borrowed from the stream */
	size_t len;
};

struct frames {
	struct frame_file *files;
	size_t n;
};

/*
 * frames_parse - take a whole stream apart; stream must outlive f. -EPROTO says what is wrong or
 * missing, and how much had come before
 */
int frames_parse(struct frames *f, const void *stream, size_t len, struct err *e);

/*
 * frames_piece - the piece of a stream (ABI_FRAME_STREAM) at the beginning of what came: its size,
 * header included, with *piece; 0 when none begins there, or not all of it has come; -EPROTO
 */
ssize_t frames_piece(struct frame_file *piece, const void *stream, size_t len, struct err *e);

/* frames_find - the file of that name, NULL when it was not sent */
const struct frame_file *frames_find(const struct frames *f, const char *name);

void frames_free(struct frames *f);

#endif
