// SPDX-License-Identifier: GPL-2.0-only
#include "guests/cpio.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"

static bool name_is_plain(const char *name)
{
	if (!*name || *name == '/' || name[strlen(name) - 1] == '/')
		return false;
	for (const char *p = name; p; p = strchr(p, '/')) {
		p += *p == '/';
		size_t part = strcspn(p, "/");

		if (!part || (part == 1 && p[0] == '.') ||
		    (part == 2 && p[0] == '.' && p[1] == '.'))
			return false;
	}
	return true;
}

bool cpio_has(const struct cpio *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->entries[i].name, name))
			return true;
	return false;
}

/* Adds the parents first, so that a name below a file is found out here and not by the kernel. */
static int add(struct cpio *c, const char *name, mode_t mode, struct cpio_entry **out,
	       struct err *e)
{
	struct cpio_entry *entries;
	char parent[PATH_MAX];
	char *slash;

	if (!name_is_plain(name) || !file_path(parent, sizeof(parent), "%s", name))
		return err_set(e, -EINVAL, "adding \"%s\" to the archive failed: not a plain name",
			       name);
	slash = strrchr(parent, '/');
	if (slash) {
		int ret;

		*slash = '\0';
		ret = cpio_dir(c, parent, 0755, e);
		if (ret < 0)
			return ret;
	}
	entries = realloc(c->entries, (c->n + 1) * sizeof(*entries));
	if (!entries)
		return err_set(e, -ENOMEM, "adding %s to the archive failed: no memory", name);
	c->entries = entries;
	entries[c->n] = (struct cpio_entry){ .name = strdup(name), .mode = mode };
	if (!entries[c->n].name)
		return err_set(e, -ENOMEM, "adding %s to the archive failed: no memory", name);
	*out = &entries[c->n++];
	return 0;
}

int cpio_dir(struct cpio *c, const char *name, mode_t perm, struct err *e)
{
	struct cpio_entry *entry;

	for (size_t i = 0; i < c->n; i++) {
		if (strcmp(c->entries[i].name, name))
			continue;
		if (S_ISDIR(c->entries[i].mode))
			return 0;
		return err_set(e, -EEXIST,
			       "adding directory %s to the archive failed: a file has "
			       "that name",
			       name);
	}
	return add(c, name, S_IFDIR | perm, &entry, e);
}

int cpio_file(struct cpio *c, const char *name, mode_t perm, const char *from, struct err *e)
{
	struct cpio_entry *entry;
	int ret = add(c, name, S_IFREG | perm, &entry, e);

	if (ret < 0)
		return ret;
	entry->from = strdup(from);
	return entry->from ? 0 : err_set(e, -ENOMEM, "adding %s failed: no memory", name);
}

int cpio_data(struct cpio *c, const char *name, mode_t perm, const void *data, size_t len,
	      struct err *e)
{
	struct cpio_entry *entry;
	int ret = add(c, name, S_IFREG | perm, &entry, e);

	if (ret < 0)
		return ret;
	entry->data = malloc(len + 1);
	if (!entry->data)
		return err_set(e, -ENOMEM, "adding %s failed: no memory", name);
	memcpy(entry->data, data, len);
	entry->len = len;
	return 0;
}

int cpio_link(struct cpio *c, const char *name, const char *target, struct err *e)
{
	int ret = cpio_data(c, name, 0777, target, strlen(target), e);

	if (!ret)
		c->entries[c->n - 1].mode = S_IFLNK | 0777;
	return ret;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct cpio_entry *)a)->name, ((const struct cpio_entry *)b)->name);
}

static int pad(FILE *f, uint64_t len)
{
	static const char zeros[4];

	return fwrite(zeros, 1, -len & 3, f) == (-len & 3) ? 0 : -EIO;
}

/* 6 characters of magic, 13 fields of 8 hex digits, the name with its NUL, each part padded to 4. */
static int put_header(FILE *f, unsigned int ino, const struct cpio_entry *e, uint64_t size,
		      uint32_t mtime)
{
	size_t name_len = strlen(e->name) + 1;
	int n = fprintf(f, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", ino,
			(unsigned int)e->mode, 0, 0, S_ISDIR(e->mode) ? 2 : 1, mtime,
			(unsigned int)size, 0, 0, 0, 0, (unsigned int)name_len, 0);

	if (n != 110 || fwrite(e->name, 1, name_len, f) != name_len)
		return -EIO;
	return pad(f, 110 + name_len);
}

static int put_from(FILE *f, const struct cpio_entry *entry, unsigned int ino, uint32_t mtime,
		    struct err *e)
{
	_cleanup_close_ int in = open(entry->from, O_RDONLY | O_CLOEXEC);
	char buf[65536];
	struct stat st;
	uint64_t left;

	if (in < 0 || fstat(in, &st))
		return err_sys(e, "opening %s failed", entry->from);
	if (!S_ISREG(st.st_mode) || st.st_size > UINT32_MAX)
		return err_set(e, -EINVAL, "archiving %s failed: not a regular file below 4 GiB",
			       entry->from);
	if (put_header(f, ino, entry, st.st_size, mtime))
		return err_sys(e, "writing the archive failed");
	for (left = st.st_size; left;) {
		ssize_t n = read(in, buf, left < sizeof(buf) ? left : sizeof(buf));

		if (n <= 0)
			return err_set(e, -EIO, "archiving %s failed: it shrank meanwhile",
				       entry->from);
		if (fwrite(buf, 1, n, f) != (size_t)n)
			return err_sys(e, "writing the archive failed");
		left -= n;
	}
	return pad(f, st.st_size) ? err_sys(e, "writing the archive failed") : 0;
}

static int put_entry(FILE *f, const struct cpio_entry *entry, unsigned int ino, uint32_t mtime,
		     struct err *e)
{
	if (entry->from)
		return put_from(f, entry, ino, mtime, e);
	if (put_header(f, ino, entry, entry->len, mtime) ||
	    (entry->len && fwrite(entry->data, 1, entry->len, f) != entry->len) ||
	    pad(f, entry->len))
		return err_sys(e, "writing the archive failed");
	return 0;
}

int cpio_write(struct cpio *c, int fd, struct err *e)
{
	static const struct cpio_entry trailer = { .name = (char *)"TRAILER!!!" };
	_cleanup_fclose_ FILE *f = NULL;
	int copy = dup(fd);
	int ret = 0;

	f = copy < 0 ? NULL : fdopen(copy, "w");
	if (!f) {
		if (copy >= 0)
			close(copy);
		return err_sys(e, "writing the archive failed");
	}
	if (c->n)
		qsort(c->entries, c->n, sizeof(*c->entries), by_name);
	for (size_t i = 0; i < c->n && !ret; i++) {
		if (i && !strcmp(c->entries[i].name, c->entries[i - 1].name))
			return err_set(e, -EEXIST, "%s is in the archive twice",
				       c->entries[i].name);
		ret = put_entry(f, &c->entries[i], i + 1, c->mtime, e);
	}
	if (ret < 0)
		return ret;
	if (put_header(f, 0, &trailer, 0, 0) || fflush(f))
		return err_sys(e, "writing the archive failed");
	return 0;
}

void cpio_free(struct cpio *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->entries[i].name);
		free(c->entries[i].from);
		free(c->entries[i].data);
	}
	free(c->entries);
	c->entries = NULL;
	c->n = 0;
}
