/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tune - bring a machine to what a profile's settings say, check it, and put it back
 *
 * State: /run/rtkvm/tune.knobs, tune-irqs.knobs, tune.tasks, tune.queues, tune.resctrl (gone with a reboot, as what they
 * describe), /var/lib/rtkvm/tune.files and tune.units (stay).
 */
#ifndef RTKVM_PROFILES_TUNE_H
#define RTKVM_PROFILES_TUNE_H

#include "profiles/edit.h"
#include "profiles/machine.h"
#include "profiles/settings.h"

/* What does not match, or the user must know: one line each, to stderr (tuned keeps it in its log). */
struct notes {
	bool quiet; /* count only */
	int n;
};

void note(struct notes *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* remark - the same for what is no difference: it is said, and not counted */
void remark(const struct notes *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct tune {
	const char *root; /* "" or a tree to work in: no program is run, no task touched */
	const char *profile; /* its directory */
	const char *name; /* the last part of it */
	struct machine m;
	struct settings s;
	struct edits files;
	struct notes notes;
};

/* The isolated CPUs of the last activation since the machine booted: a line, the kernel's format */
#define TUNE_LAST_CPUS "/run/rtkvm/tune.last"

/*
 * tune_start - apply all parts in their order; when one fails on an untouched machine, undo them;
 * tune_verify - VERDICT_FAIL when something differs;
 * tune_stop - put all back when it is a full rollback and the profile is not being activated again.
 * They print what they did; a verdict, or -errno
 */
int tune_start(struct tune *t, struct err *e);
int tune_verify(struct tune *t, struct err *e);
int tune_stop(struct tune *t, bool full, struct err *e);

/* tune_path - a file below the root; buf of PATH_MAX */
char *tune_path(const struct tune *t, const char *path, char *buf);

/*
 * Each part: apply returns how many writes it made, or -errno; undo too, and goes on where it can;
 * verify notes what does not match.
 */
int tune_boot_apply(struct tune *t, struct err *e);
int tune_boot_verify(struct tune *t, struct err *e);
int tune_boot_undo(struct tune *t, struct err *e);

/* /etc/modprobe.d, irqbalance's configuration, units */
int tune_system_apply(struct tune *t, struct err *e);
int tune_system_verify(struct tune *t, struct err *e);
int tune_system_undo(struct tune *t, struct err *e);

int tune_knobs_apply(struct tune *t, struct err *e);
int tune_knobs_verify(struct tune *t, struct err *e);
int tune_knobs_undo(struct tune *t, struct err *e);

int tune_tasks_apply(struct tune *t, struct err *e);
int tune_tasks_verify(struct tune *t, struct err *e);
int tune_tasks_undo(struct tune *t, struct err *e);

/* queues of network cards (netdev_queue_count) */
int tune_queues_apply(struct tune *t, struct err *e);
int tune_queues_verify(struct tune *t, struct err *e);
int tune_queues_undo(struct tune *t, struct err *e);

/* cache and memory bandwidth (resctrl_l3_ways, resctrl_mb_others) */
int tune_resctrl_apply(struct tune *t, struct err *e);
int tune_resctrl_verify(struct tune *t, struct err *e);
int tune_resctrl_undo(struct tune *t, struct err *e);

/* tune_undo_file - edit_undo, with a note when somebody has changed the file since */
int tune_undo_file(struct tune *t, const char *path, struct err *e);

/* tune_built_in - is this module part of the kernel itself? */
bool tune_built_in(const struct tune *t, const char *module);

/*
 * tune_program - run a program of the live machine in silence; its exit code, or -errno (-ENOENT:
 * there is none); said (NULL: not wanted) takes the last line of what it printed
 */
int tune_program(const struct tune *t, char *const *argv, char *said, size_t size);

#endif
