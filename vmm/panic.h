/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * panic - a panicking Linux guest, recognised by what it prints
 *
 * pvpanic tells when its driver is loaded; a panic before that leaves only the console.
 */
#ifndef RTKVM_VMM_PANIC_H
#define RTKVM_VMM_PANIC_H

#include <stdbool.h>
#include <stddef.h>

enum { PANIC_LINE_BYTES = 256 };

struct panic_watch {
	char line[PANIC_LINE_BYTES];
	size_t used;
	bool seen; /* "Kernel panic - not syncing" stood on a line */
	bool over; /* its last line too: nothing more will come */
	char reason[128]; /* the text behind it */
};

/* panic_feed - console output as it comes, in pieces of any size */
void panic_feed(struct panic_watch *p, const char *data, size_t len);

#endif
