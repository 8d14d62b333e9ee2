// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/ctlplace.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/opt.h"

enum { LOCK_TRIES = 100, LOCK_MS = 50, BACKLOG = 16 };

static const char suffix[] = ".sock";

int ctlplace_check_name(const char *name, struct err *e)
{
	size_t len = strlen(name);
	bool letter = false, good = name[0] != '.' && len <= CTLPLACE_NAME_MAX;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = name[i];

		good &= c < 0x80 && (isalnum(c) || strchr("._-", c));
		letter |= c < 0x80 && isalpha(c);
	}
	if (!letter || !good)
		return err_set(
			e, -EINVAL,
			"--name: a name has letters, digits and \"._-\", 1 to %d in all, one "
			"of them a letter, and no dot in front",
			CTLPLACE_NAME_MAX);
	return 0;
}

static int address(struct sockaddr_un *a, const char *path, struct err *e)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!path[0] || strlen(path) >= sizeof(a->sun_path))
		return err_set(e, -ENAMETOOLONG,
			       "control socket %s: a socket's path has 1 to %zu characters", path,
			       sizeof(a->sun_path) - 1);
	strcpy(a->sun_path, path);
	return 0;
}

/* Returns a descriptor or -errno; a full queue (EAGAIN) belongs to one that lives. */
static int try_connect(const char *path, struct err *e)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un a;
	int ret = address(&a, path, e);

	if (fd < 0)
		return -errno;
	if (!ret && connect(fd, (struct sockaddr *)&a, sizeof(a)))
		ret = -errno;
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

static bool is_dead(const char *path)
{
	struct err ignored = { 0 };
	int fd = try_connect(path, &ignored);

	if (fd >= 0)
		close(fd);
	return fd == -ECONNREFUSED;
}

static const char *dir_of(const char *path, char *dir, size_t size)
{
	const char *slash = strrchr(path, '/');

	snprintf(dir, size, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
	return dir[0] ? dir : "/";
}

bool ctlplace_is_others(const char *path)
{
	char dir[CTLPLACE_PATH_MAX];
	struct stat st;

	return path[0] && !stat(dir_of(path, dir, sizeof(dir)), &st) && st.st_uid != geteuid();
}

/* The directory of path, locked until it is closed. */
static int lock_dir(const char *path, struct err *e)
{
	char dir[CTLPLACE_PATH_MAX];
	int fd;

	fd = open(dir_of(path, dir, sizeof(dir)), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "opening %s for the control socket failed", dir);
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (!flock(fd, LOCK_EX | LOCK_NB))
			return fd;
		clock_sleep_until(clock_now_ns() + LOCK_MS * 1000000ull);
	}
	close(fd);
	return err_set(e, -EBUSY, "control socket %s: another process keeps its directory locked",
		       path);
}

static int make_room(const char *path, struct err *e)
{
	struct stat st;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : err_sys(e, "control socket %s", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, -EEXIST, "control socket %s: a file that is no socket is there",
			       path);
	if (!is_dead(path))
		return err_set(e, -EADDRINUSE, "control socket %s: a running VM has it", path);
	return unlink(path) ? err_sys(e, "removing the dead socket %s failed", path) : 0;
}

static int bind_private(int fd, const struct sockaddr_un *a, struct err *e)
{
	mode_t mask = umask(0177); /* before any other thread exists */
	int ret = bind(fd, (const struct sockaddr *)a, sizeof(*a));

	if (ret)
		ret = err_sys(e, "making the control socket %s failed", a->sun_path);
	umask(mask);
	if (!ret && listen(fd, BACKLOG))
		ret = err_sys(e, "listening on %s failed", a->sun_path);
	return ret;
}

int ctlplace_listen(const char *path, struct err *e)
{
	_cleanup_close_ int lock = -1;
	struct sockaddr_un a;
	int fd, ret = address(&a, path, e);

	if (ret < 0)
		return ret;
	lock = lock_dir(path, e);
	if (lock < 0)
		return lock;
	ret = make_room(path, e);
	if (ret < 0)
		return ret;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(e, "making a control socket failed");
	ret = bind_private(fd, &a, e);
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

/* NAME of "NAME.sock", in place; false for other files */
static bool strip(char *file)
{
	size_t len = strlen(file), tail = sizeof(suffix) - 1;

	if (file[0] == '.' || len <= tail || strcmp(file + len - tail, suffix) != 0)
		return false;
	file[len - tail] = '\0';
	return true;
}

void ctlplace_sweep(const char *dir)
{
	_cleanup_closedir_ DIR *d = opendir(dir);
	_cleanup_close_ int lock = -1;
	char path[CTLPLACE_PATH_MAX];
	struct err ignored = { 0 };
	struct dirent *entry;

	if (!d || !file_path(path, sizeof(path), "%s/x", dir))
		return;
	lock = lock_dir(path, &ignored);
	while (lock >= 0 && (entry = readdir(d)))
		if (strip(entry->d_name) &&
		    file_path(path, sizeof(path), "%s/%s%s", dir, entry->d_name, suffix) &&
		    is_dead(path))
			unlink(path);
}

static int connect_path(const char *path, struct err *e)
{
	int fd = try_connect(path, e);

	switch (fd) {
	case -ENOENT:
	case -ECONNREFUSED:
		return err_set(e, fd, "no VM runs at %s", path);
	case -EAGAIN:
		return err_set(e, fd, "the VM at %s does not answer: too many clients wait", path);
	default:
		return fd < 0 ? err_set(e, fd, "connecting to %s failed: %s", path, strerror(-fd))
			      : fd;
	}
}

static pid_t peer_pid(int fd)
{
	struct ucred c;
	socklen_t len = sizeof(c);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &len) ? 0 : c.pid;
}

/* What a walk over the directory looks for, and has found. */
struct search {
	pid_t pid; /* 0: any */
	int fd, n;
	char names[256];
};

static void look_at(struct search *s, const char *dir, char *name)
{
	char path[CTLPLACE_PATH_MAX];
	struct err ignored = { 0 };
	size_t used = strlen(s->names);
	int fd;

	if (!file_path(path, sizeof(path), "%s/%s%s", dir, name, suffix))
		return;
	fd = try_connect(path, &ignored);
	if (fd < 0)
		return;
	if (s->pid && peer_pid(fd) != s->pid) {
		close(fd);
		return;
	}
	file_path(s->names + used, sizeof(s->names) - used, "%s%s", used ? ", " : "", name);
	if (s->n++)
		close(fd);
	else
		s->fd = fd;
}

static void walk(struct search *s, const char *dir)
{
	_cleanup_closedir_ DIR *d = opendir(dir);
	struct dirent *entry;

	while (d && (entry = readdir(d)))
		if (strip(entry->d_name))
			look_at(s, dir, entry->d_name);
}

int ctlplace_connect(const char *dir, const char *vm, struct err *e)
{
	struct search s = { .fd = -1 };
	char path[CTLPLACE_PATH_MAX];
	struct err ignored = { 0 };
	uint64_t pid = 0;

	if (vm && strchr(vm, '/'))
		return connect_path(vm, e);
	if (vm && vm[strspn(vm, "0123456789")]) {
		if (ctlplace_check_name(vm, &ignored) < 0)
			return err_set(e, -EINVAL, "--vm: no VM can have such a name");
		return file_path(path, sizeof(path), "%s/%s%s", dir, vm, suffix)
			       ? connect_path(path, e)
			       : err_sys(e, "--vm");
	}
	if (vm && opt_u64("--vm", vm, 1, INT_MAX, &pid, &ignored) < 0)
		return err_set(e, -EINVAL, "--vm: \"%s\" is neither name, process id nor path", vm);
	s.pid = pid;
	walk(&s, dir);
	if (s.n == 1)
		return s.fd;
	if (s.fd >= 0)
		close(s.fd);
	if (s.n)
		return err_set(e, -ENOTUNIQ, "several VMs run: %s; name one with --vm", s.names);
	if (vm)
		return err_set(e, -ENOENT, "process %s runs no VM with a socket in %s", vm, dir);
	return err_set(e, -ENOENT, "no VM with a control socket in %s runs%s", dir,
		       geteuid() ? ", or it is another user's" : "");
}
