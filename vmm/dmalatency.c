// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/dmalatency.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"

int dmalatency_hold(const char *path, int32_t us, int32_t *in_force_us, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
	int held;

	if (fd < 0)
		return err_set(e, -errno, "--cpu-dma-latency: opening %s failed: %s; %s", path,
			       strerror(errno),
			       errno == EACCES || errno == EPERM ? "run as root"
								 : "leave the option out");
	if (pwrite(fd, &us, sizeof(us), 0) != sizeof(us))
		return err_sys(e, "--cpu-dma-latency: asking for %" PRId32 " us failed", us);
	if (pread(fd, in_force_us, sizeof(*in_force_us), 0) != sizeof(*in_force_us))
		return err_sys(e, "--cpu-dma-latency: reading %s back failed", path);
	if (*in_force_us > us)
		return err_set(e, -EIO,
			       "--cpu-dma-latency: wanted at most %" PRId32 " us, %s reads %" PRId32
			       "; leave the option out",
			       us, path, *in_force_us);
	held = fd;
	fd = -1;
	return held;
}
