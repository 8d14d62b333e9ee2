/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guestfacts - what the guest's kernel had in force, from the files its job collected (ctopts.c)
 */
#ifndef RTKVM_CYCLIC_GUESTFACTS_H
#define RTKVM_CYCLIC_GUESTFACTS_H

#include "cyclic/ctopts.h"
#include "lib/frames.h"
#include "results/record.h"

/* guestfacts_read - kernel, command line, isolation into guest{}; f may be NULL: nothing came */
void guestfacts_read(struct run *run, const struct frame_file *f);

/*
 * guestfacts_threads - cyclictest's measuring threads into inforce.threads[]; unless there are want of
 * them, with the policy and priority asked for: -EPROTO when one has others, -EAGAIN when only some are
 * seen
 */
int guestfacts_threads(struct run *run, const struct ctopts *o, int want,
		       const struct frame_file *f, struct err *e);

#endif
