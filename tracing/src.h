/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * src - read numbers and strings one after another from a file or from memory, never past the end
 *
 * The first read that fails keeps its sentence in *e; everything after it yields zeros, so a
 * parser may read a whole record and look at src->bad once.
 */
#ifndef RTKVM_TRACING_SRC_H
#define RTKVM_TRACING_SRC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct src {
	const char *name; /* of the file, for errors */
	int fd; /* -1: mem */
	const uint8_t *mem;
	uint64_t at, end;
	bool bad;
	struct err *e;
};

/* src_get - the next n bytes; zeros and src->bad when they are not there */
void src_get(struct src *s, void *buf, size_t n);

/* src_skip - pass over n bytes that are there */
void src_skip(struct src *s, uint64_t n);

uint16_t src_u16(struct src *s);
uint32_t src_u32(struct src *s);
uint64_t src_u64(struct src *s);

/* src_str - a NUL-terminated string shorter than size; longer ones are an error */
void src_str(struct src *s, char *buf, size_t size);

/* src_load - n bytes into new memory with a NUL behind; NULL and src->bad when they are not there */
char *src_load(struct src *s, uint64_t n, uint64_t max, const char *what);

/* src_expect - the next bytes are these */
void src_expect(struct src *s, const void *bytes, size_t n, const char *what);

/* src_fail - keep a sentence "reading NAME failed: ..." with the place in the file */
void src_fail(struct src *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
