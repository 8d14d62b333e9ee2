/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * beat - a guest's sign of life, from vCPU 0: beside instruments that tell nothing until they end
 */
#ifndef RTKVM_CYCLIC_GUEST_BEAT_H
#define RTKVM_CYCLIC_GUEST_BEAT_H

#include <stdint.h>

#include "lib/err.h"

/* beat_run - an empty piece "beat" through the data port at once and every slice_ns, until SIGTERM */
int beat_run(uint64_t slice_ns, struct err *e);

#endif
