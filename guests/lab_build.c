// SPDX-License-Identifier: GPL-2.0-only
/* lab_build - what the lab boots: Debian's kernels, and the disk of the full flavour */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guests/disk.h"
#include "guests/home.h"
#include "guests/lab.h"
#include "lib/cleanup.h"
#include "lib/file.h"

static const char *const kinds[] = { "rt", "generic" };

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

static int fetch_kernel(struct kernel *k, const char *kind, const struct apt_package *meta,
			struct err *e)
{
	char cache[PATH_MAX];
	_cleanup_close_ int lock = home_cache(cache, e);
	int ret = lock < 0 ? lock : 0;

	if (!ret)
		ret = kernel_fetch(k, meta, cache, e);
	if (!ret)
		ret = set_kernel(k, kind, e);
	if (!ret)
		printf("kernel %s: %s %s\n", kind, k->package.name, k->package.version);
	return ret;
}

/*
 * The disk always holds the PREEMPT_RT kernel, so that asking for the other one does not make a
 * new disk. apt is asked once, for all: that is most of the time when nothing is to be done.
 */
static int build(const struct lab_options *o, struct err *e)
{
	_cleanup_args_ struct args names = { 0 };
	_cleanup_free_ struct apt_package *p = NULL;
	struct kernel k = { 0 };
	size_t n_kinds = 0;
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		args_add(&names, "%s", kernel_metapackage(kinds[i]));
	n_kinds = names.n;
	if (o->flavour == LAB_FULL)
		ret = disk_packages(&names, e);
	if (!ret)
		ret = args_check(&names, e);
	if (ret < 0)
		return ret;
	p = calloc(names.n, sizeof(*p));
	if (!p)
		return err_set(e, -ENOMEM, "building the lab failed: no memory");
	ret = apt_find(p, (const char *const *)names.v, names.n, e);
	for (size_t i = n_kinds; i-- > 0 && !ret;) /* backwards: k is rt's in the end */
		if (!strcmp(kinds[i], o->kernel) || (!i && o->flavour == LAB_FULL))
			ret = fetch_kernel(&k, kinds[i], &p[i], e);
	if (ret < 0 || o->flavour == LAB_FAST)
		return ret;
	ret = disk_build(&k, p + n_kinds, names.n - n_kinds, e);
	if (ret >= 0)
		printf("disk: %s\n", ret ? "built" : "up to date");
	return ret < 0 ? ret : 0;
}

int lab_build(const struct lab_options *o, struct err *e)
{
	_cleanup_close_ int lock = -1;
	char lab[PATH_MAX], path[PATH_MAX];
	int ret = home_path(lab, "lab", e);

	if (ret < 0)
		return ret;
	if (!file_path(path, sizeof(path), "%s/build.lock", lab))
		return err_sys(e, "locking %s failed", lab);
	lock = home_lock(path, e);
	return lock < 0 ? lock : build(o, e);
}

int lab_list(struct err *e)
{
	char path[PATH_MAX];
	int ret = home_path(path, "lab", e);

	if (ret < 0)
		return ret;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct err none = { 0 };
		struct kernel k;

		if (lab_kernel(&k, kinds[i], &none) < 0)
			printf("%-16s not built\n", kinds[i]);
		else
			printf("%-16s %s\n", kinds[i], k.image);
	}
	ret = disk_find(path, e);
	printf("%-16s %s\n", "disk (full)", ret < 0 ? "not built" : path);
	err_clear(e);
	return VERDICT_PASS;
}
