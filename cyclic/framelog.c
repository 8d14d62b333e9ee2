// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/framelog.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"

/* The log's reader wants a file. */
int framelog_each(const struct frame_file *f, framelog_take *take, void *ctx, struct err *e)
{
	_cleanup_close_ int fd = memfd_create("rtkvm-slices", MFD_CLOEXEC);
	_cleanup_free_ struct log_reader *r = malloc(sizeof(*r));
	char path[32];
	int ret;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!r || fd < 0 || file_write_all(fd, f->data, f->len) < 0)
		return err_set(e, -ENOMEM, "reading the guest's slices failed: no memory");
	ret = log_open(r, path, e);
	if (ret < 0)
		return ret;
	while (!ret && (ret = log_next(r, e)) > 0)
		ret = take(ctx, r, ret, e);
	log_reader_close(r);
	return ret;
}
