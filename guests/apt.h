/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * apt - Debian packages by name: found, downloaded and unpacked below our cache, never installed
 *
 * Uses the machine's own apt configuration. Below the cache directory:
 *	debs/NAME_VERSION.deb	as downloaded; apt has checked it against its signed lists
 *	trees/NAME_VERSION/	unpacked
 * Each appears under its name only when it is whole, so an interrupted run leaves nothing that the
 * next one could mistake for finished work.
 */
#ifndef RTKVM_GUESTS_APT_H
#define RTKVM_GUESTS_APT_H

#include <stddef.h>

#include "lib/err.h"

enum { APT_NAME_BYTES = 96 };

struct apt_package {
	char name[APT_NAME_BYTES];
	char version[APT_NAME_BYTES];
};

/* apt_find - the version of a package that apt would install; -ENOENT when apt does not know it */
int apt_find(struct apt_package *p, const char *name, struct err *e);

/* apt_find_dependency - the first package that name depends on and that starts with prefix */
int apt_find_dependency(struct apt_package *p, const char *name, const char *prefix, struct err *e);

/*
 * apt_parse_stanza - the value of a field ("Version") in apt-cache show's output, cut to size;
 * only the first stanza is read; NULL when there is no such field
 */
char *apt_parse_stanza(const char *text, const char *field, char *buf, size_t size);

/*
 * apt_unpack - make sure the package lies unpacked below cache; tree (PATH_MAX bytes) is its
 * directory. What lies there already is used as it is, without asking apt.
 */
int apt_unpack(const struct apt_package *p, const char *cache, char *tree, struct err *e);

#endif
