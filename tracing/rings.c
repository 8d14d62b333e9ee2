// SPDX-License-Identifier: GPL-2.0-only
#include "tracing/rings.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/file.h"

/* A trace.dat's head is some hundred KiB of formats, and each CPU begins a page. */
enum { RESERVE_BYTES = 2 << 20, COPY_BYTES = 1 << 16, SPLICE_BYTES = 1 << 16 };

/* A file beside out that nobody else sees, and that goes with us. */
static int nameless(const char *out, unsigned int cpu, struct err *e)
{
	char path[PATH_MAX];
	int fd;

	if (!file_path(path, sizeof(path), "%s.%d.cpu%u.tmp", out, getpid(), cpu))
		return err_sys(e, "writing %s failed", out);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "writing %s failed", path);
	unlink(path);
	return fd;
}

/* Of a disk that is full in the end there must be enough left to write what was collected. */
static int reserve(struct rings *r, const char *out, struct err *e)
{
	int ret;

	r->reserve = nameless(out, r->n, e);
	if (r->reserve < 0)
		return r->reserve;
	ret = posix_fallocate(r->reserve, 0, RESERVE_BYTES);
	return ret ? err_set(e, -ret, "writing %s failed: %s", out, strerror(ret)) : 0;
}

static int open_one(struct ring *ring, unsigned int cpu, const char *dir, const char *out,
		    struct err *e)
{
	char path[PATH_MAX];

	if (!file_path(path, sizeof(path), "%s/per_cpu/cpu%u/trace_pipe_raw", dir, cpu))
		return err_sys(e, "opening the trace failed");
	ring->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (ring->fd < 0 && errno != ENOENT) /* a CPU number that is not there */
		return err_sys(e, "opening %s failed", path);
	if (!out || ring->fd < 0)
		return 0;
	ring->tmp = nameless(out, cpu, e);
	return ring->tmp < 0 ? ring->tmp : 0;
}

int rings_open(struct rings *r, const char *dir, const char *out, struct err *e)
{
	int ret = 0;

	*r = (struct rings){ .n = sysconf(_SC_NPROCESSORS_CONF),
			     .pipe = { -1, -1 },
			     .reserve = -1 };
	r->ring = calloc(r->n, sizeof(*r->ring));
	if (!r->ring)
		return err_set(e, -ENOMEM, "recording failed: no memory");
	for (unsigned int i = 0; i < r->n; i++)
		r->ring[i] = (struct ring){ -1, -1 };
	if (out && pipe2(r->pipe, O_CLOEXEC))
		return err_sys(e, "making a pipe failed");
	if (out)
		ret = reserve(r, out, e);
	for (unsigned int i = 0; i < r->n && !ret; i++)
		ret = open_one(&r->ring[i], i, dir, out, e);
	return ret;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void rings_close(struct rings *r)
{
	if (!r->ring)
		return;
	for (unsigned int i = 0; i < r->n; i++) {
		close_fd(&r->ring[i].fd);
		close_fd(&r->ring[i].tmp);
	}
	close_fd(&r->pipe[0]);
	close_fd(&r->pipe[1]);
	close_fd(&r->reserve);
	free(r->ring);
	*r = (struct rings){ 0 };
}

/* Hand every page that is in the ring now to put. */
static int drain(struct ring *ring,
		 int (*put)(void *arg, const void *page, size_t n, struct err *e), void *arg,
		 struct err *e)
{
	uint8_t page[RINGS_PAGE_BYTES];

	while (ring->fd >= 0) {
		ssize_t n = read(ring->fd, page, sizeof(page));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return !n || errno == EAGAIN ? 0 : err_sys(e, "reading the trace failed");
		memset(page + n, 0, sizeof(page) - n);
		if (put(arg, page, sizeof(page), e))
			return e->code;
	}
	return 0;
}

static int put_tmp(void *arg, const void *page, size_t n, struct err *e)
{
	struct ring *ring = arg;
	int ret = file_write_all(ring->tmp, page, n);

	if (ret < 0)
		return err_set(e, ret, "keeping the trace failed: %s", strerror(-ret));
	ring->bytes += n;
	return 0;
}

static int put_dat(void *arg, const void *page, size_t n, struct err *e)
{
	return datw_pages(arg, page, n, e);
}

/* The disk is full: what is whole stays, what is in the pipe must not get into another CPU's file. */
static void give_up(struct rings *r, struct ring *ring)
{
	ring->bytes -= ring->bytes % RINGS_PAGE_BYTES;
	close_fd(&r->pipe[0]);
	close_fd(&r->pipe[1]);
}

/* What is in the pipe into the file. */
static int splice_out(struct rings *r, struct ring *ring, size_t bytes, struct err *e)
{
	while (bytes) {
		ssize_t n = splice(r->pipe[0], NULL, ring->tmp, NULL, bytes, SPLICE_F_MOVE);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			err_set(e, n ? -errno : -EIO, "keeping the trace failed: %s",
				strerror(n ? errno : EIO));
			give_up(r, ring);
			return e->code;
		}
		ring->bytes += n;
		bytes -= n;
	}
	return 0;
}

/* The kernel gives whole pages only; one that is not full yet stays. */
static int splice_ring(struct rings *r, struct ring *ring, struct err *e)
{
	int ret = 0;

	while (!ret) {
		ssize_t n = splice(ring->fd, NULL, r->pipe[1], NULL, SPLICE_BYTES,
				   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return !n || errno == EAGAIN ? 0 : err_sys(e, "reading the trace failed");
		ret = splice_out(r, ring, n, e);
	}
	return ret;
}

int rings_collect(struct rings *r, struct err *e)
{
	int ret = 0;

	for (unsigned int i = 0; i < r->n && !ret && r->pipe[0] >= 0; i++)
		if (r->ring[i].tmp >= 0)
			ret = splice_ring(r, &r->ring[i], e);
	return ret;
}

int rings_finish(struct rings *r, struct err *e)
{
	int ret = rings_collect(r, e);

	for (unsigned int i = 0; i < r->n && !ret && r->pipe[0] >= 0; i++)
		if (r->ring[i].tmp >= 0)
			ret = drain(&r->ring[i], put_tmp, &r->ring[i], e);
	return ret;
}

void rings_release(struct rings *r)
{
	close_fd(&r->reserve);
}

static int copy_tmp(struct datw *w, const struct ring *ring, struct err *e)
{
	char buf[COPY_BYTES];

	for (uint64_t at = 0; at < ring->bytes;) {
		ssize_t n = pread(ring->tmp, buf, sizeof(buf), at);

		if (n <= 0)
			return err_set(e, n ? -errno : -EIO, "reading back the trace failed");
		if ((uint64_t)n > ring->bytes - at) /* half a page of a full disk */
			n = ring->bytes - at;
		/* its room is needed for the copy; where it cannot be given back it is there twice */
		fallocate(ring->tmp, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, n);
		if (datw_pages(w, buf, n, e))
			return e->code;
		at += n;
	}
	return 0;
}

static int write_ring(struct rings *r, unsigned int cpu, struct datw *w, struct err *e)
{
	struct ring *ring = &r->ring[cpu];
	int ret = datw_cpu(w, cpu, e);

	if (ret < 0)
		return ret;
	return ring->tmp >= 0 ? copy_tmp(w, ring, e) : drain(ring, put_dat, w, e);
}

int rings_write(struct rings *r, struct datw *w, struct err *e)
{
	int ret = 0;

	for (unsigned int i = 0; i < r->n && !ret; i++)
		if (r->ring[i].fd >= 0)
			ret = write_ring(r, i, w, e);
	return ret;
}
