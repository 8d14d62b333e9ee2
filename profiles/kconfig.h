/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kconfig - what the running kernel was built with
 */
#ifndef RTKVM_PROFILES_KCONFIG_H
#define RTKVM_PROFILES_KCONFIG_H

#include <sys/types.h>

#include "profiles/machine.h"

/* kconfig_path - where distributions put it: "/boot/config-RELEASE"; false for a strange release */
bool kconfig_path(const struct machine *m, char *buf, size_t size);

/*
 * kconfig_load - the text of /boot/config-RELEASE, else of /proc/config.gz, to be freed by the
 * caller; its length, -ENOENT when neither can be read
 */
ssize_t kconfig_load(const struct machine *m, char **text);

#endif
