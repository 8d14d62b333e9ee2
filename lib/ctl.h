/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ctl - the control protocol of a running VMM: one JSON object a line asks, one answers
 *
 *	{"command":"status"}		{"state":"running","pid":4711,...}
 *	{"command":"mark","id":2}	{"state":"running"}
 *	{"command":"rt","on":false}	{"error":"..."}
 *
 * Commands and answers: docs/rtkvm-ctl.1. A line that is not understood gets an error, and the
 * connection goes on.
 */
#ifndef RTKVM_LIB_CTL_H
#define RTKVM_LIB_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/json.h"

enum {
	CTL_REQUEST_MAX = 1024, /* bytes of a request, its newline among them */
	CTL_REPLY_MAX = 4 << 20, /* statistics of 128 vCPUs are the longest */
};

enum ctl_command {
	CTL_STATUS,
	CTL_TIDS,
	CTL_STATS,
	CTL_MARK,
	CTL_PAUSE,
	CTL_RESUME,
	CTL_RT,
	CTL_NMI,
	CTL_INTERRUPT, /* Ctrl-C on the guest's console */
	CTL_QUIT,
	CTL_COMMANDS,
};

struct ctl_request {
	enum ctl_command command;
	uint8_t id; /* CTL_MARK: 1 to 255 */
	bool on; /* CTL_RT */
};

/* ctl_name - "status", ... */
const char *ctl_name(enum ctl_command c);

/* ctl_command - the command of that name; -EINVAL */
int ctl_command(const char *name, struct err *e);

/* ctl_parse - a request without its newline; foreign bytes: -EINVAL with a sentence in ASCII */
int ctl_parse(struct ctl_request *r, const char *line, size_t len, struct err *e);

/*
 * ctl_ask - send one request and wait for its answer, timeout_ms at most; the caller puts *reply.
 * An {"error":...} becomes -EIO with that sentence. -EPIPE when the VMM has gone.
 */
int ctl_ask(int fd, const struct ctl_request *r, int timeout_ms, json_object **reply,
	    struct err *e);

#endif
