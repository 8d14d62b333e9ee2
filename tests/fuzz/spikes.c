// SPDX-License-Identifier: GPL-2.0-only
/* spikes - the reader of spikes.jsonl and the grouping of events */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/file.h"
#include "results/spikes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	int fd = memfd_create("input", MFD_CLOEXEC);
	char path[64];
	struct err e = { 0 };
	struct spikes s;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fd < 0 || file_write_all(fd, data, len))
		abort();
	spikes_load(&s, path, &e);
	spikes_free(&s);
	close(fd);
	return 0;
}
