/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * knob - kernel files under a root: read with limits, set with a way back
 *
 * The root is a descriptor: "/" on a live machine, a directory for a saved tree. Paths resolve
 * inside it (openat2(2) RESOLVE_IN_ROOT), so a symbolic link in a stranger's tree leads nowhere
 * else. What is set is first written to a journal, so that a crash can be undone by the next start.
 */
#ifndef RTKVM_LIB_KNOB_H
#define RTKVM_LIB_KNOB_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/err.h"

/* knob_root - open a root directory; the descriptor is the caller's to close */
int knob_root(const char *path, struct err *e);

/* knob_open - openat(2) below root with O_CLOEXEC; a descriptor, or -errno (no sentence) */
int knob_open(int root, const char *path, int flags);

/*
 * knob_read - a whole text file below root, NUL-terminated, without its last newline; returns the
 * length. -ENOENT absent, -EFBIG longer than size - 1, -EBADMSG holds a NUL byte, -EINVAL no
 * regular file (a FIFO is not waited for); a directory of the path that is a file is -ENOTDIR
 */
ssize_t knob_read(int root, const char *path, char *buf, size_t size, struct err *e);

/* knob_write - one write(2) of text and a newline to an existing file below root */
int knob_write(int root, const char *path, const char *text, struct err *e);

/*
 * knob_value - what is in force in a kernel file's text: the word in brackets of a list of choices
 * ("always [never]" is "never"), else the text; buf of size takes it, returns buf
 */
char *knob_value(const char *text, char *buf, size_t size);

/*
 * knob_same - do two values mean the same? Integers and masks by number ("0000000c" is "c"),
 * booleans by sense ("Y" is "1"), anything else letter by letter
 */
bool knob_same(const char *a, const char *b);

enum knob_flags {
	KNOB_MAY_MISS = 1, /* a kernel without this file is no error: KNOB_ABSENT */
	/* what the kernel refuses to change, or (-EPERM, -EACCES) to show, is no error: KNOB_REFUSED */
	KNOB_MAY_REFUSE = 2,
};

enum knob_state {
	KNOB_NONE, /* not looked at yet */
	KNOB_KEPT, /* was as wanted: not written */
	KNOB_SET, /* written, and read back as wanted */
	KNOB_ABSENT,
	KNOB_REFUSED,
};

struct knob {
	const char *path; /* borrowed */
	const char *want; /* borrowed; compared with knob_same */
	const char *also; /* borrowed, NULL: none; another value that is as good, and left alone */
	unsigned int flags;
	enum knob_state state; /* set by knobs_apply */
	int refusal; /* KNOB_REFUSED: -errno */
	char *saved; /* what was there; knobs_free frees it */
};

/* knob_as_wanted - is this value, of knob_value, one that the knob is to have? */
bool knob_as_wanted(const struct knob *k, const char *value);

/* Whose life a journal is tied to. */
enum knob_owner {
	KNOB_PROCESS, /* ours: knobs_recover undoes it once this process is gone */
	KNOB_STANDING, /* nobody's: stays until knobs_undo (a profile) */
};

/*
 * knobs_apply - set n knobs in order and read each back; returns how many were written.
 * Before the first write the old values are in the file journal (its directory is made; an older
 * journal there keeps its values for the same paths). When one fails, those written by this call
 * are put back, last first; the sentence says what could not be, and the journal then stays. Nothing
 * to write: no journal is made and nothing is touched.
 */
int knobs_apply(int root, const char *journal, enum knob_owner owner, struct knob *knobs, size_t n,
		struct err *e);

/*
 * knobs_undo - put back what a journal holds, last first, and remove it; returns how many were
 * written, 0 when there is no journal. A knob that somebody else has set since, or that is gone,
 * is left alone. A journal from before a reboot is only removed: the kernel forgot it all.
 * What fails is tried once more after the rest (a driver may refuse one value while another is in
 * force: -EBUSY for an energy preference under the governor "performance"). What failed then is all
 * that stays in the journal, and its first failure is returned.
 */
int knobs_undo(int root, const char *journal, struct err *e);

/*
 * knobs_undo_others - put back, last first, what a journal holds beyond these knobs, and strike it
 * out; for a set of settings that has become smaller. Otherwise as knobs_undo
 */
int knobs_undo_others(int root, const char *journal, const struct knob *keep, size_t n,
		      struct err *e);

/* knobs_recover - knobs_undo for every *.knobs in dir whose process is gone; how many journals */
int knobs_recover(int root, const char *dir, struct err *e);

/*
 * knobs_holder - another living process that has set this path and will put it back, by the journals in
 * dir; 0: none. To set it as well would leave it as that one made it: whoever ends last puts back what
 * it found
 */
pid_t knobs_holder(const char *dir, const char *path);

/* knobs_free - free what knobs_apply saved in each knob */
void knobs_free(struct knob *knobs, size_t n);

#endif
