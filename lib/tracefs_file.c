// SPDX-License-Identifier: GPL-2.0-only
/* tracefs_file - an instance's files: what is asked and told as text, without libtracefs */
#include "lib/tracefs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"

bool tfs_has(const struct tfs *t, const char *file)
{
	char path[PATH_MAX];

	return file_path(path, sizeof(path), "%s/%s", t->dir, file) && file_exists(path);
}

bool tfs_shared(const struct tfs *t, const char *file, char *path, size_t size)
{
	if (t->mount < 0)
		return file_path(path, size, "%s/%s", t->dir, file);
	return file_path(path, size, "/proc/%d/fd/%d%s/%s", getpid(), t->mount,
			 t->dir + strlen(t->root), file);
}

int tfs_load(const struct tfs *t, const char *file, size_t max, char **text, struct err *e)
{
	char path[PATH_MAX];
	ssize_t n;

	if (!file_path(path, sizeof(path), "%s/%s", t->dir, file))
		return err_sys(e, "reading %s failed", file);
	n = file_load(path, max, text, e);
	return n < 0 ? n : 0;
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

static uint64_t stat_value(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

int tfs_lost(const struct tfs *t, struct tfs_lost *lost, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_closedir_ DIR *dir = NULL;
	char path[PATH_MAX];
	struct dirent *d;

	snprintf(path, sizeof(path), "%s/per_cpu", t->dir);
	dir = opendir(path);
	if (!dir)
		return err_sys(e, "opening %s failed", path);
	*lost = (struct tfs_lost){ 0 };
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
		lost->overwritten += stat_value(text, "\noverrun: ");
		lost->dropped += stat_value(text, "\ncommit overrun: ") +
				 stat_value(text, "\ndropped events: ");
	}
	return 0;
}

int tfs_off(struct tfs *t, uint64_t *lost, struct err *e)
{
	struct tfs_lost l = { 0 };
	int ret = tfs_on(t, false, e);

	if (!ret)
		ret = tfs_lost(t, &l, e);
	*lost = l.overwritten + l.dropped;
	return ret;
}
