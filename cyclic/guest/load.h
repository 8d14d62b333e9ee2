/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * load - a load in a guest: a command run again and again, its rounds told slice by slice
 */
#ifndef RTKVM_CYCLIC_GUEST_LOAD_H
#define RTKVM_CYCLIC_GUEST_LOAD_H

#include <stdint.h>

#include "lib/err.h"

/*
 * load_run - run command until SIGTERM; a piece "load" (struct abi_load) through the data port every
 * slice_ns, all rounds into /out/guest-load at the end
 */
int load_run(uint64_t slice_ns, char **command, struct err *e);

#endif
