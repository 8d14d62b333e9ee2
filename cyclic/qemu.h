/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * qemu - QEMU's microvm in the place of rtkvm run: same guest, same ports, same events
 *
 * isa-debugcon stands at the data and the mark port, isa-debug-exit at the exit port (lib/abi.h).
 * QEMU neither pins its vCPU threads nor stamps marks: both is done here, so a mark's time is
 * when its byte was read (tens of microseconds late, milliseconds when housekeeping is busy).
 */
#ifndef RTKVM_CYCLIC_QEMU_H
#define RTKVM_CYCLIC_QEMU_H

#include "cyclic/vmproc.h"

/* The program of packages.txt. */
#define QEMU_PROGRAM "qemu-system-x86_64"

/* qemu_argv - its command line; nonzero when it does not fit */
int qemu_argv(struct vmproc_argv *a, const struct vmproc_opts *o, int events, int data);

/* qemu_next - as vmproc_next without waiting: "started" once every vCPU is pinned, then marks */
int qemu_next(struct vmproc *v, json_object **event, struct err *e);

/* qemu_ended - the "ended" event from how the process ended; NULL: no memory */
json_object *qemu_ended(struct vmproc *v);

/*
 * qemu_overhead - resident bytes beside the guest's RAM, from /proc/PID/statm's text: all of RAM
 * is resident, because QEMU is told to lock it; 0 when it is not
 */
uint64_t qemu_overhead(const char *statm, uint64_t memory_bytes);

/* qemu_exit - the job's code in QEMU's exit code (value * 2 + 1); -1: the exit port was not used */
int qemu_exit(int code);

#endif
