/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * files - those that the command line names, and what a run that never begins does to them: nothing
 *
 * Outputs are opened before anything is built, so that a wrong name is told early. What they held
 * stays until the guest is about to run; what was made goes again if it never does.
 */
#ifndef RTKVM_VMM_FILES_H
#define RTKVM_VMM_FILES_H

#include <stdbool.h>

#include "lib/err.h"
#include "vmm/opts.h"

enum { FILES_OUTPUTS = 3 + 1 + DEVOPTS_PORTS };

struct files {
	struct output {
		const char *option; /* "--console", ... */
		char *path;
		int fd;
		bool made; /* it was not there */
	} at[FILES_OUTPUTS];
	int n;
	bool begun;
};

/*
 * files_open - open what the guest's words go to. -EINVAL when one is also another output or
 * something that is read, or when a disk is given by two names
 */
int files_open(struct files *f, const struct run_opts *o, struct err *e);

/* files_fd - the descriptor behind "--console", "--data" or "--events", borrowed; -1: not given */
int files_fd(const struct files *f, const char *option);

/* files_begin - the guest is about to run: what regular files held goes */
int files_begin(struct files *f, struct err *e);

/* files_close - returns ret, or what only closing tells (NFS, quotas); accepts a half-opened set */
int files_close(struct files *f, int ret, struct err *e);

#endif
