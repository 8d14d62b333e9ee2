/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmproc - a VMM as a process: what it is told, and the events it tells
 *
 * rtkvm run and QEMU run the same guest and give the same events (rtkvm-run(1), EVENTS):
 * started, mark, ended. Data, console and errors go to descriptors that end with us, so that
 * nothing is left behind however a run ends. The VMM dies when we do (lib/proc.h).
 */
#ifndef RTKVM_CYCLIC_VMPROC_H
#define RTKVM_CYCLIC_VMPROC_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/cpumap.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/proc.h"

enum vmm_kind { VMM_RTKVM, VMM_QEMU };

struct vmproc_opts {
	enum vmm_kind kind;
	const char *program; /* NULL: ourselves, or QEMU from PATH */
	const char *kernel, *initrd, *append;
	const struct cpumap *cpus;
	uint64_t memory_bytes;
	bool allow_shared, allow_tick;
	struct cpulist ordinary; /* vCPUs that are SCHED_OTHER: on CPUs that the host needs, too */
	uint64_t timeout_ns; /* the VMM ends a guest that takes longer */
	const char *console; /* file for the guest's console */
	bool hold; /* the guest waits for vmproc_resume; QEMU's does not */
};

struct vmproc {
	const struct vmproc_opts *o;
	struct proc proc;
	int events; /* read end: JSON lines of rtkvm, mark bytes of QEMU */
	int data, errors; /* memory files: the data port's bytes, the VMM's stderr */
	int ctl; /* rtkvm's control socket; QEMU's stdin, the guest's keyboard */
	uint64_t start_ns; /* CLOCK_MONOTONIC */
	char *line; /* JSON line being read */
	size_t used, room;
	bool started, ended; /* these events have been given out */
	json_object *vcpus; /* of the started event */
	uint64_t init_ns, overhead_bytes; /* QEMU: found by us */
};

/* The longest command line, and room for the numbers in it. */
enum { VMPROC_ARGS = 64, VMPROC_ARG_BYTES = 8192 };

struct vmproc_argv {
	char *argv[VMPROC_ARGS];
	int n;
	char text[VMPROC_ARG_BYTES];
	size_t used;
};

/* argv_add - append one printf'd argument; -E2BIG */
int argv_add(struct vmproc_argv *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What the VMM inherits; named on its command line as /dev/fd/N. */
struct vmproc_fds {
	int events, data;
	int ctl; /* rtkvm's control socket, else -1 */
	int in, out; /* QEMU's stdin and stdout, the guest's console, else -1 */
};

#define VMPROC_FDS_INIT                                                   \
	{                                                                 \
		.events = -1, .data = -1, .ctl = -1, .in = -1, .out = -1, \
	}

/* vmproc_argv - the command line for these options */
int vmproc_argv(struct vmproc_argv *a, const struct vmproc_opts *o, const char *self,
		const struct vmproc_fds *fds, struct err *e);

/* vmproc_start - start it; o must live as long as v */
int vmproc_start(struct vmproc *v, const struct vmproc_opts *o, struct err *e);

/*
 * vmproc_next - wait for the next event: 1 with *event (the caller puts it), 0 after timeout_ms or
 * a signal, -ENODATA after "ended". A VMM that dies without a word gives "ended" with the outcome
 * "killed" or "failed".
 */
int vmproc_next(struct vmproc *v, int timeout_ms, json_object **event, struct err *e);

/* vmproc_resume - after "started": a guest that is held may run; nothing for others */
int vmproc_resume(struct vmproc *v, struct err *e);

/*
 * vmproc_interrupt - Ctrl-C on the guest's console: its job gets SIGINT; -errno when the VMM cannot
 * be told, as one that has gone
 */
int vmproc_interrupt(struct vmproc *v, struct err *e);

/* vmproc_complaint - the last line the VMM wrote to stderr, without its program's name; may be "" */
char *vmproc_complaint(const struct vmproc *v, char *buf, size_t size);

/* vmproc_data - map what came through the data port so far; munmap it */
int vmproc_data(const struct vmproc *v, void **data, size_t *len, struct err *e);

/* vmproc_stop - end the VMM (SIGTERM first); events can still be read. Nothing if it has ended. */
void vmproc_stop(struct vmproc *v);

/* vmproc_close - stop it and release everything; accepts one that failed to start */
void vmproc_close(struct vmproc *v);

#endif
