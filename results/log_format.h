/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * log_format - the numbers of latency.log that its writer and its reader share
 *
 * The format is docs/latency-log.md; what is here and what is there change together, with VERSION.
 */
#ifndef RTKVM_RESULTS_LOG_FORMAT_H
#define RTKVM_RESULTS_LOG_FORMAT_H

#include <stdbool.h>

#include "results/log.h"

enum {
	VERSION = 2, /* the newest that is read */
	SLICE_VERSION = 2, /* what slices are written as; of marks and ends nothing has changed */
	OTHER_VERSION = 1,
	TYPE_SLICE = 1,
	TYPE_MARK = 2,
	TYPE_END = 3,
	HEADER_BYTES = 40,
	CRC_OFFSET = 16,
	SLICE_BYTES = 144, /* of version 1 before counters and bins; packed ones are shorter */
	KNOWN_BITS = 32, /* a newer writer of this version may know more counters than we */
	VARINT_BYTES = 10,
	PAYLOAD_MAX = SLICE_BYTES + KNOWN_BITS * VARINT_BYTES + HIST_BINS * 2 * VARINT_BYTES,
	RECORD_MAX = HEADER_BYTES + PAYLOAD_MAX,
};

#define LOG_MAGIC "RTKVMLOG"

enum { MAGIC_BYTES = sizeof(LOG_MAGIC) - 1 };

/* A place in a buffer that cannot pass its end: what would is dropped, and bad is set for good. */
struct cursor {
	unsigned char *p, *end;
	bool bad;
};

#endif
