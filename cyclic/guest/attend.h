/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * attend - run a tool of rt-tests in the guest, and leave in /out what it does not leave itself
 */
#ifndef RTKVM_CYCLIC_GUEST_ATTEND_H
#define RTKVM_CYCLIC_GUEST_ATTEND_H

#include <stdint.h>

#include "lib/err.h"

/*
 * attend_run - the command to its end; Ctrl-C is for the tool. /out/guest-threads takes the stat lines of
 * its threads, once that many are SCHED_FIFO of that priority, else as they were last; /out/TOOL.txt
 * what its JSON omits (toolwatch.h). Returns its exit code, as a shell has it
 */
int attend_run(uint64_t priority, uint64_t threads, char **command, struct err *e);

#endif
