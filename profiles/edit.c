// SPDX-License-Identifier: GPL-2.0-only
#include "profiles/edit.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"

enum { FILE_BYTES = 4 << 20, JOURNAL_BYTES = 32 << 20, JOURNAL_SCHEMA = 1, NEW_MODE = 0644 };

int edits_open(struct edits *d, const char *root, const char *name, struct err *e)
{
	int ret;

	*d = (struct edits){ .root = root };
	if (!file_path(d->journal, sizeof(d->journal), "%s/var/lib/rtkvm/%s.files", root, name))
		return err_sys(e, "opening the journal of %s failed", name);
	if (!file_exists(d->journal))
		return 0;
	ret = json_load(d->journal, JOURNAL_BYTES, &d->log, e);
	if (ret < 0)
		return ret;
	if (json_int(d->log, "schema", 0) == JOURNAL_SCHEMA &&
	    json_object_is_type(json_at(d->log, "files"), json_type_object))
		return 0;
	edits_close(d);
	return err_set(e, -EINVAL,
		       "reading the journal %s failed: not of this rtkvm; put the files "
		       "back by hand and remove it",
		       d->journal);
}

void edits_close(struct edits *d)
{
	json_object_put(d->log);
	d->log = NULL;
}

static char *full(const struct edits *d, const char *path, char buf[static PATH_MAX])
{
	snprintf(buf, PATH_MAX, "%s%s", d->root, path);
	return buf;
}

int edit_load(const struct edits *d, const char *path, char **text, struct err *e)
{
	char real[PATH_MAX];
	ssize_t n;

	*text = NULL;
	if (!file_exists(full(d, path, real)))
		return 0;
	n = file_load(real, FILE_BYTES, text, e);
	if (n >= 0 && strlen(*text) != (size_t)n) {
		free(*text);
		*text = NULL;
		return err_set(e, -EINVAL, "changing %s failed: it is not text", path);
	}
	return n < 0 ? n : 0;
}

/* Paths hold dots, so json_at's dotted names are of no use here. */
static json_object *entry_of(const struct edits *d, const char *path)
{
	json_object *entry = NULL;

	if (d->log)
		json_object_object_get_ex(json_at(d->log, "files"), path, &entry);
	return entry;
}

bool edit_has(const struct edits *d, const char *path)
{
	return entry_of(d, path);
}

/*
 * What a killed writer of this file has left beside it: NAME.PID.tmp of file_replace. Whoever writes
 * here has the lock, so nobody is at work on one.
 */
static void sweep(const char *real)
{
	const char *name = strrchr(real, '/') + 1;
	size_t len = strlen(name);
	char dir[PATH_MAX];
	struct dirent *entry;

	snprintf(dir, sizeof(dir), "%.*s", (int)(name - real), real);
	_cleanup_closedir_ DIR *d = opendir(dir);

	while (d && (entry = readdir(d))) {
		const char *rest = entry->d_name + len;

		if (strncmp(entry->d_name, name, len) || *rest != '.')
			continue;
		rest++;
		if (*rest && !strcmp(rest + strspn(rest, "0123456789"), ".tmp"))
			unlinkat(dirfd(d), entry->d_name, 0);
	}
}

static int save(const struct edits *d, struct err *e)
{
	char dir[sizeof(d->journal)];
	int ret;

	sweep(d->journal);
	if (!json_object_object_length(json_at(d->log, "files")))
		return unlink(d->journal) && errno != ENOENT
			       ? err_sys(e, "removing %s failed", d->journal)
			       : 0;
	memcpy(dir, d->journal, sizeof(dir));
	ret = file_mkdirs(dirname(dir), e);
	return ret < 0 ? ret : json_save(d->journal, d->log, e);
}

/* The directories of a new file that are not there yet; the topmost is noted, to go with it. */
static int make_parents(const struct edits *d, const char *path, json_object *entry, struct err *e)
{
	char real[PATH_MAX];
	char *dir = dirname(full(d, path, real));

	if (file_exists(dir))
		return 0;
	json_set_bool(entry, "made_directory", true);
	return file_mkdirs(dir, e);
}

/* Notes what the file is now, unless that is noted already. */
static int remember(struct edits *d, const char *path, const char *now, struct err *e)
{
	_cleanup_free_ char *was = NULL;
	json_object *entry = entry_of(d, path);
	char real[PATH_MAX];
	struct stat st;
	int ret = 0;

	if (!d->log) {
		d->log = json_object_new_object();
		json_set_int(d->log, "schema", JOURNAL_SCHEMA);
		json_object_object_add(d->log, "files", json_object_new_object());
	}
	if (!entry) {
		ret = edit_load(d, path, &was, e);
		if (ret < 0)
			return ret;
		entry = json_object_new_object();
		json_set_str(entry, "was", was);
		if (was && !stat(full(d, path, real), &st))
			json_set_int(entry, "mode", st.st_mode & 07777);
		json_object_object_add(json_at(d->log, "files"), path, entry);
	}
	json_set_str(entry, "now", now);
	return save(d, e);
}

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : !a && !b;
}

static int put(const struct edits *d, const char *path, const char *text, mode_t mode,
	       struct err *e)
{
	char real[PATH_MAX];
	int ret = file_replace(full(d, path, real), text, strlen(text), e);

	if (!ret && chmod(real, mode))
		return err_sys(e, "setting the mode of %s failed", real);
	return ret;
}

/* text with the line "KEY=..." replaced, added at the end, or (value NULL) removed */
static char *replace_line(const char *text, const char *key, const char *value)
{
	size_t len = strlen(key), size = 0;
	bool done = false;
	char *out = NULL;
	FILE *f = open_memstream(&out, &size);

	if (!f)
		return NULL;
	while (*text) {
		size_t line = strcspn(text, "\n");

		if (!strncmp(text, key, len) && text[len] == '=') {
			if (!done && value)
				fprintf(f, "%s=%s\n", key, value);
			done = true;
		} else {
			fprintf(f, "%.*s\n", (int)line, text);
		}
		text += line + (text[line] == '\n');
	}
	if (!done && value)
		fprintf(f, "%s=%s\n", key, value);
	if (!fclose(f))
		return out;
	free(out);
	return NULL;
}

/* The last line "KEY=value" of text: the value, for the caller to free; NULL: none */
static char *line_value(const char *text, const char *key)
{
	const char *value = NULL;
	size_t len = strlen(key);

	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n')
		if (!strncmp(p, key, len) && p[len] == '=')
			value = p + len + 1;
	return value ? strndup(value, strcspn(value, "\n")) : NULL;
}

/* text with the lines of keys as they are in model (NULL: as in no file); NULL without memory */
static char *lines_as_in(const char *text, const char *model, const char *const *keys)
{
	char *out = strdup(text);

	for (; out && *keys; keys++) {
		_cleanup_free_ char *value = model ? line_value(model, *keys) : NULL;
		char *next = replace_line(out, *keys, value);

		free(out);
		out = next;
	}
	return out;
}

/*
 * Somebody may have changed the file since we wrote it: then what it was is their file without our
 * lines. is: what it is now. A write of ours that was cut short is none of theirs: without our lines
 * that is what it was.
 */
static int keep_foreign_edits(struct edits *d, const char *path, const char *is,
			      const char *const *keys, struct err *e)
{
	json_object *entry = entry_of(d, path);
	const char *was = json_str(entry, "was", NULL);
	_cleanup_free_ char *theirs = NULL, *before = NULL;

	if (!entry || !is || same(is, was) || same(is, json_str(entry, "now", NULL)))
		return 0;
	theirs = lines_as_in(is, was, keys);
	before = lines_as_in(was ? was : "", was, keys);
	if (!theirs || !before)
		return err_set(e, -ENOMEM, "changing %s failed: no memory", path);
	if (strcmp(theirs, before) != 0)
		json_set_str(entry, "was", theirs);
	return 0;
}

int edit_write(struct edits *d, const char *path, const char *text, struct err *e)
{
	return edit_write_lines(d, path, text, NULL, e);
}

int edit_write_lines(struct edits *d, const char *path, const char *text, const char *const *keys,
		     struct err *e)
{
	_cleanup_free_ char *is = NULL;
	char real[PATH_MAX];
	struct stat st;
	int ret = edit_load(d, path, &is, e);

	sweep(full(d, path, real));
	if (ret < 0 || (is && !strcmp(is, text)))
		return ret;
	ret = keys ? keep_foreign_edits(d, path, is, keys, e) : 0;
	if (!ret)
		ret = remember(d, path, text, e);
	if (!ret)
		ret = make_parents(d, path, entry_of(d, path), e);
	if (!ret)
		ret = save(d, e);
	if (!ret)
		ret = put(d, path, text,
			  stat(full(d, path, real), &st) ? NEW_MODE : st.st_mode & 07777, e);
	return ret < 0 ? ret : 1;
}

int edit_note_before(struct edits *d, const char *path, struct err *e)
{
	_cleanup_free_ char *is = NULL;
	json_object *entry = entry_of(d, path);
	int ret = edit_load(d, path, &is, e);

	if (ret < 0)
		return ret;
	if (entry && !same(is, json_str(entry, "was", NULL)) &&
	    !same(is, json_str(entry, "now", NULL)))
		json_set_bool(entry, "forgotten", true);
	return remember(d, path, NULL, e);
}

int edit_forget(struct edits *d, const char *path, struct err *e)
{
	json_set_bool(entry_of(d, path), "forgotten", true);
	return save(d, e);
}

int edit_note_after(struct edits *d, const char *path, struct err *e)
{
	_cleanup_free_ char *now = NULL;
	int ret = edit_load(d, path, &now, e);

	return ret < 0 ? ret : remember(d, path, now, e);
}

static int restore(const struct edits *d, const char *path, json_object *entry, struct err *e)
{
	const char *was = json_str(entry, "was", NULL);
	json_object *made = json_at(entry, "made_directory");
	char real[PATH_MAX];

	if (was)
		return put(d, path, was, json_int(entry, "mode", NEW_MODE), e);
	if (unlink(full(d, path, real)) && errno != ENOENT)
		return err_sys(e, "removing %s failed", real);
	if (made)
		rmdir(dirname(real)); /* stays when somebody has put a file there */
	return 0;
}

int edit_undo(struct edits *d, const char *path, struct err *e)
{
	_cleanup_free_ char *is = NULL;
	json_object *entry = entry_of(d, path);
	char real[PATH_MAX];
	int ret, done = 0;

	if (!entry)
		return 0;
	sweep(full(d, path, real));
	ret = edit_load(d, path, &is, e);
	if (ret < 0)
		return ret;
	if (json_at(entry, "forgotten"))
		done = -ESTALE;
	else if (same(is, json_str(entry, "was", NULL)))
		done = 0;
	else if (same(is, json_str(entry, "now", NULL)))
		done = 1;
	else
		done = -ESTALE;
	if (done == 1)
		ret = restore(d, path, entry, e);
	if (ret < 0)
		return ret;
	json_object_object_del(json_at(d->log, "files"), path);
	ret = save(d, e);
	return ret < 0 ? ret : done;
}

char *set_line(const char *text, const char *key, const char *value)
{
	return replace_line(text, key, value);
}
