/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * agent - the two halves of the lab's agent: agent.c prepares the machine, job.c runs the command
 *
 * Built into one static program; includes nothing of rtkvm but lab/proto.h.
 */
#ifndef RTKVM_GUESTS_LAB_AGENT_H
#define RTKVM_GUESTS_LAB_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guests/lab/proto.h"

enum { MAX_ARGS = 4096 };

struct order {
	char *text; /* the file; everything below points into it */
	size_t len;
	bool full, tty, off, keep;
	const char *cwd;
	char *argv[MAX_ARGS];
	size_t argc;
};

struct agent {
	struct order order;
	int channel; /* -1 until it is open */
};

/* die - say why on the console and to the host, and switch the machine off */
void die(struct agent *a, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));

/* run_job - open the channel, run the order's command, report its end */
void run_job(struct agent *a);

/* send_frame - a frame to the host; a host that is gone has taken the machine with it */
void send_frame(struct agent *a, enum lab_type type, const void *data, uint32_t len);

/* write_all - write(2) until everything is out; -1 */
int write_all(int fd, const void *data, size_t len);

#endif
