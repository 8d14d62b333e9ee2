/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lab_setup - what the machine wakes up with: its initramfs, the agent's order, the shares
 */
#ifndef RTKVM_GUESTS_LAB_SETUP_H
#define RTKVM_GUESTS_LAB_SETUP_H

#include <limits.h>
#include <stdio.h>

#include "guests/lab.h"
#include "guests/machine.h"

enum { LAB_MACHINE_SHARES = LAB_SHARES + 5 }; /* usr, alternatives, modules, support, results */

struct lab_setup {
	const struct lab_options *o; /* set by the caller, as are dir and kernel */
	const char *dir; /* the run's directory */
	struct kernel kernel;
	struct machine_share shares[LAB_MACHINE_SHARES]; /* for QEMU; they point into the rest */
	size_t n_shares;
	char share_paths[LAB_SHARES][PATH_MAX];
	char support[PATH_MAX], results[PATH_MAX], modules[PATH_MAX];
	FILE *order; /* records for the agent (lab/proto.h) while they are collected */
	char *order_text;
	size_t order_len;
};

/* lab_setup_initrd - write the initramfs to path and fill in the shares */
int lab_setup_initrd(struct lab_setup *s, const char *path, struct err *e);

/* lab_setup_free - release what lab_setup_initrd allocated */
void lab_setup_free(struct lab_setup *s);

#endif
