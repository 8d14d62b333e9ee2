// SPDX-License-Identifier: GPL-2.0-only
/* latencylog - the reader of latency.log, and what adds slices up */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/file.h"
#include "results/dataset.h"
#include "results/stats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* With the right CRC: otherwise hardly a mutation would get past it. Layout: docs/latency-log.md */
static void mend_crcs(uint8_t *p, size_t len)
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	int fd = memfd_create("input", MFD_CLOEXEC);
	uint8_t *copy = malloc(len + 1);
	char path[64];
	const char *paths[] = { path };
	struct err e = { 0 };
	struct dataset d;

	if (fd < 0 || !copy)
		abort();
	memcpy(copy, data, len);
	mend_crcs(copy, len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (file_write_all(fd, copy, len))
		abort();
	if (!dataset_load(&d, paths, 1, &e))
		for (size_t i = 0; i < d.n_series; i++) {
			stats_quantile(&d.series[i].hist, 0.999);
			stats_exceedance(&d.series[i].hist, 40000, d.series[i].duration_ns);
		}
	dataset_free(&d);
	free(copy);
	close(fd);
	return 0;
}
