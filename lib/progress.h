/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * progress - one line on a terminal's stderr: percentage and time left; nothing elsewhere
 */
#ifndef RTKVM_LIB_PROGRESS_H
#define RTKVM_LIB_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *what; /* borrowed */
	bool on;
	uint64_t shown_ns; /* CLOCK_MONOTONIC of the last time it was drawn */
};

void progress_start(struct progress *p, const char *what);

/* progress_show - draw it, at most once a second; both in any one unit of time in ns */
void progress_show(struct progress *p, uint64_t done_ns, uint64_t all_ns);

/* progress_end - clear the line */
void progress_end(struct progress *p);

#endif
