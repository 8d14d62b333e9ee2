/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * install - the profiles where tuned looks: /etc/tuned, from tuned 2.23 on /etc/tuned/profiles.
 * There they come before the distribution's profiles of the same name, which stay untouched.
 */
#ifndef RTKVM_PROFILES_INSTALL_H
#define RTKVM_PROFILES_INSTALL_H

#include <stddef.h>

#include "lib/err.h"

/*
 * install_profiles - copy both; a variables file that exists is kept; -ENOENT without a tuned,
 * -EEXIST when somebody's own profile of that name is there. What we installed for a tuned before
 * 2.23 goes when this one is newer. root: "" or a tree
 */
int install_profiles(const char *root, struct err *e);

/* remove_profiles - take both away, from either place, where they are ours; -EBUSY while one of them
 * is active. Variables files stay */
int remove_profiles(const char *root, struct err *e);

/* install_dir - where the profile of that name is, or would be, installed; -ENOENT without a tuned */
int install_dir(const char *root, const char *name, char *buf, size_t size, struct err *e);

#endif
