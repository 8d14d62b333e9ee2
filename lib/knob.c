// SPDX-License-Identifier: GPL-2.0-only
#include "lib/knob.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/threads.h"

enum { VALUE_BYTES = 4096, JOURNAL_BYTES = 4 << 20, JOURNAL_SCHEMA = 1 };

int knob_root(const char *path, struct err *e)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_sys(e, "opening the tree %s failed", path) : fd;
}

int knob_open(int root, const char *path, int flags)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
	int fd = syscall(SYS_openat2, root, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

static ssize_t read_text(int fd, char *buf, size_t size)
{
	size_t used = 0;

	for (;;) {
		ssize_t n = read(fd, buf + used, size - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		used += n;
		if (used == size)
			return -EFBIG;
	}
	buf[used] = '\0';
	if (memchr(buf, '\0', used))
		return -EBADMSG;
	if (used && buf[used - 1] == '\n')
		buf[--used] = '\0';
	return used;
}

static const char *read_why(int ret)
{
	switch (ret) {
	case -EFBIG:
		return "it is longer than any such file should be";
	case -EBADMSG:
		return "it is not text";
	case -EINVAL:
		return "it is not a regular file, or the kernel refuses";
	default:
		return strerror(-ret);
	}
}

ssize_t knob_read(int root, const char *path, char *buf, size_t size, struct err *e)
{
	/* O_NONBLOCK: opening a FIFO must not wait for a writer */
	_cleanup_close_ int fd = knob_open(root, path, O_RDONLY | O_NONBLOCK);
	struct stat st;
	ssize_t ret;

	buf[0] = '\0';
	if (fd < 0)
		return err_set(e, fd, "reading %s failed: %s", path, strerror(-fd));
	if (fstat(fd, &st))
		ret = -errno;
	else
		ret = S_ISREG(st.st_mode) ? read_text(fd, buf, size) : -EINVAL;
	if (ret < 0) {
		buf[0] = '\0';
		return err_set(e, ret, "reading %s failed: %s", path, read_why(ret));
	}
	return ret;
}

int knob_write(int root, const char *path, const char *text, struct err *e)
{
	/* as "echo TEXT > PATH" does: kernel files do not care, a tree's files stay text files */
	_cleanup_close_ int fd = knob_open(root, path, O_WRONLY | O_TRUNC);
	char line[VALUE_BYTES];
	int len = snprintf(line, sizeof(line), "%s\n", text);
	ssize_t n;

	if (fd < 0)
		return err_set(e, fd, "writing %s failed: %s", path, strerror(-fd));
	if ((size_t)len >= sizeof(line))
		return err_set(e, -E2BIG, "writing %s failed: the value is too long", path);
	n = write(fd, line, len);
	if (n < 0)
		return err_sys(e, "writing \"%s\" to %s failed", text, path);
	if (n != len)
		return err_set(e, -EIO, "writing %s failed: the kernel took %zd of %d bytes", path,
			       n, len);
	return 0;
}

char *knob_value(const char *text, char *buf, size_t size)
{
	const char *open = strchr(text, '[');
	const char *close = open ? strchr(open, ']') : NULL;

	if (close && close > open + 1)
		snprintf(buf, size, "%.*s", (int)(close - open - 1), open + 1);
	else
		snprintf(buf, size, "%.*s", (int)strcspn(text, "\n"), text);
	return buf;
}

/*
 * The text of a number or mask from its first digit that counts ("00000000,0000000c": "c").
 * Groups after a comma have eight digits in a mask; anything else is a list ("0,2") and kept.
 */
static const char *bare(const char *text)
{
	size_t group = strspn(text, "0123456789abcdefABCDEF");

	for (const char *p = text + group; *p; p += 9)
		if (*p != ',' || strspn(p + 1, "0123456789abcdefABCDEF") != 8)
			return text;
	while ((*text == '0' || *text == ',') && text[1])
		text++;
	return text;
}

static int sense(const char *text)
{
	if (!strcasecmp(text, "y") || !strcmp(text, "1"))
		return 1;
	return !strcasecmp(text, "n") || !strcmp(text, "0") ? 0 : -1;
}

bool knob_same(const char *a, const char *b)
{
	if (sense(a) >= 0 && sense(a) == sense(b))
		return true;
	return !strcasecmp(bare(a), bare(b));
}

bool knob_as_wanted(const struct knob *k, const char *value)
{
	return knob_same(value, k->want) || (k->also && knob_same(value, k->also));
}

static json_object *entry_of(json_object *list, const char *path)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json_object *entry = json_object_array_get_idx(list, i);

		if (!strcmp(json_str(entry, "path", ""), path))
			return entry;
	}
	return NULL;
}

static int journal_load(const char *path, json_object **out, struct err *e)
{
	json_object *list;
	int ret;

	*out = NULL;
	if (!file_exists(path))
		return 0;
	ret = json_load(path, JOURNAL_BYTES, out, e);
	if (ret < 0)
		return ret;
	list = json_at(*out, "knobs");
	if (json_int(*out, "schema", 0) == JOURNAL_SCHEMA &&
	    json_object_is_type(list, json_type_array))
		return 0;
	json_object_put(*out);
	*out = NULL;
	return err_set(e, -EINVAL,
		       "reading the journal %s failed: not of this rtkvm; undo its "
		       "settings by hand and remove it",
		       path);
}

static json_object *journal_new(enum knob_owner owner)
{
	char boot[64];
	json_object *j = json_object_new_object();

	json_set_int(j, "schema", JOURNAL_SCHEMA);
	json_set_str(j, "boot",
		     file_read_line("/proc/sys/kernel/random/boot_id", boot, sizeof(boot)));
	json_set_int(j, "pid", owner == KNOB_PROCESS ? getpid() : 0);
	json_set_int(j, "start", owner == KNOB_PROCESS ? (int64_t)process_start(getpid()) : 0);
	json_object_object_add(j, "knobs", json_object_new_array());
	return j;
}

static bool journal_is_of_this_boot(json_object *j)
{
	char boot[64];

	file_read_line("/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
	return !strcmp(json_str(j, "boot", ""), boot);
}

/* Writes the journal with an entry for each knob that is going to be written. */
static int journal_save(const char *path, enum knob_owner owner, const struct knob *knobs, size_t n,
			struct err *e)
{
	_cleanup_json_ json_object *j = NULL;
	char dir[PATH_MAX];
	int ret = journal_load(path, &j, e);

	if (ret < 0)
		return ret;
	if (!file_path(dir, sizeof(dir), "%s", path))
		return err_sys(e, "writing %s failed", path);
	if (j && !journal_is_of_this_boot(j)) {
		json_object_put(j);
		j = NULL;
	}
	if (!j)
		j = journal_new(owner);
	for (size_t i = 0; i < n; i++) {
		json_object *list = json_at(j, "knobs"), *entry;

		if (knobs[i].state != KNOB_NONE)
			continue;
		entry = entry_of(list, knobs[i].path);
		if (!entry) {
			entry = json_object_new_object();
			json_set_str(entry, "path", knobs[i].path);
			json_set_str(entry, "saved", knobs[i].saved);
			json_object_array_add(list, entry);
		}
		json_set_str(entry, "want", knobs[i].want);
	}
	ret = file_mkdirs(dirname(dir), e);
	return ret < 0 ? ret : json_save(path, j, e);
}

/* Reads every knob; those that stay in state KNOB_NONE are to be written. */
static int look(int root, struct knob *knobs, size_t n, size_t *to_write, struct err *e)
{
	*to_write = 0;
	for (size_t i = 0; i < n; i++) {
		struct knob *k = &knobs[i];
		struct err why = { 0 };
		char text[VALUE_BYTES], value[VALUE_BYTES];
		ssize_t ret = knob_read(root, k->path, text, sizeof(text), &why);

		k->state = KNOB_NONE;
		if (ret == -ENOENT && (k->flags & KNOB_MAY_MISS)) {
			k->state = KNOB_ABSENT;
			continue;
		}
		if ((ret == -EPERM || ret == -EACCES) && (k->flags & KNOB_MAY_REFUSE)) {
			k->state = KNOB_REFUSED;
			k->refusal = ret;
			continue;
		}
		if (ret < 0)
			return err_set(e, ret, "%s", why.text);
		free(k->saved);
		k->saved = strdup(knob_value(text, value, sizeof(value)));
		if (!k->saved)
			return err_set(e, -ENOMEM, "reading %s failed: no memory", k->path);
		if (knob_as_wanted(k, k->saved))
			k->state = KNOB_KEPT;
		else
			(*to_write)++;
	}
	return 0;
}

static int set_one(int root, struct knob *k, struct err *e)
{
	char text[VALUE_BYTES], value[VALUE_BYTES];
	struct err why = { 0 };
	int ret = knob_write(root, k->path, k->want, &why);

	if (ret < 0 && (k->flags & KNOB_MAY_REFUSE)) {
		k->state = KNOB_REFUSED;
		k->refusal = ret;
		return 0;
	}
	if (ret < 0)
		return err_set(e, ret, "%s", why.text);
	k->state = KNOB_SET;
	ret = knob_read(root, k->path, text, sizeof(text), e);
	if (ret < 0)
		return ret;
	if (!knob_same(knob_value(text, value, sizeof(value)), k->want))
		return err_set(e, -EIO, "setting %s failed: wrote \"%s\", it reads \"%.64s\"",
			       k->path, k->want, value);
	return 1;
}

/*
 * Puts back what this call has written, and once more what a driver would not take before the rest
 * was back; the first that stays, or NULL.
 */
static const struct knob *put_back(int root, struct knob *knobs, size_t n)
{
	const struct knob *left = NULL;

	for (int turn = 0; turn < 2; turn++)
		for (size_t i = n; i-- > 0;) {
			struct err ignored = { 0 };

			if (knobs[i].state == KNOB_SET &&
			    !knob_write(root, knobs[i].path, knobs[i].saved, &ignored))
				knobs[i].state = KNOB_NONE;
		}
	for (size_t i = 0; i < n && !left; i++)
		if (knobs[i].state == KNOB_SET)
			left = &knobs[i];
	return left;
}

int knobs_apply(int root, const char *journal, enum knob_owner owner, struct knob *knobs, size_t n,
		struct err *e)
{
	bool fresh = !file_exists(journal);
	size_t to_write;
	int ret = look(root, knobs, n, &to_write, e);
	int written = 0;

	if (ret < 0 || !to_write)
		return ret;
	ret = journal_save(journal, owner, knobs, n, e);
	if (ret < 0)
		return ret;
	for (size_t i = 0; i < n; i++) {
		struct err why = { 0 };

		if (knobs[i].state != KNOB_NONE)
			continue;
		ret = set_one(root, &knobs[i], &why);
		if (ret < 0) {
			const struct knob *left = put_back(root, knobs, n);

			if (fresh && !left)
				unlink(journal);
			return left ? err_set(e, ret, "%s; %s could not be put back to %s",
					      why.text, left->path, left->saved)
				    : err_set(e, ret, "%s", why.text);
		}
		written += ret;
	}
	return written;
}

/* 1 written, 0 left alone, -errno */
static int undo_one(int root, json_object *entry, struct err *e)
{
	const char *path = json_str(entry, "path", ""), *saved = json_str(entry, "saved", NULL);
	char text[VALUE_BYTES], value[VALUE_BYTES];
	struct err why = { 0 };
	ssize_t n = knob_read(root, path, text, sizeof(text), &why);
	int ret;

	if (n == -ENOENT || !saved) /* a device or a module that has gone */
		return 0;
	if (n < 0)
		return err_set(e, n, "%s", why.text);
	if (!knob_same(knob_value(text, value, sizeof(value)), json_str(entry, "want", "")))
		return 0;
	ret = knob_write(root, path, saved, e);
	return ret < 0 ? ret : 1;
}

static bool is_among(const char *path, const struct knob *knobs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(knobs[i].path, path))
			return true;
	return false;
}

/*
 * Puts back what is not among keep, last first, and strikes it out of the list; what a driver refuses
 * gets a second turn after the rest. How many were written; *e has the first that failed twice.
 */
static int undo_list(int root, json_object *list, const struct knob *keep, size_t n, struct err *e)
{
	int written = 0;

	for (int turn = 0; turn < 2; turn++)
		for (size_t i = json_object_array_length(list); i-- > 0;) {
			json_object *entry = json_object_array_get_idx(list, i);
			struct err first_turn = { 0 };
			int ret;

			if (is_among(json_str(entry, "path", ""), keep, n))
				continue;
			ret = undo_one(root, entry, turn ? e : &first_turn);
			if (ret < 0)
				continue;
			written += ret;
			json_object_array_del_idx(list, i, 1);
		}
	return written;
}

int knobs_undo(int root, const char *journal, struct err *e)
{
	_cleanup_json_ json_object *j = NULL;
	int written = 0, ret = journal_load(journal, &j, e);
	struct err why = { 0 };

	if (ret < 0 || !j)
		return ret;
	if (journal_is_of_this_boot(j))
		written = undo_list(root, json_at(j, "knobs"), NULL, 0, &why);
	if (why.code) {
		ret = json_save(journal, j, e);
		return ret < 0 ? ret : err_set(e, why.code, "%s", why.text);
	}
	if (unlink(journal))
		return err_sys(e, "removing %s failed", journal);
	return written;
}

int knobs_undo_others(int root, const char *journal, const struct knob *keep, size_t n,
		      struct err *e)
{
	_cleanup_json_ json_object *j = NULL;
	int written, ret = journal_load(journal, &j, e);
	struct err why = { 0 };
	json_object *list;
	size_t before;

	if (ret < 0 || !j || !journal_is_of_this_boot(j))
		return ret;
	list = json_at(j, "knobs");
	before = json_object_array_length(list);
	written = undo_list(root, list, keep, n, &why);
	ret = json_object_array_length(list) < before ? json_save(journal, j, e) : 0;
	if (!ret && why.code)
		ret = err_set(e, why.code, "%s", why.text);
	return ret < 0 ? ret : written;
}

static bool is_gone(json_object *j)
{
	pid_t pid = json_int(j, "pid", 0);

	return !journal_is_of_this_boot(j) ||
	       (pid > 0 && process_start(pid) != (uint64_t)json_int(j, "start", 0));
}

/* The next *.knobs in dir that is a journal: its path, and what it holds for the caller to put. */
static json_object *next_journal(DIR *d, const char *dir, char path[PATH_MAX])
{
	struct dirent *entry;

	while ((entry = readdir(d))) {
		const char *end = strrchr(entry->d_name, '.');
		struct err ignored = { 0 };
		json_object *j;

		if (end && !strcmp(end, ".knobs") &&
		    file_path(path, PATH_MAX, "%s/%s", dir, entry->d_name) &&
		    journal_load(path, &j, &ignored) >= 0 && j)
			return j;
	}
	return NULL;
}

int knobs_recover(int root, const char *dir, struct err *e)
{
	_cleanup_closedir_ DIR *d = opendir(dir);
	int journals = 0, ret = 0;
	char path[PATH_MAX];
	json_object *j;

	if (!d)
		return errno == ENOENT ? 0 : err_sys(e, "reading %s failed", dir);
	while (ret >= 0 && (j = next_journal(d, dir, path))) {
		if (is_gone(j)) {
			ret = knobs_undo(root, path, e);
			journals++;
		}
		json_object_put(j);
	}
	return ret < 0 ? ret : journals;
}

pid_t knobs_holder(const char *dir, const char *path)
{
	_cleanup_closedir_ DIR *d = opendir(dir);
	char journal[PATH_MAX];
	json_object *j;
	pid_t pid = 0;

	while (d && !pid && (j = next_journal(d, dir, journal))) {
		if (!is_gone(j) && entry_of(json_at(j, "knobs"), path))
			pid = json_int(j, "pid", 0);
		if (pid == getpid())
			pid = 0;
		json_object_put(j);
	}
	return pid;
}

void knobs_free(struct knob *knobs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(knobs[i].saved);
		knobs[i].saved = NULL;
	}
}
