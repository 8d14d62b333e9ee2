/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * disk - the full lab's disk: a Debian system on ext4, made by mmdebstrap and mke2fs
 *
 * lab/disk and, written after it and removed before it, lab/disk.stamp: what it was made of.
 */
#ifndef RTKVM_GUESTS_DISK_H
#define RTKVM_GUESTS_DISK_H

#include <stddef.h>

#include "guests/apt.h"
#include "guests/args.h"
#include "guests/kernel.h"
#include "lib/err.h"

/* disk_packages - add the names of the packages that are asked for by name */
int disk_packages(struct args *out, struct err *e);

/*
 * disk_build - make the disk of these n packages, with kernel k in its /boot; needs root. Returns
 * 1, or 0 when the disk there is made of the same already. A disk in use keeps its old contents.
 */
int disk_build(const struct kernel *k, const struct apt_package *p, size_t n, struct err *e);

/* disk_find - the disk that disk_build made; path holds PATH_MAX bytes; -ENOENT: build it first */
int disk_find(char *path, struct err *e);

/* disk_copy - a disk of one's own at path, from disk_find's; holes stay holes */
int disk_copy(const char *path, struct err *e);

/*
 * disk_cmdline - the kernel command line that the disk's boot loader would give: read with debugfs
 * from its /boot/grub/grub.cfg, without the root device
 */
int disk_cmdline(const char *disk, char *buf, size_t size, struct err *e);

/* disk_parse_grub - disk_cmdline's work on the text of a grub.cfg */
int disk_parse_grub(const char *cfg, char *buf, size_t size, struct err *e);

#endif
