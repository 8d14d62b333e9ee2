/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tracer - rtkvm trace count as a child, asked for windows over a pipe (rtkvm-trace(1))
 */
#ifndef RTKVM_CYCLIC_TRACER_H
#define RTKVM_CYCLIC_TRACER_H

#include "lib/err.h"
#include "lib/json.h"
#include "lib/proc.h"

struct tracer {
	struct proc proc;
	int to, from, errors; /* its stdin, stdout; a memory file for its stderr */
};

#define TRACER_INIT                                 \
	{                                           \
		.to = -1, .from = -1, .errors = -1, \
	}

/* tracer_start - count the VM exits of process pid; returns once it counts */
int tracer_start(struct tracer *t, pid_t pid, struct err *e);

/* tracer_begin - open a window */
int tracer_begin(struct tracer *t, struct err *e);

/* tracer_end - close it; *counted is its JSON answer, the caller puts it */
int tracer_end(struct tracer *t, json_object **counted, struct err *e);

/* tracer_close - end the child, which removes its trace instance; accepts one never started */
void tracer_close(struct tracer *t);

#endif
