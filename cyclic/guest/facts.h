/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * facts - what this guest's kernel has in force (factlist.h), a line of /out/guest-facts each
 */
#ifndef RTKVM_CYCLIC_GUEST_FACTS_H
#define RTKVM_CYCLIC_GUEST_FACTS_H

#include "lib/err.h"

/* facts_write - "PATH:TEXT" of each that this kernel tells */
int facts_write(struct err *e);

#endif
