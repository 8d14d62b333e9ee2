// SPDX-License-Identifier: GPL-2.0-only
/* tracefs - what is done with an instance: its files, events, clock and buffers */
#include "lib/tracefs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"

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
	int ret = tfs_use(t, e);

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
