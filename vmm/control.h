/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * control - what the control socket's commands do to the machine (I/O thread)
 *
 * Nothing here runs on a vCPU's path or waits for one: pause answers once every vCPU has parked.
 */
#ifndef RTKVM_VMM_CONTROL_H
#define RTKVM_VMM_CONTROL_H

#include "lib/ctl.h"
#include "vmm/io.h"

/*
 * control_open - the socket that --ctl and --name ask for: a path, /dev/fd/N (a connected socket
 * that was inherited), "none", or NULL for the default place, where one that cannot be made is an
 * error only for a VM that was given a name or is to be held
 */
int control_open(struct io *io, const char *ctl, const char *name, bool hold, struct err *e);

/* control_answer - a ctl_answer_fn; ctx is the struct io */
int control_answer(void *ctx, const struct ctl_request *r, json_object **reply, struct err *e);

/* control_go - the vCPUs may run: at the start, or, with --hold, when resume says so */
void control_go(struct io *io);

#endif
