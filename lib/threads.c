// SPDX-License-Identifier: GPL-2.0-only
#include "lib/threads.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"

pid_t thread_find(pid_t pid, const char *name)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *d;
	char path[PATH_MAX], comm[32];

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		if (!file_path(path, sizeof(path), "/proc/%d/task/%s/comm", pid, d->d_name))
			continue;
		if (!strcmp(file_read_line(path, comm, sizeof(comm)), name))
			return atoi(d->d_name);
	}
	return 0;
}

/* The name may hold anything, so the fields are counted from the last ')' (field 2 ends there). */
int thread_stat_parse(const char *line, struct thread_stat *s)
{
	const char *open = strchr(line, '('), *close = strrchr(line, ')');
	unsigned long long v[42] = { 0 };
	int field = 3;
	char *end;

	s->tid = strtol(line, &end, 10);
	if (end == line || !open || !close || close < open || !close[1])
		return -EINVAL;
	snprintf(s->name, sizeof(s->name), "%.*s", (int)(close - open - 1), open + 1);
	for (const char *p = close + 2; field < 42 && *p; field++) {
		v[field] = strtoull(p, NULL, 10);
		p += strcspn(p, " ");
		p += *p == ' ';
	}
	if (field < 42)
		return -EINVAL;
	s->parent = v[4];
	s->flags = v[9];
	s->start_ticks = v[22];
	s->minor_faults = v[10];
	s->major_faults = v[12];
	s->cpu = v[39];
	s->priority = v[40];
	s->policy = v[41];
	return 0;
}

int thread_switches_parse(const char *status, uint64_t *switches)
{
	static const char key[] = "nonvoluntary_ctxt_switches:";
	const char *at = strstr(status, key);

	if (!at)
		return -EINVAL;
	*switches = strtoull(at + strlen(key), NULL, 10);
	return 0;
}

int thread_counts(pid_t pid, pid_t tid, struct thread_counts *c)
{
	struct err ignored = { 0 };
	struct thread_stat s;
	char path[64], text[4096];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	if (file_read(path, text, sizeof(text), &ignored) < 0 || thread_stat_parse(text, &s))
		return -ESRCH;
	c->page_faults = s.minor_faults + s.major_faults;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, tid);
	if (file_read(path, text, sizeof(text), &ignored) < 0 ||
	    thread_switches_parse(text, &c->involuntary_switches))
		return -ESRCH;
	return 0;
}

/* false: there is no such process */
static bool process_stat(pid_t pid, struct thread_stat *s)
{
	char path[64], text[1024];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	return !thread_stat_parse(file_read_line(path, text, sizeof(text)), s);
}

uint64_t process_start(pid_t pid)
{
	struct thread_stat s;

	return process_stat(pid, &s) ? s.start_ticks : 0;
}

bool process_descends(pid_t pid, pid_t ancestor)
{
	enum { DEPTH = 64 }; /* parents may change under way, so that this need not end by itself */
	struct thread_stat s;

	for (int depth = 0; pid > 1 && depth < DEPTH; depth++) {
		if (pid == ancestor)
			return true;
		if (!process_stat(pid, &s))
			return false;
		pid = s.parent;
	}
	return false;
}
