// SPDX-License-Identifier: GPL-2.0-only
/* latencylog - the reader of latency.log, and what adds slices up */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/file.h"
#include "results/dataset.h"
#include "results/stats.h"
#include "tests/fuzz/logcrc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

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
	logcrc_mend(copy, len);
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
