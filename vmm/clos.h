/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * clos - the class of service, a share of caches and memory bandwidth, that vCPU threads run in
 *
 * A group of resctrl (Documentation/arch/x86/resctrl.rst), which somebody made and gave its share:
 * a thread whose id is written to the group's tasks is in it, wherever it runs.
 */
#ifndef RTKVM_VMM_CLOS_H
#define RTKVM_VMM_CLOS_H

#include <sys/types.h>

#include "lib/err.h"

#define CLOS_ROOT "/sys/fs/resctrl"

/* clos_check - is there a group of that name below root? -EINVAL for what is no name of one */
int clos_check(const char *root, const char *group, struct err *e);

/* clos_join - thread tid goes into the group; read back */
int clos_join(const char *root, const char *group, pid_t tid, struct err *e);

#endif
