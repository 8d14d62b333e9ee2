/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guests - what runs in virtual machines, and the emulated host they can run on
 *
 * Verbs:	guest (build, list): a Debian PREEMPT_RT guest; lab (build, run, shell, list): a whole
 *		real-time KVM host under QEMU's software emulation.
 * Threads:	none; apt-get, dpkg-deb, depmod, mmdebstrap, mke2fs and QEMU are child processes.
 * Files:	all below home.h's directory: cache/ (packages), guests/NAME/ (vmlinuz, initrd,
 *		manifest.json), lab/ (kernels, disks, and a directory for each running machine).
 * Must not know: the VMM, what a job in a guest measures, or how results are read.
 */
#ifndef RTKVM_GUESTS_GUESTS_H
#define RTKVM_GUESTS_GUESTS_H

#include "lib/err.h"

/* guests_guest - the verb guest: build and list guest images; returns a verdict or -errno */
int guests_guest(int argc, char **argv, struct err *e);

/* guests_lab - the verb lab: the command's exit code, 2 when the machine failed, or -errno */
int guests_lab(int argc, char **argv, struct err *e);

#endif
