/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vcpuhist - a kernel event of the vCPU threads, counted in the kernel
 *
 * Hist triggers in a trace instance of our own: nothing goes through a ring buffer, no vCPU leaves
 * the guest, and other VMs' threads are left out by the kernel (Documentation/trace/histogram.rst).
 */
#ifndef RTKVM_VMM_VCPUHIST_H
#define RTKVM_VMM_VCPUHIST_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/err.h"
#include "lib/tracefs.h"

struct vcpuhist {
	struct tfs trace;
	bool on;
	const char *option; /* of rtkvm run, which errors name */
	char events[64]; /* the event's directory in the instance */
	char *text; /* what the kernel last told */
};

struct vcpuhist_event {
	const char *option; /* "--timer-residual" */
	const char *purpose; /* the instance's name */
	const char *system, *name;
};

/* vcpuhist_open - an instance for one event; -ENOTSUP where the kernel has not what it takes */
int vcpuhist_open(struct vcpuhist *h, const struct vcpuhist_event *event, struct err *e);

/* vcpuhist_add - count what these n threads do: what ("keys=...:vals=..."), if the filter says so */
int vcpuhist_add(struct vcpuhist *h, const char *what, const char *filter, const pid_t *tids, int n,
		 struct err *e);

/* vcpuhist_close - remove the instance; harmless when nothing was opened */
void vcpuhist_close(struct vcpuhist *h);

/* vcpuhist_read - ask the kernel: h->text; nothing when it is not on */
int vcpuhist_read(struct vcpuhist *h, struct err *e);

#endif
