// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/neighbours.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/threads.h"

static int grow(struct neighbours *all, size_t room, struct err *e)
{
	struct neighbour *list = reallocarray(all->list, room, sizeof(*list));

	if (!list)
		return err_set(e, -ENOMEM, "no memory for %zu threads of this host", room);
	all->list = list;
	all->room = room;
	return 0;
}

/* "0.20 0.18 0.12 1/80 11206": one of 80 threads runs (proc_loadavg(5)) */
int neighbours_reserve(struct neighbours *all, const char *proc, struct err *e)
{
	enum { SPARE = 256, MOST = 1 << 20 };
	char path[PATH_MAX], line[128];
	size_t threads = 0;

	if (file_path(path, sizeof(path), "%s/loadavg", proc))
		sscanf(file_read_line(path, line, sizeof(line)), "%*s %*s %*s %*u/%zu", &threads);
	return grow(all, 2 * (threads < MOST ? threads : MOST) + SPARE, e);
}

static int add(struct neighbours *all, const struct neighbour *n, struct err *e)
{
	int ret = all->n == all->room ? grow(all, 2 * all->room + 256, e) : 0;

	if (!ret)
		all->list[all->n++] = *n;
	return ret;
}

/* "run_ns wait_ns runs" (sched-stats.rst) */
static bool read_thread(struct neighbour *n, const char *dir)
{
	char path[PATH_MAX], text[1024];
	struct thread_stat s;

	if (!file_path(path, sizeof(path), "%s/schedstat", dir) ||
	    sscanf(file_read_line(path, text, sizeof(text)), "%" SCNu64 " %*u %" SCNu64, &n->run_ns,
		   &n->runs) != 2)
		return false;
	if (!file_path(path, sizeof(path), "%s/stat", dir) ||
	    thread_stat_parse(file_read_line(path, text, sizeof(text)), &s))
		return false;
	n->cpu = s.cpu;
	memcpy(n->name, s.name, sizeof(n->name));
	return true;
}

static int read_process(struct neighbours *all, pid_t pid, const char *tasks, struct err *e)
{
	_cleanup_closedir_ DIR *dir = opendir(tasks);
	char path[PATH_MAX];
	struct dirent *d;
	int ret = 0;

	while (dir && !ret && (d = readdir(dir))) {
		struct neighbour n = { .tid = atoi(d->d_name), .pid = pid };

		if (n.tid > 0 && file_path(path, sizeof(path), "%s/%s", tasks, d->d_name) &&
		    read_thread(&n, path))
			ret = add(all, &n, e);
	}
	return ret;
}

static int by_tid(const void *a, const void *b)
{
	const struct neighbour *x = a, *y = b;

	return (x->tid > y->tid) - (x->tid < y->tid);
}

int neighbours_read(struct neighbours *all, const char *proc, struct err *e)
{
	_cleanup_closedir_ DIR *dir = opendir(proc);
	char path[PATH_MAX];
	struct dirent *d;
	int ret = 0;

	if (!dir)
		return err_sys(e, "reading this host's threads in %s failed", proc);
	all->n = 0;
	while (!ret && (d = readdir(dir)))
		if (isdigit((unsigned char)d->d_name[0]) &&
		    file_path(path, sizeof(path), "%s/%s/task", proc, d->d_name))
			ret = read_process(all, atoi(d->d_name), path, e);
	if (all->n)
		qsort(all->list, all->n, sizeof(*all->list), by_tid);
	return ret;
}

void neighbours_free(struct neighbours *all)
{
	free(all->list);
	*all = (struct neighbours){ 0 };
}

bool neighbours_next(const struct neighbours *before, const struct neighbours *after, int cpu,
		     size_t *at, struct neighbour *out)
{
	for (; *at < after->n; (*at)++) {
		const struct neighbour *n = &after->list[*at], *was = NULL;

		if (n->cpu != cpu)
			continue;
		if (before->n)
			was = bsearch(n, before->list, before->n, sizeof(*n), by_tid);
		*out = *n;
		/* an id that was given out again starts anew */
		if (was && was->runs <= n->runs && was->run_ns <= n->run_ns) {
			out->runs -= was->runs;
			out->run_ns -= was->run_ns;
		}
		if (!out->runs)
			continue;
		(*at)++;
		return true;
	}
	return false;
}

int64_t neighbours_own_runs(const struct neighbours *before, const struct neighbours *after,
			    int cpu, pid_t tid, pid_t pid, const struct helpers *helpers)
{
	struct neighbour n;
	int64_t runs = 0;
	size_t at = 0;

	if (!before->n || !after->n)
		return -1;
	while (neighbours_next(before, after, cpu, &at, &n))
		if (n.tid != tid && (n.pid == pid || helpers_has(helpers, n.tid)))
			runs += n.runs;
	return runs;
}
