/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * paths - where rtkvm finds what it was built with
 */
#ifndef RTKVM_LIB_PATHS_H
#define RTKVM_LIB_PATHS_H

#include <stddef.h>

#include "lib/err.h"

/*
 * paths_support - full path of a support file ("guests/init"): beside the executable in a build
 * tree, else in ../lib/rtkvm of an installation; -ENOENT names both places
 */
int paths_support(char *buf, size_t size, const char *name, struct err *e);

/* paths_self - the path of the running executable */
int paths_self(char *buf, size_t size, struct err *e);

#endif
