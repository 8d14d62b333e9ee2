// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"

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

/* Root's locks are one directory for the machine; a user without rights can only stop himself. */
static int lock_dir(char *buf, size_t size, struct err *e)
{
	if (geteuid() == 0)
		snprintf(buf, size, "/run/rtkvm");
	else
		snprintf(buf, size, "/tmp/rtkvm-%d", geteuid());
	if (mkdir(buf, 0755) && errno != EEXIST)
		return err_sys(e, "making %s failed", buf);
	return 0;
}

int lockfile_cpus(const struct cpulist *cpus, struct err *e)
{
	char dir[64], path[PATH_MAX];
	int ret = lock_dir(dir, sizeof(dir), e);

	if (ret < 0)
		return ret;
	cpulist_for_each(cpu, cpus) {
		pid_t owner;

		snprintf(path, sizeof(path), "%s/campaign-cpu%d.lock", dir, cpu);
		ret = lockfile_take(path, &owner); /* stays open: it is held until we end */
		if (ret < 0 && owner)
			return err_set(e, -EBUSY,
				       "CPU %d is being measured by another campaign, process %d; "
				       "wait for it or take other CPUs",
				       cpu, owner);
		if (ret < 0)
			return err_set(e, ret, "locking %s failed: %s", path, strerror(-ret));
	}
	return 0;
}
