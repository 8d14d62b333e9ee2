/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fit - the range that a vCPU's clock offset lies in, narrowed down by the events of both kernels
 *
 * A guest event happened between a kvm_entry and the kvm_exit that follows. Where every offset of the
 * range puts it into one and the same such window, that window says how far the offset can be off. An
 * event that could lie in several windows says nothing, so the true offset is never left out.
 */
#ifndef RTKVM_TRACING_FIT_H
#define RTKVM_TRACING_FIT_H

#include <stdbool.h>
#include <stdint.h>

#include "tracing/clocks.h"

enum { FIT_WINDOWS = 64 };

struct fit_window {
	uint64_t entry, exit; /* of the host's clock; exit: UINT64_MAX while it is open */
};

struct fit {
	struct clock_range given, found;
	struct fit_window ring[FIT_WINDOWS]; /* the last ones */
	uint64_t n;
	bool open;
	uint64_t used; /* guest events that lie in one window */
	uint64_t outside; /* that lie in none, whatever the offset */
};

/* fit_init - begin with the range that is known; found is what is left of it */
void fit_init(struct fit *f, struct clock_range given);

/* Feed it in order of time, the guest's stamps taken as late as the range allows: minus given.low. */
void fit_entry(struct fit *f, uint64_t host);
void fit_exit(struct fit *f, uint64_t host);
void fit_event(struct fit *f, uint64_t guest);

/* fit_lost - host events are missing: nothing is known of the time before the next entry */
void fit_lost(struct fit *f);

#endif
