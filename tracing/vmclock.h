/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmclock - what the events of a VMM (rtkvm run --events) tell of its vCPUs: threads and clocks
 */
#ifndef RTKVM_TRACING_VMCLOCK_H
#define RTKVM_TRACING_VMCLOCK_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"
#include "tracing/clocks.h"
#include "tracing/manifest.h"

struct vmclock {
	int tid; /* 0: not told */
	bool exact, bracketed; /* is the offset told, is the range? */
	int64_t offset; /* as KVM says */
	struct clock_range range; /* from readings of its TSC */
};

struct vmclocks {
	struct vmclock vcpus[MANIFEST_VCPUS];
	size_t n;
};

/* vmclock_load - from the event "started"; a file without one, or without clocks in it, tells nothing */
int vmclock_load(struct vmclocks *c, const char *path, struct err *e);

/* vmclock_exact, vmclock_bracketed - is that told of every vCPU? */
bool vmclock_exact(const struct vmclocks *c);
bool vmclock_bracketed(const struct vmclocks *c);

#endif
