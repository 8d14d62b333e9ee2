/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * events - what is recorded on a host and in a guest, as tables
 */
#ifndef RTKVM_TRACING_EVENTS_H
#define RTKVM_TRACING_EVENTS_H

#include <stdbool.h>
#include <stddef.h>

struct record_event {
	const char *system, *event; /* event NULL: all that end in _entry and _exit */
	const char *filter; /* NULL: none */
	bool needed; /* a kernel without it cannot be explained */
};

extern const struct record_event host_events[], guest_events[];
extern const size_t n_host_events, n_guest_events;

#endif
