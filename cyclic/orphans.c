// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/orphans.h"

#include <stdio.h>

#include "lib/tracefs.h"

const char *orphans_remove(char buf[static ORPHANS_BYTES])
{
	struct err none = { 0 }; /* where tracefs cannot be had there is nothing of ours in it */
	int n = tfs_sweep(&none);

	if (n <= 0)
		return NULL;
	snprintf(buf, ORPHANS_BYTES,
		 "%d trace%s of processes that were killed still ran; removed before measuring", n,
		 n == 1 ? "" : "s");
	return buf;
}
