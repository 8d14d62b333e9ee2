/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * io - the main thread while the guest runs: console, data, marks, terminal, control socket,
 * signals, time limit
 *
 * The only thread that writes files. It sleeps until a vCPU wakes it; while bytes flow it looks
 * every few milliseconds instead, so that a chatty guest costs no wake-up a byte.
 */
#ifndef RTKVM_VMM_IO_H
#define RTKVM_VMM_IO_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "vmm/events.h"
#include "vmm/panic.h"
#include "vmm/counters.h"
#include "vmm/ctlserver.h"
#include "vmm/sink.h"
#include "vmm/term.h"
#include "vmm/vm.h"

#define IO_DATA_MAX_BYTES (256ull << 20)

struct io {
	struct vm *vm;
	struct sink console, data;
	struct events events;
	struct window window;
	struct panic_watch panic;
	struct term term;
	struct ctlserver ctl;
	const char *name; /* of the VM, or NULL */
	uint64_t timeout_ns; /* from when the vCPUs may run; 0: none */
	uint64_t deadline_ns; /* CLOCK_MONOTONIC, 0: none */
	struct err lost; /* what was asked for and no longer held at the job's end */
	uint32_t marks_told; /* written to events */
	bool stopped; /* the vCPU threads are gone */
	uint64_t started_ns, held_ns; /* --hold: the "started" event, and how long none ran then */
};

/* io_run - until the machine has ended (vm->outcome) or a file fails; signals end it too */
int io_run(struct io *io, struct err *e);

/* io_finish - after the vCPUs have stopped: what is left in the rings */
int io_finish(struct io *io, struct err *e);

#endif
