/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hostrun - cyclictest or oslat on this host's CPUs: rtkvm cyclictest --host, rtkvm oslat --host
 *
 * The same instrument with the same options as in a guest, its figures judged the same way, so that
 * a host phase and a guest phase of a campaign can be held against each other.
 */
#ifndef RTKVM_CYCLIC_HOSTRUN_H
#define RTKVM_CYCLIC_HOSTRUN_H

#include "cyclic/ctopts.h"
#include "cyclic/vmproc.h"

/* hostrun_main - run it as o says; a verdict, or -errno with e set */
int hostrun_main(const struct ctopts *o, struct err *e);

/* hostrun_argv - the instrument's command line; main_cpu: for oslat's main thread; json: its file */
int hostrun_argv(struct vmproc_argv *a, const struct ctopts *o, const struct cpulist *cpus,
		 int main_cpu, const char *json, struct err *e);

#endif
