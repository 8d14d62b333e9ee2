// SPDX-License-Identifier: GPL-2.0-only
/* grub - the reader of a grub.cfg, which a lab disk's own system may have rewritten */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guests/disk.h"
#include "lib/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_free_ char *text = malloc(len + 1);
	struct err e = { 0 };
	char buf[256];

	if (!text)
		return 0;
	memcpy(text, data, len);
	text[len] = '\0';
	disk_parse_grub(text, buf, sizeof(buf), &e);
	return 0;
}
