/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * report - the events of host and guest as text, in one order
 */
#ifndef RTKVM_TRACING_REPORT_H
#define RTKVM_TRACING_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "tracing/session.h"

/* A piece of a trace, in nanoseconds of the host's clock. */
struct report_window {
	uint64_t from_ns, to_ns;
	const char *title; /* a line above its events; NULL: none */
};

/*
 * report_windows - print the events in n windows to stdout; they are in order of from_ns. An event
 * in several of them is printed once, in the first.
 */
int report_windows(const struct session_opts *o, const struct report_window *windows, size_t n,
		   struct err *e);

#endif
