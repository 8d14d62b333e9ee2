// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/toolwatch.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/threads.h"

enum { TEXT_BYTES = 64 << 20 };

/* As they are now; returns how many. */
static int look(pid_t pid, uint64_t priority, char *lines, size_t size, int *good)
{
	char path[PATH_MAX], line[1024];
	_cleanup_closedir_ DIR *dir = NULL;
	size_t used = 0;
	struct dirent *d;
	int count = 0;

	*good = 0;
	lines[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		struct thread_stat s;
		int n;

		if (*d->d_name == '.' ||
		    !file_path(path, sizeof(path), "/proc/%d/task/%s/stat", pid, d->d_name) ||
		    thread_stat_parse(file_read_line(path, line, sizeof(line)), &s))
			continue;
		n = snprintf(lines + used, size - used, "%s\n", line);
		if (n < 0 || (size_t)n >= size - used) {
			lines[used] = '\0';
			break;
		}
		used += n;
		count++;
		*good += s.policy == SCHED_FIFO && (uint64_t)s.priority == priority;
	}
	return count;
}

static int count_lines(const char *lines)
{
	int count = 0;

	for (const char *at = lines; (at = strchr(at, '\n')); at++)
		count++;
	return count;
}

int toolwatch_threads(pid_t pid, uint64_t priority, char *lines, size_t size)
{
	_cleanup_free_ char *now = malloc(size);
	int good;

	if (!now || look(pid, priority, now, size, &good) < count_lines(lines))
		return 0;
	memcpy(lines, now, strlen(now) + 1);
	return good;
}

int toolwatch_text(const char *from, char mark, const char *to, struct err *e)
{
	_cleanup_free_ char *text = NULL, *kept = NULL;
	_cleanup_fclose_ FILE *out = NULL;
	char *save = NULL;
	size_t size = 0;
	int ret = file_load(from, TEXT_BYTES, &text, e);

	if (ret < 0)
		return ret;
	out = open_memstream(&kept, &size);
	for (char *line = out ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save))
		if (mark == '#' ? *line == '#' : strchr(line, mark) != NULL)
			fprintf(out, "%s\n", line);
	if (!out || fflush(out))
		return err_set(e, -ENOMEM, "reading %s failed: no memory", from);
	return file_replace(to, kept, size, e);
}
