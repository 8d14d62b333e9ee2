/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * framelog - a latency.log, or a piece of one, that a guest sent
 */
#ifndef RTKVM_CYCLIC_FRAMELOG_H
#define RTKVM_CYCLIC_FRAMELOG_H

#include "lib/frames.h"
#include "results/record.h"

/* framelog_take - takes one record, got as log_next() told it (enum log_event); 0 or -errno */
typedef int framelog_take(void *ctx, struct log_reader *r, int got, struct err *e);

/* framelog_each - give every record of f, in order, to take; its first error ends it */
int framelog_each(const struct frame_file *f, framelog_take *take, void *ctx, struct err *e);

#endif
