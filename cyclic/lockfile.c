// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"

static int open_lock(const char *path, int flags, pid_t *owner)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0644);

	*owner = 0;
	if (fd < 0)
		return -errno;
	if (flags & O_CREAT && !fcntl(fd, F_SETLK, &lock))
		return fd;
	if (!fcntl(fd, F_GETLK, &lock) && lock.l_type != F_UNLCK)
		*owner = lock.l_pid;
	close(fd);
	return -EBUSY;
}

int lockfile_take(const char *path, pid_t *owner)
{
	return open_lock(path, O_CREAT, owner);
}

pid_t lockfile_owner(const char *path)
{
	pid_t owner;

	open_lock(path, 0, &owner);
	return owner;
}

/* A world-writable directory with the sticky bit: nobody removes or replaces another's file. */
const char *lockfile_dir(void)
{
	static const char *const dirs[] = { "/run/lock", "/tmp" };
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(dirs) - 1; i++)
		if (!lstat(dirs[i], &st) && S_ISDIR(st.st_mode) && (st.st_mode & 01002) == 01002)
			return dirs[i];
	return dirs[ARRAY_SIZE(dirs) - 1];
}

/*
 * Made by one user and locked by all. Not O_CREAT where it exists: of another's file in such a directory
 * the kernel refuses that even to root (fs.protected_regular, Documentation/admin-guide/sysctl/fs.rst).
 */
static int open_shared(const char *path)
{
	const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	struct stat st;
	int fd = open(path, flags);

	if (fd < 0 && errno == ENOENT) {
		fd = open(path, flags | O_CREAT | O_EXCL, 0666);
		if (fd >= 0)
			fchmod(fd, 0666); /* whatever the umask */
		else if (errno == EEXIST) /* somebody else was faster */
			fd = open(path, flags);
	}
	if (fd < 0)
		return -errno;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return -EINVAL;
}

/* Stays open: it is held until we end. */
static int claim(const char *dir, int cpu, short type, struct err *e)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };
	char path[PATH_MAX];
	int fd, ret;

	snprintf(path, sizeof(path), "%s/rtkvm-campaign-cpu%d.lock", dir, cpu);
	fd = open_shared(path);
	if (fd < 0)
		return err_set(e, fd, "locking %s failed: %s", path, strerror(-fd));
	if (!fcntl(fd, F_SETLK, &lock))
		return 0;
	ret = -errno;
	if (fcntl(fd, F_GETLK, &lock) || lock.l_type == F_UNLCK)
		err_set(e, ret, "locking %s failed: %s", path, strerror(-ret));
	else
		err_set(e, -EBUSY,
			"CPU %d is %s another campaign, process %d; wait for it or take other CPUs",
			cpu,
			lock.l_type == F_WRLCK ? "being measured by"
					       : "used by a load or a guest's vCPU 0 of",
			lock.l_pid);
	close(fd);
	return e->code;
}

int lockfile_cpus(const char *dir, const struct cpulist *measured, const struct cpulist *used,
		  struct err *e)
{
	struct cpulist others = cpulist_minus(used, measured);

	cpulist_for_each(cpu, measured)
		if (claim(dir, cpu, F_WRLCK, e) < 0)
			return e->code;
	cpulist_for_each(cpu, &others)
		if (claim(dir, cpu, F_RDLCK, e) < 0)
			return e->code;
	return 0;
}
