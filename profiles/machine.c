// SPDX-License-Identifier: GPL-2.0-only
#include "profiles/machine.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/knob.h"
#include "profiles/tasks.h"

enum { MOST_PATHS = 65536 };

ssize_t machine_load(const struct machine *m, const char *path, char **text, struct err *e)
{
	ssize_t n = -EFBIG;

	*text = NULL;
	for (size_t size = 1 << 14; n == -EFBIG && size <= MACHINE_FILE; size *= 4) {
		char *grown = realloc(*text, size);

		if (!grown) {
			n = err_set(e, -ENOMEM, "reading %s failed: no memory", path);
			break;
		}
		*text = grown;
		err_clear(e);
		n = knob_read(m->root, path, *text, size, e);
	}
	if (n < 0) {
		free(*text);
		*text = NULL;
	}
	return n;
}

int machine_cpus(const struct machine *m, const char *path, struct cpulist *l, struct err *e)
{
	struct err why = { 0 };
	char text[MACHINE_WORD * 2];
	ssize_t n = knob_read(m->root, path, text, sizeof(text), e);

	memset(l, 0, sizeof(*l));
	if (n < 0)
		return n;
	if (!*text || !strcmp(text, " ") || !strcmp(text, "(null)"))
		return 0;
	if (cpulist_parse(l, text, &why) < 0)
		return err_set(e, -EINVAL, "%s holds no CPU list: %.64s", path, text);
	return 0;
}

static int hex(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	return isxdigit((unsigned char)c) ? tolower(c) - 'a' + 10 : -1;
}

int mask_parse(struct cpulist *l, const char *text, struct err *e)
{
	int bit = 0;

	memset(l, 0, sizeof(*l));
	for (size_t i = strlen(text); i-- > 0;) {
		int digit = hex(text[i]);

		if (text[i] == ',')
			continue;
		if (digit < 0 || bit >= CPULIST_CPUS)
			return err_set(e, -EINVAL, "\"%.64s\" is no CPU mask", text);
		for (int k = 0; k < 4; k++)
			if (digit >> k & 1)
				cpulist_add(l, bit + k);
		bit += 4;
	}
	return bit ? 0 : err_set(e, -EINVAL, "an empty CPU mask");
}

int machine_mask(const struct machine *m, const char *path, struct cpulist *l, struct err *e)
{
	struct err why = { 0 };
	char text[MACHINE_WORD];
	ssize_t n = knob_read(m->root, path, text, sizeof(text), e);

	if (n < 0)
		return n;
	if (mask_parse(l, text, &why) < 0)
		return err_set(e, -EINVAL, "%s holds no CPU mask: %.64s", path, text);
	return 0;
}

void paths_free(struct paths *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->v[i]);
	free(p->v);
	*p = (struct paths){ 0 };
}

static int paths_add(struct paths *p, const char *dir, const char *name, struct err *e)
{
	char **grown;
	char *path;

	if (p->n >= MOST_PATHS)
		return err_set(e, -E2BIG, "reading %s failed: it holds too many files", dir);
	if (!(p->n & (p->n - 1))) {
		grown = realloc(p->v, (p->n ? p->n * 2 : 1) * sizeof(*p->v));
		if (!grown)
			return err_set(e, -ENOMEM, "reading %s failed: no memory", dir);
		p->v = grown;
	}
	if (asprintf(&path, "%s/%s", dir, name) < 0)
		return err_set(e, -ENOMEM, "reading %s failed: no memory", dir);
	p->v[p->n++] = path;
	return 0;
}

/* Adds the entries of dir that match pattern. */
static int match_dir(const struct machine *m, const char *dir, const char *pattern,
		     struct paths *out, struct err *e)
{
	int fd = knob_open(m->root, *dir ? dir : "/", O_RDONLY | O_DIRECTORY);
	struct dirent *entry;
	int ret = 0;
	DIR *d;

	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ESRCH)
		return 0;
	if (fd < 0)
		return err_set(e, fd, "reading %s failed: %s", dir, strerror(-fd));
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return err_set(e, -ENOMEM, "reading %s failed: no memory", dir);
	}
	while (ret >= 0 && (entry = readdir(d)))
		if (!fnmatch(pattern, entry->d_name, FNM_PERIOD))
			ret = paths_add(out, dir, entry->d_name, e);
	closedir(d);
	return ret;
}

bool machine_has(const struct machine *m, const char *path)
{
	_cleanup_close_ int fd = knob_open(m->root, path, O_PATH);

	return fd >= 0;
}

static int by_number(const void *a, const void *b)
{
	return strverscmp(*(char *const *)a, *(char *const *)b);
}

/* One component: every path so far, extended by what matches. */
static int step(const struct machine *m, struct paths *paths, const char *part, struct err *e)
{
	bool plain = !strpbrk(part, "*?[");
	struct paths next = { 0 };
	int ret = 0;

	for (size_t i = 0; i < paths->n && ret >= 0; i++)
		ret = plain ? paths_add(&next, paths->v[i], part, e)
			    : match_dir(m, paths->v[i], part, &next, e);
	paths_free(paths);
	*paths = next;
	return ret;
}

int machine_glob(const struct machine *m, const char *pattern, struct paths *out, struct err *e)
{
	_cleanup_free_ char *copy = strdup(pattern);
	char *rest = NULL;
	size_t kept = 0;
	int ret = 0;

	*out = (struct paths){ .v = calloc(1, sizeof(*out->v)) };
	if (!copy || !out->v || !(out->v[0] = strdup("")))
		ret = err_set(e, -ENOMEM, "reading %s failed: no memory", pattern);
	else
		out->n = 1;
	for (char *part = strtok_r(copy, "/", &rest); part && ret >= 0;
	     part = strtok_r(NULL, "/", &rest))
		ret = step(m, out, part, e);
	if (ret < 0) {
		paths_free(out);
		return ret;
	}
	for (size_t i = 0; i < out->n; i++) {
		if (machine_has(m, out->v[i]))
			out->v[kept++] = out->v[i];
		else
			free(out->v[i]);
	}
	out->n = kept;
	if (kept)
		qsort(out->v, kept, sizeof(*out->v), by_number);
	return 0;
}

/* The value of the first "name : value" line of cpuinfo, at most size - 1 bytes. */
static char *cpuinfo_field(const char *text, const char *name, char *buf, size_t size)
{
	size_t len = strlen(name);

	buf[0] = '\0';
	for (const char *line = text; line; line = strchr(line, '\n')) {
		const char *value;

		line += *line == '\n';
		if (strncmp(line, name, len) || !strchr("\t :", line[len]))
			continue;
		value = line + strcspn(line, ":\n");
		if (*value == ':')
			snprintf(buf, size, "%.*s", (int)strcspn(value + 1, "\n"), value + 1);
		break;
	}
	memmove(buf, buf + (buf[0] == ' '), strlen(buf) + 1 - (buf[0] == ' '));
	return buf;
}

static int look_at_cpu(struct machine *m, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	char field[8192];
	int ret = machine_load(m, "/proc/cpuinfo", &text, e);

	if (ret < 0)
		return ret;
	cpuinfo_field(text, "vendor_id", field, sizeof(field));
	if (!*field)
		return err_set(e, -ENOTSUP, "this is %s machine; rtkvm knows x86-64 machines only",
			       strstr(text, "CPU implementer") ? "an Arm" : "not an x86-64");
	if (!strcmp(field, "GenuineIntel"))
		m->vendor = VENDOR_INTEL;
	else if (!strcmp(field, "AuthenticAMD") || !strcmp(field, "HygonGenuine"))
		m->vendor = VENDOR_AMD;
	cpuinfo_field(text, "model name", field, sizeof(field));
	snprintf(m->model, sizeof(m->model), "%.*s", (int)sizeof(m->model) - 1, field);
	cpuinfo_field(text, "flags", field, sizeof(field));
	if (asprintf(&m->flags, " %s ", field) < 0) {
		m->flags = NULL;
		return err_set(e, -ENOMEM, "reading /proc/cpuinfo failed: no memory");
	}
	return 0;
}

static int look_at_kernel(struct machine *m, struct err *e)
{
	char text[256];
	int major, minor;
	ssize_t n = knob_read(m->root, "/proc/sys/kernel/osrelease", text, sizeof(text), e);

	if (n < 0)
		return n;
	if (sscanf(text, "%4d.%4d", &major, &minor) != 2 || major < 2 || minor < 0 || minor > 999)
		return err_set(e, -EINVAL,
			       "/proc/sys/kernel/osrelease holds no kernel release: %.64s", text);
	snprintf(m->release, sizeof(m->release), "%.64s", text);
	m->kernel = KVER(major, minor);
	n = knob_read(m->root, "/proc/sys/kernel/version", text, sizeof(text), e);
	if (n < 0)
		return n;
	m->rt = strstr(text, "PREEMPT_RT") || strstr(text, "PREEMPT RT");
	return machine_load(m, "/proc/cmdline", &m->cmdline, e);
}

/* Boot-time isolation and cpuset partitions together; either file may be missing. */
static int look_for_isolated(struct machine *m, struct err *e)
{
	static const char *const paths[] = { "/sys/devices/system/cpu/isolated",
					     "/sys/fs/cgroup/cpuset.cpus.isolated" };

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct cpulist some;
		struct err why = { 0 };
		int ret = machine_cpus(m, paths[i], &some, &why);

		if (ret < 0 && ret != -ENOENT && ret != -ENOTDIR)
			return err_set(e, ret, "%s", why.text);
		if (ret < 0)
			continue;
		cpulist_for_each(cpu, &some)
			cpulist_add(&m->isolated, cpu);
	}
	return 0;
}

int machine_open(struct machine *m, const char *root, const char *cpus, struct err *e)
{
	int ret;

	*m = (struct machine){ .live = !strcmp(root, "/") };
	m->root = knob_root(root, e);
	if (m->root < 0)
		return m->root;
	ret = look_at_cpu(m, e);
	if (ret < 0)
		return ret;
	ret = look_at_kernel(m, e);
	if (ret < 0)
		return ret;
	ret = machine_cpus(m, "/sys/devices/system/cpu/online", &m->online, e);
	if (ret < 0)
		return ret;
	ret = cpus ? cpulist_parse(&m->isolated, cpus, e) : look_for_isolated(m, e);
	if (ret < 0)
		return ret;
	m->housekeeping = cpulist_minus(&m->online, &m->isolated);
	tasks_read(m, &m->tasks_err);
	return 0;
}

void machine_close(struct machine *m)
{
	if (m->root >= 0)
		close(m->root);
	free(m->flags);
	free(m->cmdline);
	free(m->tasks);
	*m = (struct machine){ .root = -1 };
}

bool machine_flag(const struct machine *m, const char *flag)
{
	char word[64];

	snprintf(word, sizeof(word), " %s ", flag);
	return strstr(m->flags, word);
}

const char *machine_param(const struct machine *m, const char *key, char *buf, size_t size)
{
	const char *found = NULL;
	size_t len = strlen(key);

	for (const char *p = m->cmdline; *p; p += strcspn(p, " ")) {
		p += strspn(p, " ");
		if (!strncmp(p, key, len) && strchr("= ", p[len]))
			found = p + len;
	}
	if (!found)
		return NULL;
	found += *found == '=';
	snprintf(buf, size, "%.*s", (int)strcspn(found, " "), found);
	return buf;
}

bool has_word(const char *line, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = line; *p; p += strcspn(p, " \n")) {
		p += strspn(p, " \n");
		if (!strncmp(p, word, len) && strchr(" \n", p[len]))
			return true;
	}
	return false;
}

bool machine_number(const struct machine *m, const char *path, int64_t *out)
{
	struct err ignored = { 0 };
	char text[64], *end;

	if (knob_read(m->root, path, text, sizeof(text), &ignored) < 0)
		return false;
	*out = strtoll(text, &end, 10);
	return end != text && !*end;
}
