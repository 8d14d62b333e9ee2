// SPDX-License-Identifier: GPL-2.0-only
#include "lib/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "lib/clock.h"

void progress_start(struct progress *p, const char *what)
{
	*p = (struct progress){ .what = what, .on = isatty(STDERR_FILENO) };
}

void progress_show(struct progress *p, uint64_t done_ns, uint64_t all_ns)
{
	uint64_t now = clock_now_ns(), left = (all_ns - done_ns) / NSEC_PER_SEC;

	if (!p->on || done_ns > all_ns || now - p->shown_ns < NSEC_PER_SEC)
		return;
	p->shown_ns = now;
	fprintf(stderr, "\r%s: %3.0f %%, %02ju:%02ju:%02ju left ", p->what,
		100.0 * done_ns / all_ns, (uintmax_t)left / 3600, (uintmax_t)left / 60 % 60,
		(uintmax_t)left % 60);
}

void progress_end(struct progress *p)
{
	if (p->on && p->shown_ns)
		fprintf(stderr, "\r\033[K");
}
