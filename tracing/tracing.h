/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tracing - what host and guest kernels did, on one clock, and why a wake-up was late
 *
 * Verb: trace, with the sub-verbs of the table in trace.c.
 * Threads: none of its own.
 * Writes: what --out names, a trace instance of its own while it records.
 * Must not know: the VMM, the campaign, or how a guest was started; it reads files and tracefs.
 */
#ifndef RTKVM_TRACING_TRACING_H
#define RTKVM_TRACING_TRACING_H

#include "lib/err.h"

/* tracing_trace - the verb: runs the sub-verb named in argv[1]; a verdict, or -errno with e set */
int tracing_trace(int argc, char **argv, struct err *e);

/* tracing_count - trace count: VM exits of a process by reason, over windows */
int tracing_count(int argc, char **argv, struct err *e);

/* tracing_explain - rtkvm trace explain: where the time of late wake-ups went */
int tracing_explain(int argc, char **argv, struct err *e);

/* tracing_job - rtkvm trace job: the shell line that makes a guest record itself */
int tracing_job(int argc, char **argv, struct err *e);

/* tracing_record - rtkvm trace record: the host's side */
int tracing_record(int argc, char **argv, struct err *e);

/* tracing_convert - rtkvm trace convert: any trace as trace.dat version 6 */
int tracing_convert(int argc, char **argv, struct err *e);

/* tracing_report - rtkvm trace report: the events of both kernels as text */
int tracing_report(int argc, char **argv, struct err *e);

#endif
