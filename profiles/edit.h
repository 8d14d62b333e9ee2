/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * edit - change configuration files so that they can be put back byte for byte
 *
 * What a file was is in a journal on disk before the file is touched. Undoing puts back only what
 * still is as we left it: what somebody has edited since stays theirs.
 */
#ifndef RTKVM_PROFILES_EDIT_H
#define RTKVM_PROFILES_EDIT_H

#include <stdbool.h>

#include "lib/err.h"
#include "lib/json.h"

struct edits {
	const char *root; /* "" or a directory that all paths are below */
	char journal[256]; /* full path of the journal */
	json_object *log; /* what it holds; NULL: nothing */
};

/* edits_open - read the journal NAME.files below root/var/lib/rtkvm; edits_close frees */
int edits_open(struct edits *d, const char *root, const char *name, struct err *e);
void edits_close(struct edits *d);

/* edit_load - the content of a file; NULL and 0 when there is none; *text is the caller's */
int edit_load(const struct edits *d, const char *path, char **text, struct err *e);

/*
 * edit_write - give a file this content (its mode is kept, a new one is 0644); 1 written, 0 it was
 * so already. The whole file is ours: undone, it is what it was when it was noted first
 */
int edit_write(struct edits *d, const char *path, const char *text, struct err *e);

/*
 * edit_write_lines - the same, when ours are only the lines of these keys (NULL ends the list) that
 * text has by set_line: what somebody else has written into the file since our last time is kept when
 * it is undone
 */
int edit_write_lines(struct edits *d, const char *path, const char *text, const char *const *keys,
		     struct err *e);

/*
 * edit_note - a program is about to rewrite the file (before), or has done so (after). When somebody
 * else has changed it since the last time, what it was at first is given up, as by edit_forget
 */
int edit_note_before(struct edits *d, const char *path, struct err *e);
int edit_note_after(struct edits *d, const char *path, struct err *e);

/* edit_forget - what the file was is of no use any more: undoing it is -ESTALE */
int edit_forget(struct edits *d, const char *path, struct err *e);

/* edit_has - is there an entry for this file? */
bool edit_has(const struct edits *d, const char *path);

/*
 * edit_undo - put one file back and strike it out: 1 done, 0 no entry or nothing to do, -ESTALE
 * (no sentence) when somebody has changed it since; its entry is struck out then too
 */
int edit_undo(struct edits *d, const char *path, struct err *e);

/*
 * set_line - text with the line "KEY=..." replaced, or added at the end; the caller's to free,
 * NULL without memory. value is put in as it is
 */
char *set_line(const char *text, const char *key, const char *value);

#endif
