// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/guest/beat.h"

#include <signal.h>
#include <time.h>

#include "cyclic/guest/port.h"
#include "lib/clock.h"

int beat_run(uint64_t slice_ns, struct err *e)
{
	const struct timespec slice = { slice_ns / NSEC_PER_SEC, slice_ns % NSEC_PER_SEC };
	struct port port;
	sigset_t set;
	int ret;

	/* taken between two pieces only: half of one would spoil the stream */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	ret = port_open(&port, e);
	while (!ret) {
		ret = port_send(&port, "beat", "", 0, e);
		if (sigtimedwait(&set, NULL, &slice) == SIGTERM)
			break;
	}
	return ret;
}
