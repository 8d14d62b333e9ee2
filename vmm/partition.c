// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/partition.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/threads.h"

static const char owner_attr[] = "trusted.rtkvm.owner";

bool partition_name_ok(const char *name)
{
	static const char *const taken[] = { "cgroup.", "cpuset.", "memory.", "cpu.",  "io.",
					     "pids.",	"rdma.",   "misc.",   "perf.", "hugetlb." };
	size_t len = strlen(name);

	if (!len || len >= sizeof(((struct partition *)0)->name) || name[0] == '.')
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		if (!strncmp(name, taken[i], strlen(taken[i])))
			return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("_.-", *name))
			return false;
	return true;
}

static const char *path_in(const char *dir, const char *name, char *buf)
{
	return file_path(buf, PATH_MAX, "%s/%s", dir, name) ? buf : "";
}

static bool lists(const char *dir, const char *name, const char *word)
{
	char path[PATH_MAX], line[256], *save = NULL;

	file_read_line(path_in(dir, name, path), line, sizeof(line));
	for (char *w = strtok_r(line, " ", &save); w; w = strtok_r(NULL, " ", &save))
		if (!strcmp(w, word))
			return true;
	return false;
}

static int put(const char *dir, const char *name, const char *text, struct err *e)
{
	struct err why = { 0 };
	char path[PATH_MAX];
	int ret = file_write(path_in(dir, name, path), text, &why);

	return ret < 0 ? err_set(e, ret, "--cpuset-partition: %s", why.text) : 0;
}

/* Threads can be placed one by one only below the cgroup that has their process's resources. */
static int move_to_root(struct partition *p, struct err *e)
{
	struct cgroup now;
	int ret;

	if (!strcmp(p->group.path, "/"))
		return 0;
	ret = put(p->group.mount, "cgroup.procs", "0", e);
	if (!ret)
		ret = cgroup_find(&now, "/proc", e);
	if (!ret && strcmp(now.path, "/") != 0)
		ret = err_set(e, -EIO,
			      "--cpuset-partition: the process is in cgroup %s, wanted the root",
			      now.path);
	return ret;
}

/* One VM at a time makes or removes a partition; closing the descriptor ends it. */
static int lock(const char *mount, struct err *e)
{
	enum { TRIES = 1000, STEP_MS = 10 };
	_cleanup_close_ int fd = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int locked = fd;

	if (fd < 0)
		return err_sys(e, "--cpuset-partition: opening %s failed", mount);
	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB); i++) {
		if (errno != EWOULDBLOCK || i == TRIES)
			return err_sys(e, "--cpuset-partition: locking %s failed", mount);
		poll(NULL, 0, STEP_MS);
	}
	fd = -1;
	return locked;
}

static int check_cpuset(struct partition *p, struct err *e)
{
	const char *mount = p->group.mount;

	if (!lists(mount, "cgroup.controllers", "cpuset"))
		return err_set(e, -ENOTSUP,
			       "--cpuset-partition: cgroup v2 at %s has no cpuset controller; boot "
			       "with systemd.unified_cgroup_hierarchy=1 (cgroup v1 holds it)",
			       mount);
	p->enabled = !lists(mount, "cgroup.subtree_control", "cpuset");
	return 0;
}

static int enable_cpuset(const struct partition *p, struct err *e)
{
	return p->enabled ? put(p->group.mount, "cgroup.subtree_control", "+cpuset", e) : 0;
}

static int make_dir(struct partition *p, struct err *e)
{
	char owner[64], path[PATH_MAX];

	if (!file_path(path, sizeof(path), "%s/%s", p->group.mount, p->name))
		return err_sys(e, "--cpuset-partition %s failed", p->name);
	if (mkdir(path, 0755))
		return errno == EEXIST ? err_set(e, -EEXIST,
						 "--cpuset-partition: %s is there already and in "
						 "use, or not ours; choose another name",
						 path)
				       : err_sys(e, "--cpuset-partition: making %s failed", path);
	memcpy(p->dir, path, sizeof(p->dir));
	snprintf(owner, sizeof(owner), "%d %" PRIu64 " %d", getpid(), process_start(getpid()),
		 p->enabled);
	if (setxattr(path, owner_attr, owner, strlen(owner), 0))
		return err_sys(e, "--cpuset-partition: marking %s as ours failed", path);
	return 0;
}

char *partition_state(const struct partition *p, char *buf, size_t size)
{
	char path[PATH_MAX];

	return file_read_line(path_in(p->dir, "cpuset.cpus.partition", path), buf, size);
}

int partition_check(const struct partition *p, struct err *e)
{
	char state[256];

	if (!strcmp(partition_state(p, state, sizeof(state)), "isolated"))
		return 0;
	return err_set(e, -EBUSY,
		       "--cpuset-partition: wanted the vCPUs' CPUs isolated to the end, "
		       "%s/cpuset.cpus.partition reads \"%s\" now: somebody else wrote cpusets "
		       "meanwhile; let systemd leave them alone, or use isolcpus=",
		       p->dir, state);
}

/* The kernel takes the word and then says, in the same file, why it is not so. */
static int isolate(const struct partition *p, const struct cpulist *cpus, struct err *e)
{
	char list[2048], state[256];
	int ret;

	cpulist_format(cpus, list, sizeof(list));
	ret = put(p->dir, "cgroup.type", "threaded", e);
	if (!ret)
		ret = put(p->dir, "cpuset.cpus", list, e);
	if (!ret)
		ret = put(p->dir, "cpuset.cpus.partition", "isolated", e);
	if (ret < 0)
		return ret;
	if (strcmp(partition_state(p, state, sizeof(state)), "isolated") != 0)
		return err_set(e, -EBUSY,
			       "--cpuset-partition: wanted CPU %s isolated, "
			       "%s/cpuset.cpus.partition reads \"%s\"; give "
			       "up those CPUs elsewhere (cpuset.cpus of other cgroups)",
			       list, p->dir, state);
	return 0;
}

/* Does another cgroup below the root say which CPUs it wants? It needs the controller, then. */
static bool others_use_cpuset(const char *mount)
{
	_cleanup_closedir_ DIR *dir = opendir(mount);
	char path[PATH_MAX], line[64];
	struct dirent *d;

	while (dir && (d = readdir(dir)))
		if (d->d_type == DT_DIR && d->d_name[0] != '.' &&
		    file_path(path, sizeof(path), "%s/%s/cpuset.cpus", mount, d->d_name) &&
		    file_read_line(path, line, sizeof(line))[0])
			return true;
	return false;
}

/* A thread that has been joined leaves its cgroup a moment later. */
static int remove_dir(const char *dir, struct err *e)
{
	enum { TRIES = 200, STEP_MS = 10 };
	struct err ignored = { 0 };
	char path[PATH_MAX];

	file_write(path_in(dir, "cpuset.cpus.partition", path), "member", &ignored);
	for (int i = 0; i < TRIES; i++) {
		if (!rmdir(dir) || errno == ENOENT)
			return 0;
		if (errno != EBUSY)
			break;
		poll(NULL, 0, STEP_MS);
	}
	return err_sys(e, "removing the cpuset partition %s failed", dir);
}

static int give_back(const char *mount, const char *dir, bool enabled, struct err *e)
{
	int ret = dir[0] ? remove_dir(dir, e) : 0;
	struct err busy = { 0 };

	if (ret < 0 || !enabled || others_use_cpuset(mount))
		return ret;
	ret = put(mount, "cgroup.subtree_control", "-cpuset", &busy);
	if (ret == -EBUSY) /* another has passed it on to its own groups since */
		return 0;
	return ret < 0 ? err_set(e, ret, "%s", busy.text) : 0;
}

/* The mark that names us comes before what it is to undo. */
static int build(struct partition *p, const struct cpulist *cpus, struct err *e)
{
	int ret = check_cpuset(p, e);

	if (!ret)
		ret = make_dir(p, e);
	if (!ret)
		ret = enable_cpuset(p, e);
	if (!ret)
		ret = isolate(p, cpus, e);
	return ret ? ret : move_to_root(p, e);
}

int partition_create(struct partition *p, const char *name, const struct cpulist *cpus,
		     struct err *e)
{
	_cleanup_close_ int locked = -1;
	struct err ignored = { 0 };
	int ret;

	*p = (struct partition){ 0 };
	snprintf(p->name, sizeof(p->name), "%s", name);
	ret = cgroup_find(&p->group, "/proc", e);
	if (!ret && !p->group.mount[0])
		ret = err_set(e, -ENOTSUP,
			      "--cpuset-partition: cgroup v2 is not mounted on this host, or not "
			      "for us to see; leave the option out and use isolcpus=");
	if (!ret)
		ret = locked = lock(p->group.mount, e);
	if (ret >= 0)
		ret = build(p, cpus, e);
	if (ret >= 0)
		return 0;
	if (p->dir[0])
		give_back(p->group.mount, p->dir, p->enabled, &ignored);
	*p = (struct partition){ 0 };
	return ret;
}

int partition_remove(struct partition *p, struct err *e)
{
	_cleanup_close_ int locked = -1;
	int ret = 0;

	if (p->dir[0]) {
		locked = ret = lock(p->group.mount, e);
		if (ret >= 0)
			ret = give_back(p->group.mount, p->dir, p->enabled, e);
	}

	*p = (struct partition){ 0 };
	return ret;
}

int partition_enter(const struct partition *p, struct err *e)
{
	char path[64], text[1024], want[80];
	int ret = put(p->dir, "cgroup.threads", "0", e);

	if (ret < 0)
		return ret;
	snprintf(path, sizeof(path), "/proc/self/task/%d/cgroup", (int)syscall(SYS_gettid));
	ret = file_read(path, text, sizeof(text), e);
	if (ret < 0)
		return ret;
	snprintf(want, sizeof(want), "0::/%s\n", p->name);
	if (!strstr(text, want))
		return err_set(e, -EIO, "--cpuset-partition: a vCPU thread did not get into %s",
			       p->dir);
	return 0;
}

static int recover(const char *mount, const char *dir, struct err *e)
{
	char owner[64], path[PATH_MAX], line[32];
	ssize_t n = getxattr(dir, owner_attr, owner, sizeof(owner) - 1);
	uint64_t start;
	int pid, enabled;

	if (n <= 0)
		return 0;
	owner[n] = '\0';
	file_read_line(path_in(dir, "cgroup.events", path), line, sizeof(line));
	if (!strcmp(line, "populated 1")) /* by an owner in another PID namespace */
		return 0;
	if (sscanf(owner, "%d %" SCNu64 " %d", &pid, &start, &enabled) != 3 ||
	    process_start(pid) == start)
		return 0;
	n = give_back(mount, dir, enabled, e);
	return n < 0 ? (int)n : 1;
}

int partition_recover(const char *mount, struct err *e)
{
	_cleanup_close_ int locked = lock(mount, e);
	_cleanup_closedir_ DIR *dir = locked < 0 ? NULL : opendir(mount);
	char path[PATH_MAX];
	struct dirent *d;
	int removed = 0, ret = locked < 0 ? locked : 0;

	while (dir && ret >= 0 && (d = readdir(dir))) {
		if (d->d_type != DT_DIR || d->d_name[0] == '.' ||
		    !file_path(path, sizeof(path), "%s/%s", mount, d->d_name))
			continue;
		ret = recover(mount, path, e);
		removed += ret > 0;
	}
	return ret < 0 ? ret : removed;
}
