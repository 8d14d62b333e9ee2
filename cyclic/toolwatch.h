/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * toolwatch - what a tool of rt-tests does not leave by itself: what its threads were given, and of
 * its text what its JSON omits; on the host (hostrun.h) as in a guest (guest/attend.h)
 */
#ifndef RTKVM_CYCLIC_TOOLWATCH_H
#define RTKVM_CYCLIC_TOOLWATCH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/err.h"

/*
 * toolwatch_threads - the stat lines of a process's threads, into lines unless these have more of them
 * already: one that ends loses its threads first. Returns how many of them are SCHED_FIFO of that
 * priority, 0 when lines stayed as it was. Each gives itself its policy after it was made: only a picture with all of them shows what
 * was in force
 */
int toolwatch_threads(pid_t pid, uint64_t priority, char *lines, size_t size);

/*
 * toolwatch_text - from a text the lines with what the JSON omits, and not one for every empty bin:
 * mark '#': those that begin with it (cyclictest's), ':': those that hold it (oslat's)
 */
int toolwatch_text(const char *from, char mark, const char *to, struct err *e);

#endif
