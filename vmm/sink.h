/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sink - a file for what the guest says: console, data port
 *
 * A guest may write without end; max bounds what the file holds, not what ever went through it: a
 * reader that frees what it has taken (fallocate(2), FALLOC_FL_PUNCH_HOLE) is sent slices for months.
 */
#ifndef RTKVM_VMM_SINK_H
#define RTKVM_VMM_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct sink {
	int fd; /* -1: bytes are dropped */
	const char *what; /* "--console", "--data" */
	uint64_t written; /* at least what the file holds, if it is a regular one */
	uint64_t max; /* 0: no limit */
};

/* sink_write - all of it; -EFBIG when the file would hold more than max */
int sink_write(struct sink *s, const char *data, size_t len, struct err *e);

/* sink_writable - would a write of PIPE_BUF bytes not block, within timeout_ms? */
bool sink_writable(const struct sink *s, int timeout_ms);

#endif
