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

	if (!open || !close || close < open || !close[1])
		return -EINVAL;
	snprintf(s->name, sizeof(s->name), "%.*s", (int)(close - open - 1), open + 1);
	for (const char *p = close + 2; field < 42 && *p; field++) {
		v[field] = strtoull(p, NULL, 10);
		p += strcspn(p, " ");
		p += *p == ' ';
	}
	if (field < 42)
		return -EINVAL;
	s->flags = v[9];
	s->start_ticks = v[22];
	s->minor_faults = v[10];
	s->major_faults = v[12];
	s->cpu = v[39];
	s->priority = v[40];
	s->policy = v[41];
	return 0;
}

int thread_counts(pid_t pid, pid_t tid, struct thread_counts *c)
{
	static const char key[] = "nonvoluntary_ctxt_switches:";
	struct err ignored = { 0 };
	struct thread_stat s;
	char path[64], text[4096];
	const char *at;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	if (file_read(path, text, sizeof(text), &ignored) < 0 || thread_stat_parse(text, &s))
		return -ESRCH;
	c->page_faults = s.minor_faults + s.major_faults;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, tid);
	if (file_read(path, text, sizeof(text), &ignored) < 0 || !(at = strstr(text, key)))
		return -ESRCH;
	c->involuntary_switches = strtoull(at + strlen(key), NULL, 10);
	return 0;
}

uint64_t process_start(pid_t pid)
{
	struct err ignored = { 0 };
	struct thread_stat s;
	char path[64], text[1024];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (file_read(path, text, sizeof(text), &ignored) < 0 || thread_stat_parse(text, &s))
		return 0;
	return s.start_ticks;
}
