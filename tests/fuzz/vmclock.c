// SPDX-License-Identifier: GPL-2.0-only
/* vmclock - the reader of a VMM's events */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/file.h"
#include "tracing/vmclock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	int fd = memfd_create("input", MFD_CLOEXEC);
	char path[64];
	struct err e = { 0 };
	struct vmclocks c;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fd < 0 || file_write_all(fd, data, len))
		abort();
	if (!vmclock_load(&c, path, &e) && c.n > MANIFEST_VCPUS)
		abort();
	close(fd);
	return 0;
}
