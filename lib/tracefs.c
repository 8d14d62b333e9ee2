// SPDX-License-Identifier: GPL-2.0-only
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

/*
 * libtracefs looks for a mount of its own, and mounts tracefs for the whole machine when it finds
 * none, unless it has been told where to look.
 */
static int use_root(struct tfs *t, struct err *e)
{
	if (tracefs_set_tracing_dir(t->root))
		return err_set(e, -ENOMEM, "opening %s failed: no memory", t->root);
	return 0;
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
	ret = use_root(t, e);
	if (ret < 0)
		return ret;
	t->instance = tracefs_instance_alloc(t->root, name);
	if (!t->instance)
		return err_sys(e, "opening the trace instance %s failed", name);
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
		tfs_destroy(t);
	return ret;
}

void tfs_destroy(struct tfs *t)
{
	if (t->tep)
		tep_free(t->tep);
	if (t->instance)
		tracefs_instance_free(t->instance);
	/* fails only while somebody reads our files (EBUSY): the next sweep removes it then */
	if (t->dir[0])
		rmdir(t->dir);
	if (t->lock >= 0)
		close(t->lock);
	if (t->mount >= 0)
		close(t->mount);
	*t = (struct tfs)TFS_INIT;
}

bool tfs_has(const struct tfs *t, const char *file)
{
	char path[PATH_MAX];

	return file_path(path, sizeof(path), "%s/%s", t->dir, file) && file_exists(path);
}

/* Kernel files have no size to ask for: read until they end. */
static int load(const char *dir, const char *file, size_t max, char **text, struct err *e)
{
	_cleanup_free_ char *buf = NULL;
	size_t size = 64 << 10;
	char path[PATH_MAX];
	ssize_t n;

	if (!file_path(path, sizeof(path), "%s/%s", dir, file))
		return err_sys(e, "reading %s failed", file);
	for (;; size *= 4) {
		char *bigger = realloc(buf, size);

		if (!bigger)
			return err_set(e, -ENOMEM, "reading %s failed: no memory", path);
		buf = bigger;
		n = file_read(path, buf, size, e);
		if (n < 0)
			return n;
		if ((size_t)n < size - 1)
			break;
		if (size > max)
			return err_set(e, -EFBIG, "reading %s failed: more than %zu bytes", path,
				       max);
	}
	*text = buf;
	buf = NULL;
	return 0;
}

int tfs_load(const struct tfs *t, const char *file, size_t max, char **text, struct err *e)
{
	return load(t->dir, file, max, text, e);
}

/* The place in error_log where the kernel says what it did not like: its last "error:" line. */
static const char *why_refused(const struct tfs *t, char **log)
{
	struct err ignored = { 0 };
	char *line, *last = NULL;

	if (tfs_load(t, "error_log", 1 << 20, log, &ignored) < 0)
		return "";
	for (line = *log; (line = strstr(line, "error: ")); line++)
		last = line;
	if (!last)
		return "";
	last[strcspn(last, "\n")] = '\0';
	return last + strlen("error: ");
}

int tfs_write(const struct tfs *t, const char *file, const char *text, struct err *e)
{
	_cleanup_free_ char *log = NULL;
	struct err first = { 0 };
	char path[PATH_MAX];
	const char *why;
	int ret;

	if (!file_path(path, sizeof(path), "%s/%s", t->dir, file))
		return err_sys(e, "writing %s failed", file);
	ret = file_write(path, text, &first);
	if (!ret)
		return 0;
	why = why_refused(t, &log);
	return err_set(e, ret, "%s%s%s%s", first.text, *why ? ": " : "", why, tfs_remedy(ret));
}

static int new_tep(struct tfs *t, struct err *e)
{
	_cleanup_free_ char *page = NULL;
	int ret = load(t->root, "events/header_page", 1 << 16, &page, e);

	if (ret < 0)
		return ret;
	t->tep = tep_alloc();
	if (!t->tep)
		return err_set(e, -ENOMEM, "reading event formats failed: no memory");
	tep_set_file_bigendian(t->tep, tep_is_bigendian());
	tep_set_local_bigendian(t->tep, tep_is_bigendian());
	if (tep_parse_header_page(t->tep, page, strlen(page), sizeof(long)))
		return err_set(e, -EIO, "reading %s/events/header_page failed", t->root);
	return 0;
}

/* One format, not the whole system's: kvm alone has a hundred, a second's work to parse. */
int tfs_learn(struct tfs *t, const char *system, const char *event, struct err *e)
{
	_cleanup_free_ char *format = NULL;
	char file[256];
	int ret = t->tep ? 0 : new_tep(t, e);

	snprintf(file, sizeof(file), "events/%s/%s/format", system, event);
	if (!ret) /* the records of tracers are described at the top only */
		ret = load(tfs_has(t, file) ? t->dir : t->root, file, 1 << 20, &format, e);
	if (ret < 0)
		return ret;
	if (tep_parse_event(t->tep, format, strlen(format), system))
		return err_set(e, -EIO, "reading the format of the event %s:%s failed", system,
			       event);
	return 0;
}

int tfs_enable(struct tfs *t, const char *system, const char *event, const char *filter,
	       struct err *e)
{
	char file[256];
	int ret = 0;

	snprintf(file, sizeof(file), "events/%s/%s/filter", system, event);
	if (!tfs_has(t, file))
		return err_set(e, -ENOENT, "enabling the event %s:%s failed: this kernel has none",
			       system, event);
	if (filter)
		ret = tfs_write(t, file, filter, e);
	if (!ret)
		ret = tfs_learn(t, system, event, e);
	if (ret < 0)
		return ret;
	snprintf(file, sizeof(file), "events/%s/%s/enable", system, event);
	return tfs_write(t, file, "1", e);
}

int tfs_cpumask(struct tfs *t, const struct cpulist *cpus, struct err *e)
{
	char mask[CPULIST_CPUS / 4 + CPULIST_CPUS / 32 + 1];
	size_t used = 0;

	/* the kernel's bitmap format: 32-bit words in hex, highest first, separated by commas */
	for (int word = CPULIST_CPUS / 32 - 1; word >= 0; word--) {
		uint32_t bits = cpus->bits[word / 2] >> (word % 2 * 32);

		if (bits || used || !word)
			used += snprintf(mask + used, sizeof(mask) - used, used ? ",%08x" : "%x",
					 bits);
	}
	return tfs_write(t, "tracing_cpumask", mask, e);
}

int tfs_clock(struct tfs *t, const char *clock, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	char *save = NULL;
	int ret = tfs_load(t, "trace_clock", 4096, &text, e);
	char list[512];

	if (ret < 0)
		return ret;
	snprintf(list, sizeof(list), "%.*s", (int)strcspn(text, "\n"), text);
	for (char *w = strtok_r(text, " []\n", &save); w; w = strtok_r(NULL, " []\n", &save))
		if (!strcmp(w, clock))
			return tfs_write(t, "trace_clock", clock, e);
	return err_set(e, -ENOENT, "setting the trace clock %s failed: this kernel offers %s",
		       clock, list);
}

int tfs_buffer(struct tfs *t, unsigned int kib, struct err *e)
{
	char text[32];

	snprintf(text, sizeof(text), "%u", kib);
	return tfs_write(t, "buffer_size_kb", text, e);
}

int tfs_on(struct tfs *t, bool on, struct err *e)
{
	return tfs_write(t, "tracing_on", on ? "1" : "0", e);
}

int tfs_drain(struct tfs *t, tfs_event_fn *fn, void *ctx, struct err *e)
{
	int ret = use_root(t, e);

	if (ret < 0)
		return ret;
	if (!t->tep)
		return err_set(e, -EINVAL, "reading trace events failed: none is enabled");
	if (tracefs_iterate_raw_events(t->tep, t->instance, NULL, 0, fn, ctx) < 0)
		return err_sys(e, "reading trace events from %s failed", t->dir);
	return 0;
}

static uint64_t stat_value(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

int tfs_lost(const struct tfs *t, uint64_t *lost, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_closedir_ DIR *dir = NULL;
	char path[PATH_MAX];
	struct dirent *d;

	snprintf(path, sizeof(path), "%s/per_cpu", t->dir);
	dir = opendir(path);
	if (!dir)
		return err_sys(e, "opening %s failed", path);
	*lost = 0;
	while ((d = readdir(dir))) {
		int ret;

		if (strncmp(d->d_name, "cpu", 3))
			continue;
		snprintf(path, sizeof(path), "per_cpu/%s/stats", d->d_name);
		free(text);
		text = NULL;
		ret = tfs_load(t, path, 1 << 16, &text, e);
		if (ret < 0)
			return ret;
		*lost += stat_value(text, "\noverrun: ") + stat_value(text, "commit overrun: ") +
			 stat_value(text, "dropped events: ");
	}
	return 0;
}
