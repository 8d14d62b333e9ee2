/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * figures - from the files that cyclictest or oslat left, in a guest or on the host, to latency.log
 * and cpus[]
 */
#ifndef RTKVM_CYCLIC_FIGURES_H
#define RTKVM_CYCLIC_FIGURES_H

#include "cyclic/outcome.h"

/*
 * figures_take - the instrument's JSON, and the stat lines of its threads while they ran (NULL: none).
 * -EPROTO when it ran other than asked: then nothing reaches the log
 */
int figures_take(struct run *run, const struct gathered *g, const struct frame_file *json,
		 const struct frame_file *threads, struct err *e);

/* figures_of_guest - the same from a guest's data stream, whose files go into the run directory */
int figures_of_guest(struct run *run, const struct gathered *g, const void *stream, size_t len,
		     struct err *e);

#endif
