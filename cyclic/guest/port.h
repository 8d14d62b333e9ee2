/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * port - pieces of a stream through the data port, from inside a guest
 *
 * Each byte through a port is a VM exit: only for programs on vCPU 0, where init has pinned the job.
 */
#ifndef RTKVM_CYCLIC_GUEST_PORT_H
#define RTKVM_CYCLIC_GUEST_PORT_H

#include <stddef.h>

#include "lib/err.h"

struct port {
	int lock; /* programs that send at once take turns; -1: not open */
};

/* port_open - the right to the ports, for the calling thread alone */
int port_open(struct port *p, struct err *e);

/* port_send - one piece under that name; data is not NULL (to crc32 that means to begin anew) */
int port_send(const struct port *p, const char *name, const void *data, size_t len, struct err *e);

#endif
