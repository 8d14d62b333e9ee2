// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/sink.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/file.h"

enum { BLOCK_BYTES = 512 }; /* of st_blocks, whatever the file system's are: stat(3type) */

/* Holes take no room. Of a pipe nobody knows what is left in it: there everything counts. */
static uint64_t held(const struct sink *s)
{
	struct stat st;
	uint64_t bytes;

	if (s->fd < 0 || fstat(s->fd, &st) || !S_ISREG(st.st_mode))
		return s->written;
	bytes = (uint64_t)st.st_blocks * BLOCK_BYTES;
	return bytes < s->written ? bytes : s->written;
}

int sink_write(struct sink *s, const char *data, size_t len, struct err *e)
{
	int ret;

	if (s->max && len > s->max - s->written)
		s->written = held(s);
	if (s->max && len > s->max - s->written)
		return err_set(e, -EFBIG, "%s: the guest sent more than %" PRIu64 " bytes", s->what,
			       s->max);
	s->written += len;
	if (s->fd < 0)
		return 0;
	ret = file_write_all(s->fd, data, len);
	return ret < 0 ? err_set(e, ret, "writing %s failed: %s", s->what, strerror(-ret)) : 0;
}

bool sink_writable(const struct sink *s, int timeout_ms)
{
	struct pollfd p = { .fd = s->fd, .events = POLLOUT };

	return s->fd < 0 || poll(&p, 1, timeout_ms) > 0;
}
