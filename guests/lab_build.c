// SPDX-License-Identifier: GPL-2.0-only
/* lab_build - the lab's kernels and the disk of the full flavour */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guests/home.h"
#include "guests/lab.h"
#include "lib/cleanup.h"
#include "lib/file.h"

static int kernel_link(char *path, const char *kind, struct err *e)
{
	char lab[PATH_MAX];
	int ret = home_path(lab, "lab", e);

	if (!ret && !file_path(path, PATH_MAX, "%s/kernel-%s", lab, kind))
		return err_sys(e, "finding the lab's kernel failed");
	return ret;
}

int lab_kernel(struct kernel *k, const char *kind, struct err *e)
{
	char link[PATH_MAX], tree[PATH_MAX];
	int ret = kernel_link(link, kind, e);
	ssize_t n;

	if (ret < 0)
		return ret;
	n = readlink(link, tree, sizeof(tree) - 1);
	tree[n > 0 ? n : 0] = '\0';
	if (n <= 0 || !file_exists(tree))
		return err_set(e, -ENOENT,
			       "the lab has no %s kernel yet; run rtkvm lab build "
			       "--kernel %s",
			       kind, kind);
	return kernel_open(k, tree, e);
}

/* The link appears when the kernel is whole, and changes in one step when apt has a newer one. */
static int set_kernel(const struct kernel *k, const char *kind, struct err *e)
{
	char link[PATH_MAX], tmp[PATH_MAX], old[PATH_MAX];
	int ret = kernel_link(link, kind, e);
	ssize_t n;

	if (ret < 0)
		return ret;
	n = readlink(link, old, sizeof(old) - 1);
	old[n > 0 ? n : 0] = '\0';
	if (!strcmp(old, k->tree))
		return 0;
	if (!file_path(tmp, sizeof(tmp), "%s.%d.tmp", link, getpid()))
		return err_sys(e, "writing %s failed", link);
	if (symlink(k->tree, tmp) || rename(tmp, link)) {
		ret = err_sys(e, "writing %s failed", link);
		unlink(tmp);
	}
	return ret;
}

static int build_kernel(const char *kind, struct err *e)
{
	_cleanup_close_ int lock = -1;
	char cache[PATH_MAX], path[PATH_MAX];
	const char *meta_name = kernel_metapackage(kind);
	struct apt_package meta;
	struct kernel k = { 0 };
	int ret = home_path(cache, "cache", e);

	if (ret < 0)
		return ret;
	if (!file_path(path, sizeof(path), "%s/lock", cache))
		return err_sys(e, "locking %s failed", cache);
	lock = home_lock(path, e);
	if (lock < 0)
		return lock;
	ret = apt_find(&meta, &meta_name, 1, e);
	if (!ret)
		ret = kernel_fetch(&k, &meta, cache, e);
	if (!ret)
		ret = set_kernel(&k, kind, e);
	if (!ret)
		printf("kernel %s (%s)\n", k.release, k.package.version);
	return ret;
}

int lab_build(const struct lab_options *o, struct err *e)
{
	int ret = build_kernel(o->kernel, e);

	if (ret < 0 || o->flavour == LAB_FAST)
		return ret;
	return err_set(e, -ENOSYS, "the full flavour is not built yet");
}

int lab_disk(char *path, struct err *e)
{
	(void)path;
	return err_set(e, -ENOENT, "the lab has no disk yet; run rtkvm lab build");
}

int lab_list(struct err *e)
{
	static const char *const kinds[] = { "rt", "generic" };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct err none = { 0 };
		struct kernel k;

		if (!lab_kernel(&k, kinds[i], &none))
			printf("kernel %-8s %s\n", kinds[i], k.release);
	}
	(void)e;
	return 0;
}
