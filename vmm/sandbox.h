/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sandbox - what a thread of the VMM may still do once everything is set up
 *
 * No new privileges, no capabilities, and a seccomp filter by the thread's role: a table of system
 * calls, each with its reason (sandbox.c). Who has broken out of a guest into a vCPU thread finds
 * KVM's ioctls, futexes and the descriptors that are open; into a device's thread, reading and
 * writing what is open; into the main thread, reading files and what is open.
 *
 * A call that is not in the table does not happen: it ends the machine with a sentence that names
 * it (sandbox_violation), exit code 2.
 */
#ifndef RTKVM_VMM_SANDBOX_H
#define RTKVM_VMM_SANDBOX_H

#include <linux/filter.h>
#include <stdbool.h>

#include "lib/err.h"

enum sandbox_mode {
	SANDBOX_ON,
	SANDBOX_OFF, /* privileges as they were */
	SANDBOX_LOG, /* forbidden calls are logged by the kernel's audit and happen */
};

enum sandbox_role { SANDBOX_MAIN, SANDBOX_VCPU, SANDBOX_DEVICE, SANDBOX_ROLES };

struct sandbox_opts {
	enum sandbox_mode mode;
	bool traces; /* a trace instance is removed at the end */
	bool restores; /* the main thread undoes changes to kernel files at the end: it may write */
	bool unlinks; /* the main thread removes a file at the end from a directory of another user */
	bool devices; /* there are threads of devices */
	bool vfio; /* vCPU threads reach a PCI function of the host */
	int fifo; /* highest SCHED_FIFO priority that is given later on */
};

struct sandbox {
	struct sandbox_opts opts;
	bool keep_nice; /* CAP_SYS_NICE stays with the main thread: the rlimit does not do */
	struct sock_fprog filter[SANDBOX_ROLES];
};

/*
 * sandbox_prepare - no new privileges from here on, and the filters; before the vCPU threads, which
 * inherit the former. sandbox_free accepts a zeroed struct.
 */
int sandbox_prepare(struct sandbox *s, const struct sandbox_opts *o, struct err *e);
void sandbox_free(struct sandbox *s);

/* sandbox_enter - the calling thread gives up what its role does not need, for good */
int sandbox_enter(const struct sandbox *s, enum sandbox_role role, struct err *e);

/* sandbox_violation - 0, or -EACCES and a sentence about the first forbidden call there was */
int sandbox_violation(struct err *e);

/* sandbox_mode_name - "on", "off", "log" */
const char *sandbox_mode_name(enum sandbox_mode m);

#endif
