// SPDX-License-Identifier: GPL-2.0-only
#include "lib/claim.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/hostcpus.h"

/* Where a CPU's users are known by locks of theirs: in sysfs, below the CPU's directory. */
enum lock { ALONE, BESIDE };

static int open_lock(char path[PATH_MAX], const char *sysfs, int cpu, enum lock lock, struct err *e)
{
	static const char *const files[] = { [ALONE] = "", [BESIDE] = "/uevent" };
	int fd;

	if (!file_path(path, PATH_MAX, "%s/devices/system/cpu/cpu%d%s", sysfs, cpu, files[lock]))
		return err_sys(e, "claiming CPU %d failed", cpu);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "claiming CPU %d failed: %s", cpu, path) : fd;
}

pid_t claim_holder(const char *locks, dev_t dev, ino_t ino)
{
	while (*locks) {
		unsigned int major, minor;
		unsigned long inode;
		int pid;

		if (sscanf(locks, "%*u: FLOCK %*s %*s %d %x:%x:%lu", &pid, &major, &minor,
			   &inode) == 4 &&
		    pid > 0 && makedev(major, minor) == dev && inode == ino)
			return pid;
		locks += strcspn(locks, "\n");
		locks += *locks == '\n';
	}
	return 0;
}

/* On one line, for any user may have started it; false: /proc does not show it (hidepid), or it is gone. */
static bool command_of(pid_t pid, char *buf, size_t size)
{
	struct err ignored = { 0 };
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	n = file_read(path, buf, size, &ignored);
	while (n > 0 && !buf[n - 1])
		n--;
	for (ssize_t i = 0; i < n; i++)
		if (!isprint((unsigned char)buf[i]))
			buf[i] = buf[i] ? '?' : ' ';
	return n >= 0;
}

static bool lives(pid_t pid)
{
	return !kill(pid, 0) || errno == EPERM;
}

/*
 * Who it is only /proc/locks tells: "process 71 (rtkvm run --cpus 2-3)"; false: nobody it tells of.
 * One whose command is empty has exited or is the kernel's: it has left the lock to another.
 */
static bool holder(char buf[static CLAIM_WHO_BYTES], int fd)
{
	enum { LOCKS_MAX_BYTES = 1 << 20 };
	_cleanup_free_ char *locks = NULL;
	struct err ignored = { 0 };
	char command[64] = "";
	struct stat st;
	bool shown = true;
	pid_t pid = 0;

	if (!fstat(fd, &st) && file_load("/proc/locks", LOCKS_MAX_BYTES, &locks, &ignored) >= 0)
		pid = claim_holder(locks, st.st_dev, st.st_ino);
	if (pid)
		shown = command_of(pid, command, sizeof(command));
	if (!*command && (shown || !lives(pid))) {
		strcpy(buf, "somebody");
		return false;
	}
	snprintf(buf, CLAIM_WHO_BYTES, "process %d%s%s%s", (int)pid, *command ? " (" : "", command,
		 *command ? ")" : "");
	return true;
}

const char *claim_held(char buf[static CLAIM_HELD_BYTES], int fd, const char *path)
{
	char who[CLAIM_WHO_BYTES];
	bool known = holder(who, fd);

	snprintf(buf, CLAIM_HELD_BYTES, "%s holds the lock on %s%s", who, path,
		 known ? "" : " (another rtkvm run, or a campaign?)");
	return buf;
}

/*
 * One claims at a time, so that a look whether somebody holds a lock is in nobody's way. It takes no
 * time to claim: who waits for long waits for something else.
 */
static int take_turn(const char *sysfs, struct err *e)
{
	enum { TRIES = 300, STEP_MS = 10 };
	char path[PATH_MAX], text[CLAIM_HELD_BYTES];
	int fd, why = 0;

	if (!file_path(path, sizeof(path), "%s/devices/system/cpu", sysfs))
		return err_sys(e, "claiming CPUs failed");
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "claiming CPUs failed: %s", path);
	for (int i = 0; i < TRIES; i++) {
		if (!flock(fd, LOCK_EX | LOCK_NB))
			return fd;
		why = errno;
		if (why != EWOULDBLOCK)
			break;
		poll(NULL, 0, STEP_MS);
	}
	if (why == EWOULDBLOCK)
		err_set(e, -why, "claiming CPUs failed: %s and keeps it; end it",
			claim_held(text, fd, path));
	else
		err_set(e, -why, "claiming CPUs failed: locking %s: %s%s", path, strerror(why),
			why == EACCES || why == EPERM
				? " (as AppArmor has it for containers: run it with apparmor=unconfined)"
				: "");
	close(fd);
	return e->code;
}

/* That nobody has it: -EBUSY with who wanted the CPU, and by whom it is held. */
static int check_cpu(struct claim *c, const char *sysfs, const struct claim_opts *o, int cpu,
		     bool alone, enum lock lock, struct err *e)
{
	char path[PATH_MAX], text[CLAIM_HELD_BYTES];
	int fd = open_lock(path, sysfs, cpu, lock, e);

	if (fd < 0)
		return fd;
	if (!flock(fd, LOCK_EX | LOCK_NB)) {
		close(fd);
		return 0;
	}
	if (errno != EWOULDBLOCK) {
		err_sys(e, "claiming CPU %d failed: locking %s", cpu, path);
	} else {
		c->busy_cpu = cpu;
		holder(c->busy_by, fd);
		err_set(e, -EBUSY, "%s: CPU %d wanted%s, but %s; %s",
			alone ? o->alone_for : o->beside_for, cpu, alone ? " alone" : "",
			claim_held(text, fd, path), o->remedy ? o->remedy : CLAIM_REMEDY);
	}
	close(fd);
	return e->code;
}

static int check_cpus(struct claim *c, const char *sysfs, const struct claim_opts *o,
		      const struct cpulist *alone, const struct cpulist *beside, struct err *e)
{
	static const struct cpulist none;

	cpulist_for_each(cpu, o->share_alone ? &none : alone)
		if (check_cpu(c, sysfs, o, cpu, true, ALONE, e) < 0 ||
		    check_cpu(c, sysfs, o, cpu, true, BESIDE, e) < 0)
			return e->code;
	cpulist_for_each(cpu, o->share_beside ? &none : beside)
		if (check_cpu(c, sysfs, o, cpu, false, ALONE, e) < 0)
			return e->code;
	return 0;
}

/* Beside others who do so; only a lock that is not one of ours is in the way. */
static int hold(struct claim *c, const char *sysfs, const struct cpulist *l, enum lock lock,
		struct err *e)
{
	cpulist_for_each(cpu, l) {
		char path[PATH_MAX], text[CLAIM_HELD_BYTES];
		int fd = open_lock(path, sysfs, cpu, lock, e);

		if (fd < 0)
			return fd;
		c->fds[c->n++] = fd;
		if (!flock(fd, LOCK_SH | LOCK_NB))
			continue;
		if (errno != EWOULDBLOCK)
			return err_sys(e, "claiming CPU %d failed: locking %s", cpu, path);
		return err_set(e, -EWOULDBLOCK, "claiming CPU %d failed: %s for itself; end it",
			       cpu, claim_held(text, fd, path));
	}
	return 0;
}

/* Is that an open descriptor of the file, left to us by whoever started us, and does it lock it? */
static bool is_handed_over(int fd, const struct stat *file)
{
	struct err ignored = { 0 };
	char path[64], text[1024];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return !fstat(fd, &st) && st.st_dev == file->st_dev && st.st_ino == file->st_ino &&
	       fcntl(fd, F_GETFD) == 0 && /* ours have FD_CLOEXEC */
	       file_read(path, text, sizeof(text), &ignored) > 0 && strstr(text, "FLOCK");
}

/* CPUs that are claimed already, for us: whoever started us has looked after that. */
static void leave_out_handed_over(struct cpulist *alone, const char *sysfs)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc/self/fd");
	char path[PATH_MAX];
	struct dirent *d;
	struct stat st;

	cpulist_for_each(cpu, alone) {
		if (!dir ||
		    !file_path(path, sizeof(path), "%s/devices/system/cpu/cpu%d", sysfs, cpu) ||
		    stat(path, &st))
			continue;
		rewinddir(dir);
		while ((d = readdir(dir)))
			if (isdigit((unsigned char)d->d_name[0]) &&
			    is_handed_over(atoi(d->d_name), &st))
				cpulist_remove(alone, cpu);
	}
}

/* What is left of o's lists to be claimed: isolated, and not handed over. */
static int to_claim(struct cpulist *alone, struct cpulist *beside, const char *sysfs,
		    const struct claim_opts *o, struct err *e)
{
	struct hostcpus host;

	if (!o->isolated && hostcpus_read(&host, sysfs, e) < 0)
		return e->code;
	*alone = cpulist_and(o->alone, o->isolated ? o->isolated : &host.isolated);
	*beside = (struct cpulist){ 0 };
	if (o->beside)
		*beside = cpulist_and(o->beside, o->isolated ? o->isolated : &host.isolated);
	*beside = cpulist_minus(beside, alone); /* what is wanted alone is nobody else's anyway */
	leave_out_handed_over(alone, sysfs);
	return 0;
}

int claim_cpus(struct claim *c, const char *sysfs, const struct claim_opts *o, struct err *e)
{
	struct cpulist alone, beside;
	int turn, ret;

	*c = (struct claim){ .busy_cpu = -1 };
	if (to_claim(&alone, &beside, sysfs, o, e) < 0)
		return e->code;
	if (cpulist_empty(&alone) && cpulist_empty(&beside))
		return 0;
	turn = take_turn(sysfs, e);
	if (turn < 0)
		return turn;
	ret = check_cpus(c, sysfs, o, &alone, &beside, e);
	c->fds = calloc(cpulist_count(&alone) + cpulist_count(&beside), sizeof(*c->fds));
	if (!ret && !c->fds)
		ret = err_set(e, -ENOMEM, "no memory to claim CPUs");
	if (!ret)
		ret = hold(c, sysfs, &alone, ALONE, e);
	if (!ret)
		ret = hold(c, sysfs, &beside, BESIDE, e);
	close(turn);
	if (ret < 0)
		claim_drop(c);
	return ret;
}

void claim_drop(struct claim *c)
{
	for (size_t i = 0; i < c->n; i++)
		close(c->fds[i]);
	free(c->fds);
	c->fds = NULL;
	c->n = 0;
}
