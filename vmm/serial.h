/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * serial - what the I/O thread asks of the 8250
 */
#ifndef RTKVM_VMM_SERIAL_H
#define RTKVM_VMM_SERIAL_H

#include <stdbool.h>
#include <stdint.h>

struct vdev;

/* serial_input - one byte for the guest; false when its receive buffer is full (I/O thread only) */
bool serial_input(struct vdev *d, uint8_t byte);

/* serial_drained - the console ring has room again: the guest may be waiting for that */
void serial_drained(struct vdev *d);

#endif
