// SPDX-License-Identifier: GPL-2.0-only
#include "guests/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/proc.h"

enum { DEP_BYTES = 8 << 20 }; /* Debian's modules.dep is about 0.6 MB */

static const struct {
	const char *kind;
	const char *metapackage;
} kinds[] = {
	{ "rt", "linux-image-rt-amd64" },
	{ "generic", "linux-image-amd64" },
};

int kernel_open(struct kernel *k, const char *tree, struct err *e)
{
	char pattern[PATH_MAX];
	glob_t found;
	const char *name;

	if (!file_path(k->tree, sizeof(k->tree), "%s", tree) ||
	    !file_path(pattern, sizeof(pattern), "%s/boot/vmlinuz-*", tree))
		return err_sys(e, "opening the kernel in %s failed", tree);
	if (glob(pattern, 0, NULL, &found))
		return err_set(e, -ENOENT, "there is no kernel in %s/boot", tree);
	name = strrchr(found.gl_pathv[0], '/') + strlen("/vmlinuz-");
	file_path(k->image, sizeof(k->image), "%s", found.gl_pathv[0]);
	if (!file_path(k->release, sizeof(k->release), "%s", name) ||
	    !file_path(k->elf, sizeof(k->elf), "%s/boot/vmlinux-%s", tree, name)) {
		globfree(&found);
		return err_sys(e, "opening the kernel in %s failed", tree);
	}
	globfree(&found);
	return 0;
}

/* A package's maintainer script would run depmod; unpacked ones lack what it makes. */
static int make_modules_dep(const struct kernel *k, struct err *e)
{
	char *argv[] = { (char *)"/sbin/depmod", (char *)"-b", (char *)k->tree, (char *)k->release,
			 NULL };
	char path[PATH_MAX];
	int ret;

	/* depmod's last file: when it is there the others are whole */
	if (!file_path(path, sizeof(path), "%s/lib/modules/%s/modules.devname", k->tree,
		       k->release))
		return err_sys(e, "indexing the modules in %s failed", k->tree);
	if (file_exists(path))
		return 0;
	ret = proc_run(argv, 900, NULL, 0, e);
	if (ret > 0)
		return err_set(e, -EIO, "indexing the modules in %s failed: depmod exit code %d",
			       k->tree, ret);
	return ret;
}

/*
 * Where a bzImage holds the packed ELF file: fields of the setup header, from protocol 2.08 on
 * (Documentation/x86/boot.rst: setup_sects, payload_offset); the payload is a whole xz stream, and
 * behind it its unpacked size.
 */
static int payload_offset(const char *image, off_t *offset, struct err *e)
{
	_cleanup_close_ int fd = open(image, O_RDONLY | O_CLOEXEC);
	unsigned char head[0x250];
	uint32_t payload;
	unsigned int sectors;

	if (fd < 0)
		return err_sys(e, "opening %s failed", image);
	if (pread(fd, head, sizeof(head), 0) != sizeof(head) || memcmp(head + 0x202, "HdrS", 4))
		return err_set(e, -EINVAL, "%s is not a bzImage", image);
	sectors = head[0x1f1] ? head[0x1f1] : 4;
	memcpy(&payload, head + 0x248, sizeof(payload));
	*offset = (sectors + 1) * 512 + (off_t)payload;
	return 0;
}

static int unpack_elf(const struct kernel *k, struct err *e)
{
	char *argv[] = { (char *)"xz", (char *)"--decompress", (char *)"--stdout",
			 (char *)"--single-stream", NULL };
	_cleanup_close_ int in = -1, out = -1;
	struct proc_opts o = PROC_OPTS_INIT;
	char tmp[PATH_MAX];
	struct proc p;
	off_t offset = 0;
	int ret;

	if (file_exists(k->elf))
		return 0;
	ret = payload_offset(k->image, &offset, e);
	if (ret < 0)
		return ret;
	if (!file_path(tmp, sizeof(tmp), "%s.tmp", k->elf))
		return err_sys(e, "unpacking %s failed", k->image);
	in = open(k->image, O_RDONLY | O_CLOEXEC);
	out = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (in < 0 || out < 0 || lseek(in, offset, SEEK_SET) < 0)
		return err_sys(e, "unpacking %s failed", k->image);
	o.argv = argv;
	o.in = in;
	o.out = out;
	ret = proc_start(&p, &o, e);
	if (!ret && proc_wait(&p, 0) < 0) {
		proc_stop(&p, 1000);
		ret = err_set(e, -EINTR, "unpacking %s was interrupted", k->image);
	}
	if (!ret && (proc_code(&p) || rename(tmp, k->elf)))
		ret = err_set(e, -EIO,
			      "unpacking %s failed: no kernel packed with xz is in it, "
			      "or the disk is full",
			      k->image);
	if (ret < 0)
		unlink(tmp);
	return ret;
}

const char *kernel_metapackage(const char *kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].kind, kind))
			return kinds[i].metapackage;
	return NULL;
}

int kernel_fetch(struct kernel *k, const struct apt_package *meta, const char *cache, struct err *e)
{
	char tree[PATH_MAX];
	int ret = apt_dependency(&k->package, meta, "linux-image-", e);

	if (!ret)
		ret = apt_unpack(&k->package, cache, tree, e);
	if (!ret)
		ret = kernel_open(k, tree, e);
	if (!ret)
		ret = make_modules_dep(k, e);
	if (!ret)
		ret = unpack_elf(k, e);
	return ret;
}

/* "/a/virtio_pci.ko:" is the module virtio_pci; the kernel takes - and _ for the same. */
static bool line_is_module(const char *line, const char *name)
{
	size_t n = strcspn(line, ":\n");
	const char *base = line;

	for (const char *p = line; p < line + n; p++)
		if (*p == '/')
			base = p + 1;
	n -= base - line;
	if (n != strlen(name) + 3 || strncmp(base + n - 3, ".ko", 3))
		return false;
	for (size_t i = 0; i < n - 3; i++)
		if ((base[i] == '-' ? '_' : base[i]) != (name[i] == '-' ? '_' : name[i]))
			return false;
	return true;
}

static const char *find_module(const char *text, const char *name)
{
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (line_is_module(line, name))
			return line;
	return NULL;
}

static int add_one(const struct kernel *k, const char *path, struct cpio *c,
		   void (*order)(void *ctx, const char *path), void *ctx, struct err *e)
{
	char from[PATH_MAX], to[PATH_MAX];
	int ret;

	if (!file_path(from, sizeof(from), "%s/lib/modules/%s/%s", k->tree, k->release, path) ||
	    !file_path(to, sizeof(to), "lib/modules/%s/%s", k->release, path))
		return err_sys(e, "adding module %s failed", path);
	if (cpio_has(c, to))
		return 0;
	ret = cpio_file(c, to, 0644, from, e);
	if (!ret)
		order(ctx, to);
	return ret;
}

/* modules.dep names a module's needs so that the last one has to be loaded first. */
static int add_line(const struct kernel *k, const char *line, struct cpio *c,
		    void (*order)(void *ctx, const char *path), void *ctx, struct err *e)
{
	_cleanup_free_ char *copy = strndup(line, strcspn(line, "\n"));
	char *needs, *last;
	int ret;

	if (!copy || !(needs = strchr(copy, ':')))
		return err_set(e, -EINVAL, "modules.dep of %s is malformed", k->release);
	*needs++ = '\0';
	while ((last = strrchr(needs, ' '))) {
		if (last[1]) {
			ret = add_one(k, last + 1, c, order, ctx, e);
			if (ret < 0)
				return ret;
		}
		*last = '\0';
	}
	return add_one(k, copy, c, order, ctx, e);
}

int kernel_add_modules(const struct kernel *k, const char *const *names, struct cpio *c,
		       void (*order)(void *ctx, const char *path), void *ctx, struct err *e)
{
	_cleanup_free_ char *dep = NULL, *builtin = NULL;
	char path[PATH_MAX];
	ssize_t n;

	if (!file_path(path, sizeof(path), "%s/lib/modules/%s/modules.dep", k->tree, k->release))
		return err_sys(e, "reading modules.dep failed");
	n = file_load(path, DEP_BYTES, &dep, e);
	if (n < 0)
		return n;
	file_path(path, sizeof(path), "%s/lib/modules/%s/modules.builtin", k->tree, k->release);
	n = file_load(path, DEP_BYTES, &builtin, e);
	if (n < 0)
		return n;
	for (; *names; names++) {
		const char *line = find_module(dep, *names);
		int ret = 0;

		if (line)
			ret = add_line(k, line, c, order, ctx, e);
		else if (!find_module(builtin, *names))
			ret = err_set(e, -ENOENT, "kernel %s has no module %s", k->release, *names);
		if (ret < 0)
			return ret;
	}
	return 0;
}
