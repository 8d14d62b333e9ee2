/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * events - one JSON object a line for who watches the run: started, mark, ended
 *
 * Field names are a contract with the harness (docs/rtkvm-run.1, EVENTS).
 */
#ifndef RTKVM_VMM_EVENTS_H
#define RTKVM_VMM_EVENTS_H

#include <stdint.h>

#include "lib/err.h"
#include "vmm/counters.h"
#include "vmm/vm.h"

/* What lies between the program's first instruction of its own and the guest's. */
enum setup_step {
	SETUP_CHECK, /* options, host, files */
	SETUP_MACHINE, /* KVM's machine, guest memory, vCPUs, devices */
	SETUP_LOAD, /* kernel, initrd, registers */
	SETUP_THREADS, /* filters, the threads and their placement */
	SETUP_LOCK, /* KVM's own threads, counters, this program's pages */
	SETUP_STEPS,
};

struct setup {
	uint64_t main_ns; /* CLOCK_MONOTONIC: the program has been loaded */
	uint64_t end_ns[SETUP_STEPS];
};

struct events {
	int fd; /* -1: nobody watches, nothing is written */
	uint64_t init_ns; /* first INIT mark, 0 before */
	const char *ctl; /* path of the control socket, or NULL */
	struct setup setup;
};

/* events_machine - what was read back of TSC, interrupt chip, memory and idle exits, into o */
void events_machine(json_object *o, const struct vm *vm);

/* events_boost - utilization clamp and core scheduling cookie of a vCPU thread, into o */
void events_boost(json_object *o, const struct vcpu *v);

/* events_started - the vCPUs are placed and about to run; why: of --placement auto, else "" */
int events_started(struct events *ev, const struct vm *vm, const char *why, struct err *e);

/* events_realtime - --rt-delay is over: placement as it is now */
int events_realtime(struct events *ev, const struct vm *vm, struct err *e);

/* events_mark - the guest reached a mark */
int events_mark(struct events *ev, const struct mark *m, struct err *e);

/* events_ended - the last line; overhead_bytes as mem_overhead measured it */
int events_ended(struct events *ev, struct vm *vm, const struct window *w, uint64_t overhead_bytes,
		 uint64_t start_ns, struct err *e);

#endif
