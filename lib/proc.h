/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * proc - child processes that never outlive us
 *
 * A child gets its own process group and dies (SIGKILL) when the thread that started it dies, so
 * that kill -9 of a harness leaves nothing running.
 */
#ifndef RTKVM_LIB_PROC_H
#define RTKVM_LIB_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/err.h"

struct proc_opts {
	char *const *argv; /* argv[0] is looked up in PATH; NULL-terminated */
	char *const *envp; /* NULL: our own */
	const char *cwd; /* NULL: our own */
	int in, out, err; /* descriptors for 0, 1, 2; -1: /dev/null for in, inherited for others */
	const int *keep; /* further descriptors the child inherits under the same number */
	size_t n_keep;
	bool same_group; /* stay in our process group: a terminal's Ctrl-C reaches the child */
};

#define PROC_OPTS_INIT                         \
	{                                      \
		.in = -1, .out = -1, .err = -1 \
	}

struct proc {
	pid_t pid; /* 0: not running */
	int status; /* wait(2) status once pid is 0 */
};

/* proc_start - fork and exec; an exec that fails is reported here, not as an exit code */
int proc_start(struct proc *p, const struct proc_opts *o, struct err *e);

/* proc_poll - reap without blocking: 1 ended (p->status is set), 0 still running, -errno */
int proc_poll(struct proc *p);

/*
 * proc_wait - wait until deadline_ns (CLOCK_MONOTONIC, 0: no limit): 0 ended, -ETIMEDOUT, or
 * -EINTR as soon as stop_requested()
 */
int proc_wait(struct proc *p, uint64_t deadline_ns);

/* proc_stop - SIGTERM to the group, SIGKILL after grace_ms, reap; nothing happens when it ended */
void proc_stop(struct proc *p, unsigned int grace_ms);

/* proc_code - exit code as a shell shows it: 0..255, 128 + signal */
int proc_code(const struct proc *p);

/*
 * proc_run - start, wait, and return the exit code (or -errno); out (NULL: inherited) takes what
 * it prints on stdout, up to size - 1 bytes, NUL-terminated, the rest dropped. One that has not
 * ended after limit_s seconds (0: no limit) is stopped with all it started: -ETIMEDOUT
 */
int proc_run(char *const *argv, unsigned int limit_s, char *out, size_t size, struct err *e);

#endif
