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
	char title[96]; /* a line above its events; "": none */
};

/* report_around - the window from around_ns before a wake-up was due to around_ns after it ran */
struct report_window report_around(const char *comm, uint32_t tid, uint64_t ran_ns,
				   uint64_t latency_ns, uint64_t around_ns);

/*
 * report_spikes - such windows around the late wake-ups that explain has noted in a run's
 * spikes.jsonl, in order of time; the caller frees them. -ENODATA when there is none
 */
int report_spikes(const char *run_dir, uint64_t around_ns, struct report_window **windows,
		  size_t *n, struct err *e);

/*
 * report_windows - print the events in n windows to stdout; they are in order of from_ns. An event
 * in several of them is printed once, in the first.
 */
int report_windows(const struct session_opts *o, const struct report_window *windows, size_t n,
		   struct err *e);

#endif
