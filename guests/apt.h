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

enum { APT_NAME_BYTES = 96, APT_DEPENDS_BYTES = 512 };

struct apt_package {
	char name[APT_NAME_BYTES];
	char version[APT_NAME_BYTES];
	char depends[APT_DEPENDS_BYTES]; /* the field as it stands, cut to size */
};

/*
 * apt_find - what apt would install for each of n names, asked in one go (asking takes apt half a
 * second); -ENOENT names the first that apt does not know
 */
int apt_find(struct apt_package *p, const char *const *names, size_t n, struct err *e);

/* apt_parse - the record of one package in apt-cache show's output; -ENOENT, -EINVAL */
int apt_parse(struct apt_package *p, const char *text, const char *name, struct err *e);

/*
 * apt_dependency - the first exact dependency ("NAME (= VERSION)") of p whose name begins with
 * prefix: how a metapackage names the real one
 */
int apt_dependency(struct apt_package *out, const struct apt_package *p, const char *prefix,
		   struct err *e);

/*
 * apt_unpack - make sure the package lies unpacked below cache; tree (PATH_MAX bytes) is its
 * directory. What lies there already is used as it is, without asking apt.
 */
int apt_unpack(const struct apt_package *p, const char *cache, char *tree, struct err *e);

#endif
