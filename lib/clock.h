/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * clock - the clocks a run is told in
 */
#ifndef RTKVM_LIB_CLOCK_H
#define RTKVM_LIB_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define NSEC_PER_SEC 1000000000ull

/* clock_now_ns - CLOCK_MONOTONIC in nanoseconds; for durations and deadlines */
uint64_t clock_now_ns(void);

/* clock_wall_ns - CLOCK_REALTIME in nanoseconds since 1970; for what people and logs compare */
uint64_t clock_wall_ns(void);

/* clock_iso8601 - "2026-11-20T09:46:44Z" of a CLOCK_REALTIME value; buf of CLOCK_ISO_BYTES */
enum { CLOCK_ISO_BYTES = 32 };
char *clock_iso8601(uint64_t wall_ns, char buf[static CLOCK_ISO_BYTES]);

/* clock_sleep_until - sleep to a CLOCK_MONOTONIC instant; -EINTR when a signal ended the sleep */
int clock_sleep_until(uint64_t mono_ns);

#endif
