/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * home - where images and the package cache live, and directories for one run of the lab
 *
 * $RTKVM_HOME, else beside the executable when that is a build tree (build/), else
 * $XDG_CACHE_HOME/rtkvm. Below it: cache/ (packages), guests/NAME/ (guest images), lab/.
 */
#ifndef RTKVM_GUESTS_HOME_H
#define RTKVM_GUESTS_HOME_H

#include <limits.h>

#include "lib/err.h"

/* home_path - the directory itself with sub ("cache") appended and made; buf of PATH_MAX bytes */
int home_path(char *buf, const char *sub, struct err *e);

/*
 * home_lock - take the lock file at path, waiting for another process that has it; returns a
 * descriptor, and closing it (or dying) gives the lock back. -EINTR when the wait was interrupted.
 */
int home_lock(const char *path, struct err *e);

/*
 * home_cache - the package cache's directory (buf of PATH_MAX bytes), locked against other builds
 * and rid of what a killed one left half-done; returns the lock's descriptor as home_lock does
 */
int home_cache(char *buf, struct err *e);

/* A directory for one run, that the next run removes when we could not. */
struct rundir {
	char path[PATH_MAX - 64]; /* room for a file name below it */
	int lock;
};

/* rundir_create - a new directory below lab/, after removing those whose owners have died */
int rundir_create(struct rundir *r, struct err *e);

/* rundir_remove - remove it and all below it; nothing happens when it was never made */
void rundir_remove(struct rundir *r);

#endif
