/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * campaign_image - whose guest image is it: does it hold the programs of this rtkvm?
 */
#ifndef RTKVM_CYCLIC_CAMPAIGN_IMAGE_H
#define RTKVM_CYCLIC_CAMPAIGN_IMAGE_H

#include <stddef.h>

#include "lib/err.h"

/* campaign_image_find - where a support file lies: paths_support (lib/paths.h) */
typedef int campaign_image_find(char *buf, size_t size, const char *name, struct err *e);

enum { CAMPAIGN_IMAGE_FILE = 64 }; /* bytes of a support file's name */

/*
 * campaign_image_other - other: the support file ("guests/sample") of which the image holds other bytes
 * than find finds; "": none. What its manifest does not tell of counts as the same: not every image is
 * made by rtkvm guest build
 */
int campaign_image_other(const char *image, campaign_image_find *find,
			 char other[static CAMPAIGN_IMAGE_FILE], struct err *e);

#endif
