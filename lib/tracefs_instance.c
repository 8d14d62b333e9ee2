// SPDX-License-Identifier: GPL-2.0-only
/* tracefs_instance - where tracefs is, and the life of an instance: made, locked, swept, removed */
#include "lib/tracefs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"

#define PREFIX "rtkvm-"

const char *tfs_remedy(int code)
{
	char lockdown[64];

	file_read_line("/sys/kernel/security/lockdown", lockdown, sizeof(lockdown));
	if (strstr(lockdown, "[confidentiality]")) /* then with whatever code: EPERM, EINVAL */
		return "; the kernel is under lockdown, which forbids tracing; boot it without "
		       "lockdown=confidentiality";
	if (code != -EPERM && code != -EACCES)
		return "";
	return geteuid() ? "; run as root" : "; this root lacks the right to (CAP_SYS_ADMIN)";
}

static int denied(struct err *e, const char *what)
{
	int code = -errno;

	return err_set(e, code, "%s failed: %s%s", what, strerror(-code), tfs_remedy(code));
}

/* A mount that is attached to no directory: paths lead through /proc/self/fd, nobody sees it. */
static int mount_detached(char *root, size_t size, struct err *e)
{
	_cleanup_close_ int fs = fsopen("tracefs", FSOPEN_CLOEXEC);
	int mount;

	if (fs < 0)
		return denied(e, "mounting tracefs");
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return denied(e, "mounting tracefs");
	mount = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	if (mount < 0)
		return denied(e, "mounting tracefs");
	snprintf(root, size, "/proc/self/fd/%d", mount);
	return mount;
}

/* Sets root; returns the descriptor of a detached mount, -1 when none was needed, or < -1. */
static int find_root(char *root, size_t size, struct err *e)
{
	static const char *const places[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };
	struct statfs fs;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (statfs(places[i], &fs) || fs.f_type != TRACEFS_MAGIC)
			continue;
		snprintf(root, size, "%s", places[i]);
		return -1;
	}
	return mount_detached(root, size, e);
}

/* Held while an instance is made and locked, and while orphans are looked for. */
static int lock_instances(const char *root, struct err *e)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/instances", root);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return denied(e, "opening the trace instances");
	while (flock(fd, LOCK_EX))
		if (errno != EINTR) {
			int ret = err_sys(e, "locking %s failed", path);

			close(fd);
			return ret;
		}
	return fd;
}

static bool is_ours(const char *name)
{
	size_t digits;

	if (strncmp(name, PREFIX, strlen(PREFIX)))
		return false;
	name += strlen(PREFIX);
	digits = strspn(name, "0123456789");
	return digits && name[digits] == '-';
}

/* Under the instances lock: an instance without a holder of its flock has lost its owner. */
static int sweep_locked(int instances, struct err *e)
{
	int fd = openat(instances, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;
	int removed = 0;

	if (!dir)
		return err_sys(e, "listing trace instances failed");
	while ((d = readdir(dir))) {
		_cleanup_close_ int owned = -1;

		if (!is_ours(d->d_name))
			continue;
		owned = openat(instances, d->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (owned < 0 || flock(owned, LOCK_EX | LOCK_NB))
			continue;
		if (unlinkat(instances, d->d_name, AT_REMOVEDIR)) {
			/* somebody reads it: the next start tries again; or its owner was quicker */
			if (errno == EBUSY || errno == ENOENT)
				continue;
			return err_sys(e, "removing the dead trace instance %s failed", d->d_name);
		}
		removed++;
	}
	return removed;
}

int tfs_sweep(struct err *e)
{
	char root[sizeof(((struct tfs *)0)->root)];
	_cleanup_close_ int mount = find_root(root, sizeof(root), e);
	_cleanup_close_ int instances = -1;

	if (mount < -1)
		return mount;
	instances = lock_instances(root, e);
	return instances < 0 ? instances : sweep_locked(instances, e);
}

static int make_instance(struct tfs *t, const char *purpose, struct err *e)
{
	_cleanup_close_ int instances = lock_instances(t->root, e);
	char name[64];
	int ret;

	if (instances < 0)
		return instances;
	ret = sweep_locked(instances, e);
	if (ret < 0)
		return ret;
	snprintf(name, sizeof(name), PREFIX "%d-%s", getpid(), purpose);
	if (mkdirat(instances, name, 0750))
		return denied(e, "making a trace instance");
	snprintf(t->dir, sizeof(t->dir), "%s/instances/%s", t->root, name);
	t->lock = openat(instances, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->lock < 0 || flock(t->lock, LOCK_EX | LOCK_NB))
		return err_sys(e, "locking the trace instance %s failed", name);
	return 0;
}

int tfs_create(struct tfs *t, const char *purpose, struct err *e)
{
	int ret;

	*t = (struct tfs)TFS_INIT;
	ret = find_root(t->root, sizeof(t->root), e);
	if (ret < -1)
		return ret;
	t->mount = ret;
	ret = make_instance(t, purpose, e);
	if (!ret)
		ret = tfs_on(t, false, e);
	if (ret < 0)
		tfs_remove(t);
	return ret;
}

void tfs_remove(struct tfs *t)
{
	/* fails only while somebody reads our files (EBUSY): the next sweep removes it then */
	if (t->dir[0])
		rmdir(t->dir);
	if (t->lock >= 0)
		close(t->lock);
	if (t->mount >= 0)
		close(t->mount);
	*t = (struct tfs)TFS_INIT;
}
