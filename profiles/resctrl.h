/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * resctrl - the text of the kernel's cache and memory-bandwidth allocation
 * (Documentation/arch/x86/resctrl.rst): "L3:0=7ff;1=7ff", "MB:0=100;1=100"
 */
#ifndef RTKVM_PROFILES_RESCTRL_H
#define RTKVM_PROFILES_RESCTRL_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

/*
 * resctrl_ways - the masks of a cache with all ways in full: the ways highest ones in *ours, what is
 * below in *others; -ERANGE when there are not enough for min of each
 */
int resctrl_ways(uint64_t full, unsigned int ways, unsigned int min, uint64_t *ours,
		 uint64_t *others, struct err *e);

/*
 * resctrl_line - the line of a resource ("L3", "MB") in a schemata file with value for every domain;
 * hex: as a mask. Returns buf, NULL when the file has no such resource or buf is too short
 */
char *resctrl_line(const char *schemata, const char *resource, uint64_t value, int hex, char *buf,
		   size_t size);

/* resctrl_holds - does the schemata file have exactly the domains and values of line? */
int resctrl_holds(const char *schemata, const char *line);

#endif
