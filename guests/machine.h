/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * machine - the emulated host: QEMU's software emulation with AMD SVM, and the channel to it
 *
 * Why each option: docs/rtkvm-lab.1. The process dies with us (lib/proc), whatever way we die.
 */
#ifndef RTKVM_GUESTS_MACHINE_H
#define RTKVM_GUESTS_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "guests/args.h"
#include "guests/lab/proto.h"
#include "lib/err.h"
#include "lib/proc.h"

struct machine_share {
	const char *tag;
	const char *path; /* on the host */
	bool writable;
};

struct machine_config {
	const char *kernel, *initrd, *cmdline;
	unsigned int cpus;
	uint64_t mem_bytes;
	const char *disk; /* NULL: none */
	bool keep_disk; /* else what the guest writes to it is dropped */
	const struct machine_share *shares;
	size_t n_shares;
	const char *dir; /* that only we may enter: QEMU's gdb stub listens there */
	const char *console; /* file that takes the console's output */
	const char *log; /* file that takes QEMU's own messages */
	const char *monitor; /* NULL, or the path of QEMU's monitor socket */
};

struct machine {
	struct proc qemu;
	int channel; /* our end of the agent's port */
	int dir; /* where QEMU's gdb stub listens; O_PATH */
	struct lab_frame head; /* of the frame that is being received */
	size_t got; /* bytes of it, head and data */
};

/* machine_command - QEMU's argument list; the descriptors are what it inherits */
void machine_command(struct args *a, const struct machine_config *c, int channel, int stub);

/* machine_start - start it; on failure nothing is left running */
int machine_start(struct machine *m, const struct machine_config *c, struct err *e);

/* machine_stop - end it at once and close the channel; nothing happens when it never started */
void machine_stop(struct machine *m);

/*
 * machine_receive - the next frame from the agent, waiting until deadline_ns (CLOCK_MONOTONIC).
 * data holds LAB_FRAME_MAX bytes, and has to be the same from call to call: after -ETIMEDOUT the
 * next one goes on in mid-frame. -ETIMEDOUT, -EINTR (stop_requested), -EPIPE when the machine is
 * gone, -EPROTO when a frame makes no sense (e is left empty in the first three cases), and
 * -EAGAIN when other (-1: none), a descriptor the caller also waits for, became readable instead.
 */
int machine_receive(struct machine *m, uint64_t deadline_ns, int other, struct lab_frame *h,
		    void *data, struct err *e);

/*
 * machine_renew - free CPUs that hang in code of QEMU's own making (guests/renew.h); the number of
 * places that were written again
 */
int machine_renew(struct machine *m, struct err *e);

/* machine_send - a frame to the agent */
int machine_send(struct machine *m, enum lab_type type, const void *data, uint32_t len,
		 struct err *e);

#endif
