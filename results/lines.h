/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lines - a text file line by line, at memory speed, with errors that name file and line
 *
 * LF and CRLF end a line. A NUL byte is an error (no text), as is a line of more than 64 MiB.
 */
#ifndef RTKVM_RESULTS_LINES_H
#define RTKVM_RESULTS_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct lines {
	const char *path; /* the caller's */
	uint64_t number; /* of the line last returned, from 1 */
	/* private */
	int fd;
	char *buf;
	size_t size, have, pos;
	bool eof;
};

int lines_open(struct lines *l, const char *path, struct err *e);

/* lines_next - the next line without its end, valid until the next call; NULL: end, or e is set */
char *lines_next(struct lines *l, struct err *e);

void lines_close(struct lines *l);

/* lines_error - -EINVAL with file and number of the current line */
int lines_error(const struct lines *l, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* --- what stands on a line; each moves *p past what it took, or returns false and leaves it --- */

/* scan_u64 - blanks, then decimal digits of a 64-bit number */
bool scan_u64(const char **p, uint64_t *v);

/* scan_double - blanks, then a decimal number with a point ("12", "12.004113"); no exponent */
bool scan_double(const char **p, double *v);

/* scan_text - exactly this text */
bool scan_text(const char **p, const char *text);

/* scan_end - nothing but blanks until the end of the line */
bool scan_end(const char *p);

#endif
