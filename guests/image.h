/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * image - a guest image: Debian's kernel, and an initramfs of busybox, rt-tests and our init
 *
 * A directory with vmlinuz, initrd and manifest.json. The manifest is written last and removed
 * first: a directory without it is no image. Everything in the initrd comes out of the Debian
 * packages that the manifest names, and out of our own init; the running system adds nothing.
 */
#ifndef RTKVM_GUESTS_IMAGE_H
#define RTKVM_GUESTS_IMAGE_H

#include <stdbool.h>

#include "lib/err.h"
#include "lib/json.h"

enum { IMAGE_SCHEMA = 1 };

/*
 * image_build - make the image in dir (made if need be) with the kernel of that kind ("rt",
 * "generic"). Returns 1 when it was built, 0 when what lies there is of the same packages already.
 * On failure nothing half-made is left.
 */
int image_build(const char *dir, const char *kind, struct err *e);

/* image_manifest - the manifest of the image in dir, checked; the caller puts it */
int image_manifest(const char *dir, json_object **out, struct err *e);

#endif
