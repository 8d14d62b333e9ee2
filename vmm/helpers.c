// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/helpers.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"

bool helper_is_ours(const char *name, pid_t pid)
{
	static const char *const kinds[] = { "kvm-nx-lpage-recovery-", "kvm-pit/", "vhost-" };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t len = strlen(kinds[i]);
		char *end;

		if (!strncmp(name, kinds[i], len) && isdigit((unsigned char)name[len]) &&
		    strtol(name + len, &end, 10) == pid && !*end)
			return true;
	}
	/* before Linux 5.17 a name ends after 15 characters: whose it is cannot be told */
	return !strcmp(name, "kvm-nx-lpage-re");
}

bool helpers_has(const struct helpers *h, pid_t tid)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->at[i].tid == tid)
			return true;
	return false;
}

static void add(struct helpers *h, pid_t tid, const char *name)
{
	struct helper *n = &h->at[h->n];

	/* /proc/TID leads to our own threads, too */
	if (helpers_has(h, tid) || h->n == HELPERS_MAX)
		return;
	*n = (struct helper){ .tid = tid };
	snprintf(n->name, sizeof(n->name), "%s", name);
	h->n++;
}

static void look_at(struct helpers *h, pid_t pid, pid_t self)
{
	char name[48], path[32];

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	if (helper_is_ours(file_read_line(path, name, sizeof(name)), self))
		add(h, pid, name);
}

/*
 * They are younger than we are: between our number and the last one given out (loadavg's fifth
 * field) lie few, where a walk over /proc is milliseconds. Behind a wrap of the numbers, or when
 * many were given out, it is the walk.
 */
static int find_kernel_threads(struct helpers *h, pid_t self, struct err *e)
{
	enum { NEAR = 1024 };
	char line[128];
	const char *at = strrchr(file_read_line("/proc/loadavg", line, sizeof(line)), ' ');
	_cleanup_closedir_ DIR *dir = NULL;
	pid_t last = at ? atoi(at) : 0;
	struct dirent *d;

	if (last >= self && last - self < NEAR) {
		for (pid_t pid = self; pid <= last; pid++)
			look_at(h, pid, self);
		return 0;
	}
	dir = opendir("/proc");
	if (!dir)
		return err_sys(e, "looking for KVM's threads failed");
	while ((d = readdir(dir)))
		if (isdigit((unsigned char)d->d_name[0]))
			look_at(h, atoi(d->d_name), self);
	return 0;
}

static bool has(const pid_t *list, size_t n, pid_t tid)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == tid)
			return true;
	return false;
}

int helpers_find(struct helpers *h, const pid_t *ordinary, size_t n, struct err *e)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc/self/task");
	char path[sizeof("/proc/self/task//comm") + 256], name[48];
	struct dirent *d;

	*h = (struct helpers){ 0 };
	if (!dir)
		return err_sys(e, "looking at this process's threads failed");
	while ((d = readdir(dir))) {
		pid_t tid = atoi(d->d_name);

		if (tid <= 0 || has(ordinary, n, tid))
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", d->d_name);
		add(h, tid, file_read_line(path, name, sizeof(name)));
	}
	return find_kernel_threads(h, getpid(), e);
}

static int settle(struct helper *h, const struct cpulist *housekeeping,
		  const struct cpulist *keep_off, struct err *e)
{
	struct cpulist now, both;
	struct err why = { 0 };
	char cpus[64];

	if (!cpulist_pin(housekeeping, h->tid, &why))
		return 0;
	if (why.code == -ESRCH) { /* it has ended */
		h->tid = 0;
		return 0;
	}
	if (cpulist_affinity(&now, h->tid, e) < 0)
		return e->code;
	both = cpulist_and(&now, keep_off);
	if (cpulist_empty(&both))
		return 0;
	return err_set(
		e, why.code,
		"KVM's thread %s may run on CPU %s, which carries a vCPU, and cannot be moved: "
		"%s; run as root, or, where every guest of the host is trusted, set "
		"kvm.nx_huge_pages=never",
		h->name, cpulist_format(&both, cpus, sizeof(cpus)), strerror(-why.code));
}

int helpers_settle(struct helpers *h, const struct cpulist *housekeeping,
		   const struct cpulist *keep_off, struct err *e)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < h->n; i++)
		ret = settle(&h->at[i], housekeeping, keep_off, e);
	return ret;
}
