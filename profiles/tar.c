// SPDX-License-Identifier: GPL-2.0-only
#include "profiles/tar.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 512 };

/* pax(1), "ustar Interchange Format" */
struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100];
	char magic[6], version[2], uname[32], gname[32], major[8], minor[8], prefix[155], pad[12];
};

_Static_assert(sizeof(struct header) == BLOCK, "a header is a block");

static int tar_fail(struct tar *t, struct err *e)
{
	return err_set(e, -EIO, "writing %s failed: %s", t->path, strerror(errno ? errno : EIO));
}

int tar_open(struct tar *t, const char *path, struct err *e)
{
	size_t len = strlen(path);
	bool gz = len > 2 && !strcmp(path + len - 2, "gz");

	*t = (struct tar){ .path = strdup(path) };
	if (!t->path || asprintf(&t->tmp, "%s.%d.tmp", path, getpid()) < 0) {
		free(t->path);
		return err_set(e, -ENOMEM, "writing %s failed: no memory", path);
	}
	t->out = gzopen(t->tmp, gz ? "wxb" : "wxbT");
	if (t->out)
		return 0;
	err_sys(e, "writing %s failed", path);
	tar_abort(t);
	return e->code;
}

/* Splits a long name at a '/' into prefix and name. */
static int set_name(struct header *h, const char *name)
{
	const char *cut = name + strlen(name);

	if (strlen(name) < sizeof(h->name)) {
		memcpy(h->name, name, strlen(name));
		return 0;
	}
	while (cut > name && (*cut != '/' || (size_t)(cut - name) > sizeof(h->prefix)))
		cut--;
	if (cut == name || strlen(cut + 1) > sizeof(h->name))
		return -ENAMETOOLONG;
	memcpy(h->prefix, name, cut - name);
	memcpy(h->name, cut + 1, strlen(cut + 1));
	return 0;
}

static void set_sum(struct header *h)
{
	const uint8_t *bytes = (const uint8_t *)h;
	unsigned int sum = 0;

	memset(h->sum, ' ', sizeof(h->sum));
	for (size_t i = 0; i < sizeof(*h); i++)
		sum += bytes[i];
	snprintf(h->sum, sizeof(h->sum), "%06o", sum);
}

int tar_add(struct tar *t, const char *name, const char *data, size_t len, struct err *e)
{
	static const char zeros[BLOCK];
	struct header h = { .mode = "0000644",
			    .uid = "0000000",
			    .gid = "0000000",
			    .mtime = "00000000000",
			    .type = '0',
			    .magic = "ustar",
			    .version = "00" };
	size_t pad = (BLOCK - len % BLOCK) % BLOCK;

	name += *name == '/';
	if (set_name(&h, name) < 0)
		return err_set(e, -ENAMETOOLONG, "writing %s failed: %s is too long a name",
			       t->path, name);
	snprintf(h.size, sizeof(h.size), "%011zo", len);
	set_sum(&h);
	errno = 0;
	if (gzwrite(t->out, &h, sizeof(h)) != sizeof(h) ||
	    (len && gzwrite(t->out, data, len) != (int)len) ||
	    (pad && gzwrite(t->out, zeros, pad) != (int)pad))
		return tar_fail(t, e);
	return 0;
}

int tar_close(struct tar *t, struct err *e)
{
	static const char end[2 * BLOCK];
	bool ok = gzwrite(t->out, end, sizeof(end)) == sizeof(end);

	ok = gzclose(t->out) == Z_OK && ok;
	t->out = NULL;
	if (!ok || rename(t->tmp, t->path)) {
		tar_fail(t, e);
		tar_abort(t);
		return e->code;
	}
	free(t->tmp);
	free(t->path);
	return 0;
}

void tar_abort(struct tar *t)
{
	if (t->out)
		gzclose(t->out);
	unlink(t->tmp);
	free(t->tmp);
	free(t->path);
}
