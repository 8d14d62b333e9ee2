/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel - Debian's kernel packages, unpacked: the image to boot and its modules
 */
#ifndef RTKVM_GUESTS_KERNEL_H
#define RTKVM_GUESTS_KERNEL_H

#include <limits.h>

#include "guests/apt.h"
#include "guests/cpio.h"
#include "lib/err.h"

struct kernel {
	struct apt_package package;
	char release[APT_NAME_BYTES]; /* "6.1.0-56-rt-amd64", as uname -r says in it */
	char tree[PATH_MAX - 256]; /* holds boot/ and lib/modules/RELEASE/ with modules.dep */
	char image[PATH_MAX]; /* boot/vmlinuz-RELEASE */
	char elf[PATH_MAX]; /* what is packed in it: an emulator takes seconds to unpack xz */
};

/* kernel_metapackage - the package that stands for kind ("rt", "generic"); NULL for another kind */
const char *kernel_metapackage(const char *kind);

/*
 * kernel_fetch - the kernel package that meta (as apt_find filled it) names, unpacked below cache
 * and ready for modprobe
 */
int kernel_fetch(struct kernel *k, const struct apt_package *meta, const char *cache,
		 struct err *e);

/* kernel_open - a kernel that kernel_fetch unpacked before, by its tree */
int kernel_open(struct kernel *k, const char *tree, struct err *e);

/*
 * kernel_add_modules - add modules by name ("virtio_pci", NULL-terminated) and what they need to
 * an archive. order is called with each one's path in the archive, dependencies first. A name that
 * is built into the kernel adds nothing; one that does not exist is -ENOENT.
 */
int kernel_add_modules(const struct kernel *k, const char *const *names, struct cpio *c,
		       void (*order)(void *ctx, const char *path), void *ctx, struct err *e);

#endif
