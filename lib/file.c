// SPDX-License-Identifier: GPL-2.0-only
#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"

static ssize_t read_some(int fd, char *buf, size_t size)
{
	size_t used = 0;

	while (used < size) {
		ssize_t n = read(fd, buf + used, size - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		used += n;
	}
	return used;
}

ssize_t file_read(const char *path, char *buf, size_t size, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	buf[0] = '\0';
	if (fd < 0)
		return err_sys(e, "opening %s failed", path);
	n = read_some(fd, buf, size - 1);
	if (n < 0)
		return err_set(e, n, "reading %s failed: %s", path, strerror(-n));
	buf[n] = '\0';
	return n;
}

char *file_read_line(const char *path, char *buf, size_t size)
{
	struct err ignored = { 0 };

	if (file_read(path, buf, size, &ignored) < 0)
		buf[0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return buf;
}

int file_open(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return err_sys(e, "opening %s failed", path);
	if (fstat(fd, &st))
		err_sys(e, "reading %s failed", path);
	else if (S_ISREG(st.st_mode))
		return fd;
	else
		err_set(e, -EINVAL, "reading %s failed: %snot a regular file", path,
			S_ISDIR(st.st_mode) ? "it is a directory, " : "");
	close(fd);
	return e->code;
}

int file_stream(const char *path, FILE **f, struct err *e)
{
	struct err why = { 0 };
	int fd = file_open(path, &why);

	*f = NULL;
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return err_set(e, fd, "%s", why.text);
	*f = fdopen(fd, "r");
	if (*f)
		return 0;
	close(fd);
	return err_set(e, -ENOMEM, "reading %s failed: no memory", path);
}

/* The kernel's files say that they are empty: what counts is where reading ends. */
static ssize_t read_to_end(int fd, size_t expected, size_t max, char **data)
{
	size_t size = expected ? expected + 1 : 65536, n = 0;
	char *buf = NULL;

	for (;;) {
		char *grown = realloc(buf, size + 1);
		ssize_t got;

		if (!grown) {
			free(buf);
			return -ENOMEM;
		}
		buf = grown;
		got = read_some(fd, buf + n, size - n);
		if (got < 0 || n + got > max) {
			free(buf);
			return got < 0 ? got : -EFBIG;
		}
		n += got;
		if (n < size)
			break;
		size *= 2;
	}
	buf[n] = '\0';
	*data = buf;
	return n;
}

ssize_t file_load(const char *path, size_t max, char **data, struct err *e)
{
	_cleanup_close_ int fd = file_open(path, e);
	struct stat st;
	ssize_t n;

	*data = NULL;
	if (fd < 0)
		return fd;
	if (fstat(fd, &st))
		return err_sys(e, "reading %s failed", path);
	n = (size_t)st.st_size > max ? -EFBIG : read_to_end(fd, st.st_size, max, data);
	if (n == -EFBIG)
		return err_set(e, n, "reading %s failed: it is longer than %zu bytes", path, max);
	if (n < 0)
		return err_set(e, n, "reading %s failed: %s", path, strerror(-n));
	return n;
}

int file_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= n;
	}
	return 0;
}

int file_write(const char *path, const char *text, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0)
		return err_sys(e, "opening %s for writing failed", path);
	n = write(fd, text, len);
	if (n < 0)
		return err_sys(e, "writing \"%.*s\" to %s failed", (int)strcspn(text, "\n"), text,
			       path);
	if ((size_t)n != len)
		return err_set(e, -EIO, "writing %s failed: the kernel took %zd of %zu bytes", path,
			       n, len);
	return 0;
}

static int sync_dir_of(const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	_cleanup_close_ int fd = -1;

	if (!copy)
		return -ENOMEM;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd))
		return -errno;
	return 0;
}

int file_replace(const char *path, const void *data, size_t len, struct err *e)
{
	char tmp[PATH_MAX];
	_cleanup_close_ int fd = -1;
	int ret;

	if (!file_path(tmp, sizeof(tmp), "%s.%d.tmp", path, getpid()))
		return err_sys(e, "writing %s failed", path);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_sys(e, "writing %s failed", path);
	ret = file_write_all(fd, data, len);
	if (!ret && fsync(fd))
		ret = -errno;
	if (!ret && rename(tmp, path))
		ret = -errno;
	if (ret < 0) {
		unlink(tmp);
		return err_set(e, ret, "writing %s failed: %s", path, strerror(-ret));
	}
	ret = sync_dir_of(path);
	if (ret < 0)
		return err_set(e, ret, "writing %s failed: %s", path, strerror(-ret));
	return 0;
}

int file_copy(const char *from, const char *to, struct err *e)
{
	_cleanup_close_ int in = file_open(from, e);
	_cleanup_close_ int out = -1;
	struct stat st;
	char buf[65536];
	ssize_t n;

	if (in < 0)
		return in;
	if (fstat(in, &st))
		return err_sys(e, "reading %s failed", from);
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, st.st_mode & 0777);
	if (out < 0)
		return err_sys(e, "writing %s failed", to);
	while ((n = read_some(in, buf, sizeof(buf))) > 0) {
		int ret = file_write_all(out, buf, n);

		if (ret < 0)
			return err_set(e, ret, "writing %s failed: %s", to, strerror(-ret));
	}
	if (n < 0)
		return err_set(e, n, "reading %s failed: %s", from, strerror(-n));
	return 0;
}

static int make_each(const char *path, struct file_made *made, struct err *e)
{
	char *part = made->path;
	struct stat st;

	for (char *p = part + 1;; p++) {
		char c = *p;

		if (c != '/' && c)
			continue;
		*p = '\0';
		if (!mkdir(part, 0755))
			made->ends[made->n++] = p - part;
		else if (errno != EEXIST)
			return err_sys(e, "making directory %s failed", part);
		if (!c)
			break;
		*p = c;
	}
	if (stat(path, &st) || !S_ISDIR(st.st_mode))
		return err_set(e, -ENOTDIR, "making directory %s failed: a file is in the way",
			       path);
	return 0;
}

int file_make(const char *path, struct file_made *made, struct err *e)
{
	int ret;

	made->n = 0;
	if (!*path || !file_path(made->path, sizeof(made->path), "%s", path))
		return err_set(e, -EINVAL, "making directory \"%s\" failed: not a usable path",
			       path);
	ret = make_each(path, made, e);
	if (ret < 0)
		file_unmake(made);
	return ret;
}

/* By the path's own text: what ".." and links make of it is not where its directories were made. */
void file_unmake(struct file_made *made)
{
	while (made->n > 0) {
		made->path[made->ends[--made->n]] = '\0';
		if (rmdir(made->path))
			break;
	}
	made->n = 0;
}

int file_mkdirs(const char *path, struct err *e)
{
	struct file_made made;

	return file_make(path, &made, e);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path) && errno != ENOENT ? -1 : 0;
}

int file_remove_tree(const char *path, struct err *e)
{
	if (nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) && errno != ENOENT)
		return err_sys(e, "removing %s failed", path);
	return 0;
}

bool file_exists(const char *path)
{
	return !access(path, F_OK);
}

char *file_path(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(buf, size, fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= size) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	return buf;
}
