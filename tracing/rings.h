/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rings - the pages of a trace instance, read after the end or collected while it records
 */
#ifndef RTKVM_TRACING_RINGS_H
#define RTKVM_TRACING_RINGS_H

#include <stdint.h>

#include "lib/err.h"
#include "tracing/datwrite.h"

enum { RINGS_PAGE_BYTES = 4096 };

/* One CPU: its reader, and the file without a name that its pages are collected in. */
struct ring {
	int fd, tmp;
	uint64_t bytes;
};

struct rings {
	struct ring *ring; /* by CPU */
	unsigned int n;
	int pipe[2]; /* whole pages go through it from ring to file, uncopied; -1: none go any more */
	int reserve; /* room for what a trace.dat has besides pages; -1: none */
};

/*
 * rings_open - the readers of the instance in dir. out is the trace that shall be written, when
 * pages are to be collected: they are kept beside it; NULL: they stay in the rings.
 */
int rings_open(struct rings *r, const char *dir, const char *out, struct err *e);
void rings_close(struct rings *r); /* takes a zeroed one */

/* rings_collect - take out the pages that are full now, if pages are collected */
int rings_collect(struct rings *r, struct err *e);

/* rings_finish - take out the rest, too: nothing is recorded any more */
int rings_finish(struct rings *r, struct err *e);

/* rings_release - give back the room kept on the disk: the trace will be written now */
void rings_release(struct rings *r);

/* rings_write - all pages into the trace; what was collected gives its room on the disk back */
int rings_write(struct rings *r, struct datw *w, struct err *e);

#endif
