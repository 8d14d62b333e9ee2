// SPDX-License-Identifier: GPL-2.0-only
/* lab_build - the lab's kernels and the disk of the full flavour */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guests/args.h"
#include "guests/elf.h"
#include "guests/home.h"
#include "guests/lab.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/paths.h"
#include "lib/proc.h"

/* Counts up when lab/customize or the options below change what the disk holds. */
enum { DISK_REVISION = 2 };

/* A server's real-time host, as its administrator would install it, and QEMU to compare with. */
static const char *const disk_packages[] = {
	"systemd",	   "systemd-sysv", "dbus",	   "tuned",	  "rt-tests",
	"trace-cmd",	   "procps",	   "iproute2",	   "kmod",	  "jq",
	"qemu-system-x86", "grub-common",  "grub2-common", "grub-pc-bin", NULL,
};

static const char *const mmdebstrap[] = {
	"mmdebstrap",
	"--quiet",
	"--mode=root",
	"--variant=minbase",
	"--format=null",
	"--aptopt=APT::Install-Recommends \"false\"",
	"--aptopt=Acquire::Languages \"none\"",
	"--dpkgopt=path-exclude=/usr/share/doc/*",
	"--dpkgopt=path-exclude=/usr/share/man/*",
	"--dpkgopt=path-exclude=/usr/share/info/*",
	"--dpkgopt=path-exclude=/usr/share/locale/*",
	NULL,
};

/* The first error in mmdebstrap's log, on one line: those that follow are its consequences. */
static int explain(const char *log, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	struct err ignored = { 0 };
	char *line = NULL, *save = NULL;

	if (file_load(log, 16 << 20, &text, &ignored) > 0)
		for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
			if (!strncmp(line, "E:", 2) || !strncmp(line, "mke2fs:", 7))
				break;
	return err_set(e, -EIO, "building the lab's disk failed: mmdebstrap: %s",
		       line ? line : "it said nothing");
}

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

static int build_kernel(const char *kind, struct kernel *k, struct err *e)
{
	_cleanup_close_ int lock = -1;
	char cache[PATH_MAX], path[PATH_MAX];
	const char *meta_name = kernel_metapackage(kind);
	struct apt_package meta;
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
		ret = kernel_fetch(k, &meta, cache, e);
	if (!ret)
		ret = set_kernel(k, kind, e);
	if (!ret)
		printf("kernel %s (%s)\n", k->release, k->package.version);
	return ret;
}

static int disk_path(char *buf, const char *name, struct err *e)
{
	char lab[PATH_MAX];
	int ret = home_path(lab, "lab", e);

	if (!ret && !file_path(buf, PATH_MAX, "%s/%s", lab, name))
		return err_sys(e, "finding the lab's disk failed");
	return ret;
}

/* The packages that hold the libraries our own program was linked with, on this system. */
static int own_packages(struct args *out, struct err *e)
{
	_cleanup_args_ struct args needed = { 0 }, query = { 0 };
	char self[PATH_MAX], found[16384], *save = NULL;
	int ret = paths_self(self, sizeof(self), e);

	if (!ret)
		ret = elf_needed(self, &needed, e);
	if (ret < 0)
		return ret;
	args_add(&query, "dpkg-query");
	args_add(&query, "--search");
	for (size_t i = 0; i < needed.n; i++)
		if (needed.v[i][0] != '/')
			args_add(&query, "/*lib/x86_64-linux-gnu/%s", needed.v[i]);
	ret = args_check(&query, e);
	if (!ret)
		ret = proc_run(query.v, found, sizeof(found), e);
	if (ret)
		return ret < 0 ? ret
			       : err_set(e, -ENOENT,
					 "some library of rtkvm belongs to no Debian "
					 "package; the full lab needs a rtkvm built "
					 "with Debian's");
	for (char *line = strtok_r(found, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		line[strcspn(line, ":")] = '\0';
		if (!args_has(out, line))
			args_add(out, "%s", line);
	}
	return args_check(out, e);
}

/* What the disk is made of, one "NAME VERSION" a line; the disk is current while this is equal. */
static int disk_stamp(const struct kernel *k, struct args *packages, char **stamp, struct err *e)
{
	_cleanup_free_ struct apt_package *p = NULL;
	size_t len;
	FILE *f;
	int ret = own_packages(packages, e);

	if (ret < 0)
		return ret;
	p = calloc(packages->n, sizeof(*p));
	f = open_memstream(stamp, &len);
	if (!p || !f)
		ret = err_set(e, -ENOMEM, "listing the lab's packages failed: no memory");
	if (!ret)
		ret = apt_find(p, (const char *const *)packages->v, packages->n, e);
	if (!ret)
		fprintf(f, "disk %d\n%s %s\n", DISK_REVISION, k->package.name, k->package.version);
	for (size_t i = 0; i < packages->n && !ret; i++)
		fprintf(f, "%s %s\n", p[i].name, p[i].version);
	if (f && fclose(f) && !ret)
		ret = err_set(e, -ENOMEM, "listing the lab's packages failed: no memory");
	return ret;
}

static int suite(char *buf, size_t size, struct err *e)
{
	char text[4096], *at;

	if (file_read("/etc/os-release", text, sizeof(text), e) < 0)
		return e->code;
	at = strstr(text, "VERSION_CODENAME=");
	if (!at)
		return err_set(e, -ENOENT,
			       "/etc/os-release names no Debian release; the full lab "
			       "needs a Debian machine, the fast one does not");
	at += strlen("VERSION_CODENAME=");
	snprintf(buf, size, "%.*s", (int)strcspn(at, "\n"), at);
	return 0;
}

static int run_mmdebstrap(const struct kernel *k, const struct args *packages,
			  const struct rundir *dir, const char *disk, struct err *e)
{
	_cleanup_args_ struct args a = { 0 };
	char hook[PATH_MAX], log[PATH_MAX], release[64];
	struct proc_opts o = PROC_OPTS_INIT;
	_cleanup_close_ int out = -1;
	struct proc p;
	int ret = paths_support(hook, sizeof(hook), "guests/lab-customize", e);

	if (!ret)
		ret = suite(release, sizeof(release), e);
	if (ret < 0)
		return ret;
	if (!file_path(log, sizeof(log), "%s/mmdebstrap.log", dir->path))
		return err_sys(e, "building the lab's disk failed");
	out = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (out < 0)
		return err_sys(e, "writing %s failed", log);
	args_add_all(&a, mmdebstrap);
	args_add(&a, "--customize-hook=%s", hook);
	for (size_t i = 0; i < packages->n; i++)
		args_add(&a, "--include=%s", packages->v[i]);
	args_add(&a, "%s", release);
	args_add(&a, "/dev/null");
	ret = args_check(&a, e);
	if (ret < 0)
		return ret;
	if (setenv("TMPDIR", dir->path, 1) || setenv("RTKVM_DISK", disk, 1) ||
	    setenv("RTKVM_KERNEL", k->image, 1))
		return err_sys(e, "building the lab's disk failed");
	o.argv = a.v;
	o.out = o.err = out;
	ret = proc_start(&p, &o, e);
	if (ret < 0)
		return ret;
	ret = proc_wait(&p, 0);
	if (ret < 0) {
		proc_stop(&p, 10000);
		return err_set(e, ret, "building the lab's disk was interrupted");
	}
	return proc_code(&p) ? explain(log, e) : 0;
}

static int make_disk(const struct kernel *k, const struct args *packages, const char *stamp,
		     const char *disk, const char *stamp_path, struct err *e)
{
	char tmp[PATH_MAX];
	struct rundir dir;
	int ret;

	if (geteuid())
		return err_set(e, -EPERM,
			       "building the lab's full flavour needs root; run sudo "
			       "rtkvm lab build, or use --flavour fast");
	ret = rundir_create(&dir, e);
	if (ret < 0)
		return ret;
	chmod(dir.path, 0755); /* apt works in it as a user of its own */
	if (!file_path(tmp, sizeof(tmp), "%s/disk", dir.path))
		ret = err_sys(e, "building the lab's disk failed");
	if (!ret)
		ret = run_mmdebstrap(k, packages, &dir, tmp, e);
	if (!ret) {
		unlink(stamp_path);
		if (rename(tmp, disk))
			ret = err_sys(e, "writing %s failed", disk);
	}
	if (!ret)
		ret = file_replace(stamp_path, stamp, strlen(stamp), e);
	rundir_remove(&dir);
	return ret;
}

static int build_disk(const struct kernel *k, struct err *e)
{
	_cleanup_args_ struct args packages = { 0 };
	_cleanup_free_ char *stamp = NULL, *old = NULL;
	char disk[PATH_MAX], stamp_path[PATH_MAX];
	struct err ignored = { 0 };
	int ret;

	args_add_all(&packages, disk_packages);
	ret = disk_path(disk, "disk", e);
	if (!ret)
		ret = disk_path(stamp_path, "disk.stamp", e);
	if (!ret)
		ret = disk_stamp(k, &packages, &stamp, e);
	if (ret < 0)
		return ret;
	if (file_exists(disk) && file_load(stamp_path, 1 << 20, &old, &ignored) >= 0 &&
	    !strcmp(old, stamp))
		printf("disk %s: up to date\n", disk);
	else
		ret = make_disk(k, &packages, stamp, disk, stamp_path, e);
	if (!ret && (!old || strcmp(old, stamp)))
		printf("disk %s: built\n", disk);
	return ret;
}

int lab_build(const struct lab_options *o, struct err *e)
{
	_cleanup_close_ int lock = -1;
	struct kernel k = { 0 };
	char path[PATH_MAX];
	int ret = disk_path(path, "build.lock", e);

	if (ret < 0)
		return ret;
	lock = home_lock(path, e);
	if (lock < 0)
		return lock;
	ret = build_kernel(o->kernel, &k, e);
	return ret < 0 || o->flavour == LAB_FAST ? ret : build_disk(&k, e);
}

int lab_disk(char *path, struct err *e)
{
	char stamp[PATH_MAX];
	int ret = disk_path(path, "disk", e);

	if (!ret)
		ret = disk_path(stamp, "disk.stamp", e);
	if (!ret && (!file_exists(path) || !file_exists(stamp)))
		ret = err_set(e, -ENOENT, "the lab has no disk yet; run rtkvm lab build");
	return ret;
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
