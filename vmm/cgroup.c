// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/cgroup.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"

enum { TEXT_BYTES = 65536, MIB = 1 << 20 };

/* "0::/a/b" is cgroup v2's line (cgroups(7)); its value ends up in path */
static bool find_path(struct cgroup *g, char *text)
{
	char *at = strncmp(text, "0::/", 4) ? strstr(text, "\n0::/") : text;

	if (!at)
		return false;
	at += *at == '\n' ? 4 : 3;
	at[strcspn(at, "\n")] = '\0';
	/* "/../x" is outside of the namespace's root: what limits it cannot be seen from here */
	return !strstr(at, "/..") && file_path(g->path, sizeof(g->path), "%s", at);
}

/* The first mount of type cgroup2: "none /sys/fs/cgroup cgroup2 rw 0 0" (blanks are \040) */
static bool find_mount(struct cgroup *g, const char *text)
{
	for (const char *line = text; *line;) {
		char where[sizeof(g->mount)], type[32];

		if (sscanf(line, "%*s %1023s %31s", where, type) == 2 && !strcmp(type, "cgroup2")) {
			memcpy(g->mount, where, sizeof(where));
			return true;
		}
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return false;
}

int cgroup_find(struct cgroup *g, const char *proc, struct err *e)
{
	_cleanup_free_ char *groups = NULL, *mounts = NULL;
	char path[PATH_MAX];

	_Static_assert(sizeof(g->mount) == 1024, "find_mount's format says so");
	*g = (struct cgroup){ 0 };
	if (!file_path(path, sizeof(path), "%s/self/cgroup", proc))
		return err_sys(e, "finding this process's cgroup failed");
	if (!file_exists(path)) /* a kernel without cgroups */
		return 0;
	if (file_load(path, TEXT_BYTES, &groups, e) < 0)
		return e->code;
	if (!file_path(path, sizeof(path), "%s/self/mounts", proc))
		return err_sys(e, "finding this process's cgroup failed");
	if (file_load(path, 16 * TEXT_BYTES, &mounts, e) < 0)
		return e->code;
	if (!find_path(g, groups) || !find_mount(g, mounts))
		*g = (struct cgroup){ 0 };
	return 0;
}

/* A number; -1 for "max", and where the file is not there (the root, a controller that is off) */
static int64_t limit_of(const char *dir, const char *name)
{
	char path[PATH_MAX], line[32], *end;
	int64_t value;

	if (!file_path(path, sizeof(path), "%s/%s", dir, name))
		return -1;
	file_read_line(path, line, sizeof(line));
	value = strtoll(line, &end, 10);
	return isdigit((unsigned char)line[0]) && !*end ? value : -1;
}

/* Page cache, which the kernel takes back before it refuses memory; tmpfs is not among it */
static int64_t cache_of(const char *dir)
{
	static const char *const names[] = { "\nactive_file ", "\ninactive_file " };
	char path[PATH_MAX], text[8192];
	struct err ignored = { 0 };
	int64_t bytes = 0;

	if (!file_path(path, sizeof(path), "%s/memory.stat", dir) ||
	    file_read(path, text, sizeof(text), &ignored) < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *at = strstr(text, names[i]);

		if (at)
			bytes += strtoll(at + strlen(names[i]), NULL, 10);
	}
	return bytes;
}

static int check_one(const char *dir, const char *kind, uint64_t bytes, struct err *e)
{
	char max[32], current[32];
	int64_t limit, used, room;

	snprintf(max, sizeof(max), "%s.max", kind);
	snprintf(current, sizeof(current), "%s.current", kind);
	limit = limit_of(dir, max);
	if (limit < 0)
		return 0;
	used = limit_of(dir, current);
	if (!strcmp(kind, "memory"))
		used -= cache_of(dir);
	room = limit - (used > 0 ? used : 0);
	if (room > 0 && (uint64_t)room >= bytes)
		return 0;
	return err_set(e, -ENOMEM,
		       "--memory: wanted %" PRIu64 " MiB, %s/%s leaves %" PRId64 " of %" PRId64
		       " MiB; raise it, run elsewhere, or ask for less",
		       bytes / MIB, dir, max, (room > 0 ? room : 0) / MIB, limit / MIB);
}

/* hugetlb.2MB.max, and the one that counts what is reserved and not touched yet */
static int check_dir(const char *dir, uint64_t bytes, uint64_t page_bytes, struct err *e)
{
	char kind[32], reserved[40];
	int ret;

	if (page_bytes <= 4096)
		return check_one(dir, "memory", bytes, e);
	snprintf(kind, sizeof(kind),
		 page_bytes >= 1 << 30 ? "hugetlb.%" PRIu64 "GB" : "hugetlb.%" PRIu64 "MB",
		 page_bytes >> (page_bytes >= 1 << 30 ? 30 : 20));
	snprintf(reserved, sizeof(reserved), "%s.rsvd", kind);
	ret = check_one(dir, kind, bytes, e);
	return ret < 0 ? ret : check_one(dir, reserved, bytes, e);
}

int cgroup_check_memory(const struct cgroup *g, uint64_t bytes, uint64_t page_bytes, struct err *e)
{
	char path[sizeof(g->path)], dir[PATH_MAX];

	if (!g->mount[0])
		return 0;
	memcpy(path, g->path, sizeof(path));
	for (;;) {
		char *last = strrchr(path, '/');
		int ret;

		if (!file_path(dir, sizeof(dir), "%s%s", g->mount, path[1] ? path : ""))
			return err_sys(e, "looking at the limits of cgroup %s failed", path);
		ret = check_dir(dir, bytes, page_bytes, e);
		if (ret < 0 || !last || !path[1])
			return ret;
		last[last == path] = '\0'; /* the root keeps its slash */
	}
}
