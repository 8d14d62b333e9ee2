/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * orphans - trace instances of ours whose process was killed: they go on tracing into what is
 * measured next, so they are removed before it begins
 */
#ifndef RTKVM_CYCLIC_ORPHANS_H
#define RTKVM_CYCLIC_ORPHANS_H

#include <stddef.h>

enum { ORPHANS_BYTES = 128 };

/* orphans_remove - remove them; a sentence of how many into buf, or NULL when there were none */
const char *orphans_remove(char buf[static ORPHANS_BYTES]);

#endif
