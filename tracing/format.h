/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * format - where the fields of an event lie, from the kernel's own format files
 *
 * Nothing about a record is assumed: kernels differ (PREEMPT_RT adds common fields, versions move
 * and rename others). The texts come from trace files, so they are foreign bytes: this reads the
 * "field:" lines alone and never the print format, which only "trace report" needs and for which
 * it asks libtraceevent.
 */
#ifndef RTKVM_TRACING_FORMAT_H
#define RTKVM_TRACING_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/err.h"

struct field {
	uint16_t offset;
	uint16_t bytes; /* 0: the event has no such field */
	bool is_signed;
};

enum { FORMAT_NAME_BYTES = 64 };

/* format_id - name and number of an event from its format file; false when it is none */
bool format_id(const char *text, size_t len, char name[static FORMAT_NAME_BYTES], uint16_t *id);

/* format_field - where a field lies; false (and bytes 0) when the event has no such field */
bool format_field(const char *text, size_t len, const char *name, struct field *f);

/* The head of a ring-buffer page, from events/header_page. */
struct page_head {
	uint16_t commit; /* offset of the commit counter */
	uint16_t commit_bytes; /* the traced kernel's long: 4 or 8 */
	uint16_t data; /* offset of the first event */
	uint32_t data_bytes; /* room for events: the page without its head */
};

/* format_page_head - read events/header_page; a head that no kernel has is an error */
int format_page_head(const char *text, size_t len, struct page_head *h, struct err *e);

/* field_get - the value in a record that is at least offset + bytes long; 0 for an absent field */
static inline uint64_t field_get(const uint8_t *rec, struct field f)
{
	uint64_t v = 0;

	switch (f.bytes) {
	case 1:
		return f.is_signed ? (uint64_t)(int8_t)rec[f.offset] : rec[f.offset];
	case 2:
		memcpy(&v, rec + f.offset, 2);
		return f.is_signed ? (uint64_t)(int16_t)v : v;
	case 4:
		memcpy(&v, rec + f.offset, 4);
		return f.is_signed ? (uint64_t)(int32_t)v : v;
	case 8:
		memcpy(&v, rec + f.offset, 8);
		return v;
	default:
		return 0;
	}
}

#endif
