/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * logcrc - give the records of a mutated latency.log the right CRC: otherwise hardly a mutation would get
 * past it. Layout: docs/latency-log.md
 */
#ifndef RTKVM_TESTS_FUZZ_LOGCRC_H
#define RTKVM_TESTS_FUZZ_LOGCRC_H

#include <stdint.h>
#include <string.h>
#include <zlib.h>

#include "results/record.h"

static inline void logcrc_mend(uint8_t *p, size_t len)
{
	for (size_t at = 0; at + 40 <= len;) {
		uint32_t bytes, crc;

		memcpy(&bytes, p + at + 12, 4);
		if (!log_is(p + at, len - at) || bytes > len - at - 40)
			return;
		memset(p + at + 16, 0, 4);
		crc = crc32(0, p + at, 40 + bytes);
		memcpy(p + at + 16, &crc, 4);
		at += 40 + bytes;
	}
}

#endif
