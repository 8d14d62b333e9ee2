/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * figures - from the files that cyclictest or oslat left, in a guest or on the host, to latency.log
 * and cpus[]
 */
#ifndef RTKVM_CYCLIC_FIGURES_H
#define RTKVM_CYCLIC_FIGURES_H

#include "cyclic/outcome.h"

/* What it left. */
struct figures_files {
	const struct frame_file *json;
	const struct frame_file *text; /* NULL: none; who breaks off at a spike says so here */
	const struct frame_file *threads; /* stat lines of its threads while they ran; NULL: none */
};

/*
 * figures_take - what it measured; and, into g->broke, whether it broke off. -EPROTO when it ran other
 * than asked: then nothing reaches the log
 */
int figures_take(struct run *run, struct gathered *g, const struct figures_files *files,
		 struct err *e);

/* figures_of_guest - the same from a guest's files, which go into the run directory */
int figures_of_guest(struct run *run, struct gathered *g, const struct frames *f, struct err *e);

#endif
