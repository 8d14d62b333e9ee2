/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * collect - save what the checks read, and nothing that is private, for a report of a bug
 *
 * Only files of an allow-list are taken. Of those that may tell more than they should, a filter
 * keeps what the checks need: no host name, address, serial number, identifier of a disk, name or
 * argument of a user's program.
 */
#ifndef RTKVM_PROFILES_COLLECT_H
#define RTKVM_PROFILES_COLLECT_H

#include "profiles/machine.h"

/*
 * collect - write the tree to file (".gz" and ".tgz": compressed), whole or not at all; says on
 * stdout how many files were saved and how many could not be read; a verdict or -errno
 */
int collect(const struct machine *m, const char *file, struct err *e);

/* scrub_cmdline - in place: words that are not about latency become as many 'x' */
void scrub_cmdline(char *line);

#endif
