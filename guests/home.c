// SPDX-License-Identifier: GPL-2.0-only
#include "guests/home.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/paths.h"
#include "lib/stop.h"

/* The build tree is told from an installation by what make puts beside the executable. */
static bool in_build_tree(char *dir)
{
	struct err ignored = { 0 };
	char probe[PATH_MAX];

	if (paths_self(dir, PATH_MAX, &ignored) < 0)
		return false;
	dirname(dir);
	return file_path(probe, sizeof(probe), "%s/guests/lab-agent", dir) && file_exists(probe);
}

static char *base_dir(char *buf)
{
	const char *set = getenv("RTKVM_HOME");
	const char *xdg = getenv("XDG_CACHE_HOME");
	const char *home = getenv("HOME");

	if (set && *set)
		return file_path(buf, PATH_MAX, "%s", set);
	if (in_build_tree(buf))
		return buf;
	if (xdg && *xdg)
		return file_path(buf, PATH_MAX, "%s/rtkvm", xdg);
	return file_path(buf, PATH_MAX, "%s/.cache/rtkvm", home && *home ? home : "/root");
}

int home_path(char *buf, const char *sub, struct err *e)
{
	char base[PATH_MAX];

	if (!base_dir(base) || !file_path(buf, PATH_MAX, "%s/%s", base, sub))
		return err_sys(e, "finding the directory for images failed");
	return file_mkdirs(buf, e);
}

int home_lock(const char *path, struct err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	int ret;

	if (fd < 0)
		return err_sys(e, "opening the lock file %s failed", path);
	while (flock(fd, LOCK_EX)) {
		if (errno == EINTR && !stop_requested())
			continue;
		ret = err_sys(e, "waiting for %s failed", path);
		close(fd);
		return ret;
	}
	return fd;
}

int home_cache(char *buf, struct err *e)
{
	int fd, ret = home_path(buf, "cache", e);
	struct err ignored = { 0 };
	char path[PATH_MAX];
	glob_t found;

	if (ret < 0)
		return ret;
	if (!file_path(path, sizeof(path), "%s/lock", buf))
		return err_sys(e, "locking %s failed", buf);
	fd = home_lock(path, e);
	if (fd < 0 || !file_path(path, sizeof(path), "%s/tmp.*", buf) ||
	    glob(path, 0, NULL, &found))
		return fd;
	for (size_t i = 0; i < found.gl_pathc; i++)
		file_remove_tree(found.gl_pathv[i], &ignored);
	globfree(&found);
	return fd;
}

/*
 * A run's lock file lies beside its directory. One without a lock file, or whose lock is free, has
 * no owner: owners make both under the lock of the whole lab, which the caller holds.
 */
static void remove_if_dead(const char *dir)
{
	struct err ignored = { 0 };
	_cleanup_close_ int fd = -1;
	char lock[PATH_MAX];

	if (!file_path(lock, sizeof(lock), "%s.lock", dir))
		return;
	fd = open(lock, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB))
		return;
	file_remove_tree(dir, &ignored);
	unlink(lock);
}

static void remove_dead(const char *lab)
{
	char pattern[PATH_MAX];
	glob_t found;

	if (!file_path(pattern, sizeof(pattern), "%s/run.*", lab) || glob(pattern, 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		char *path = found.gl_pathv[i];
		size_t len = strlen(path);

		if (len > 5 && !strcmp(path + len - 5, ".lock"))
			path[len - 5] = '\0';
		remove_if_dead(path);
	}
	globfree(&found);
}

int rundir_create(struct rundir *r, struct err *e)
{
	_cleanup_close_ int all = -1;
	char lab[PATH_MAX], lock[PATH_MAX];
	int ret = home_path(lab, "lab", e);

	*r = (struct rundir){ .lock = -1 };
	if (ret < 0)
		return ret;
	if (!file_path(lock, sizeof(lock), "%s/lock", lab))
		return err_sys(e, "making a directory in %s failed", lab);
	all = home_lock(lock, e);
	if (all < 0)
		return all;
	remove_dead(lab);
	if (!file_path(r->path, sizeof(r->path), "%s/run.XXXXXX", lab) || !mkdtemp(r->path) ||
	    !file_path(lock, sizeof(lock), "%s.lock", r->path)) {
		r->path[0] = '\0';
		return err_sys(e, "making a directory in %s failed", lab);
	}
	r->lock = home_lock(lock, e);
	if (r->lock >= 0)
		return 0;
	ret = r->lock;
	rundir_remove(r);
	return ret;
}

void rundir_remove(struct rundir *r)
{
	struct err ignored = { 0 };
	char lock[PATH_MAX];

	if (!r->path[0])
		return;
	/* what was just killed may for a moment still write here */
	for (int tries = 0; file_remove_tree(r->path, &ignored) < 0 && tries < 40; tries++)
		usleep(50000);
	if (file_path(lock, sizeof(lock), "%s.lock", r->path))
		unlink(lock);
	if (r->lock >= 0)
		close(r->lock);
	*r = (struct rundir){ .lock = -1 };
}
