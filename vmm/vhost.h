/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vhost - queues that the kernel serves instead of the device's thread (linux/vhost.h)
 *
 * The kernel's own thread takes the kicks and raises the interrupts; ours only opens and closes the
 * queues. What is wrong with a queue comes as an event that breaks the device.
 */
#ifndef RTKVM_VMM_VHOST_H
#define RTKVM_VMM_VHOST_H

#include <stdint.h>

#include "lib/err.h"
#include "vmm/virtio.h"

struct vhost {
	int fd; /* /dev/vhost-*; -1: not in use */
	int broken; /* eventfd: the kernel found a rule broken */
};

/*
 * vhost_open - become the owner of path's device: 0; -ENOENT, without a sentence, where the host has
 * none; vhost_close accepts one that is not open
 */
int vhost_open(struct vhost *h, const char *path, struct err *e);
void vhost_close(struct vhost *h);

/* vhost_calls - the kernel raises the vectors that the queues have now; the device's thread only */
int vhost_calls(const struct vhost *h, const struct virtio *d, int n_queues);

/* vhost_start - give it memory and the queues that the driver has set up; the device's thread only */
int vhost_start(struct vhost *h, struct virtio *d, int n_queues);

#endif
