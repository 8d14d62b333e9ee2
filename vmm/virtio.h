/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio - a virtio 1.2 device behind PCI, and the thread that serves it
 *
 * A device is one file with one const struct virtio_ops. vCPU threads see only its registers
 * (virtiopci.c, under the bus's lock). Once the driver is ready (DRIVER_OK) its queues belong to
 * the device's own thread, an ordinary one on housekeeping CPUs; a reset hands them back. Kicks
 * come to it by ioeventfd, interrupts go out by irqfd: no vCPU leaves the guest for either.
 *
 * A driver that breaks a rule of the queues finds DEVICE_NEEDS_RESET in the status: its device
 * stands still until it is reset, nothing else happens.
 */
#ifndef RTKVM_VMM_VIRTIO_H
#define RTKVM_VMM_VIRTIO_H

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/err.h"
#include "vmm/devopts.h"
#include "vmm/msix.h"
#include "vmm/pci.h"
#include "vmm/virtq.h"

enum {
	VIRTIO_QUEUES_MAX = 12,
	VIRTIO_FDS = 1 + DEVOPTS_PORTS, /* that a device waits for beside its queues */
	VIRTIO_CONFIG_BYTES = 64,
};

struct virtio;

struct virtio_ops {
	const char *name; /* of the thread, a number follows: at most 10 characters */
	uint16_t id; /* VIRTIO_ID_* */
	uint32_t class_code; /* PCI's: base class, sub-class, interface */
	size_t state_bytes; /* of the struct that embeds struct virtio first */
	/* opens what the option names, fills features, config and n_queues; close undoes it */
	int (*open)(struct virtio *d, const struct dev_opt *o, struct err *e);
	void (*close)(struct virtio *d);

	/* The rest is called by the device's thread. A negative result breaks the device. */
	/* the driver is ready, queues are open; may be NULL */
	int (*start)(struct virtio *d);
	/* before the queues are closed: nothing may touch them any more; may be NULL */
	void (*stop)(struct virtio *d);
	/* while it serves, the driver may have given queues other vectors; may be NULL */
	int (*vectors)(struct virtio *d);
	/* queue q has been kicked: serve it until it is empty or must wait */
	int (*serve)(struct virtio *d, int q);
	/* descriptor fds[i] has what was waited for */
	int (*ready)(struct virtio *d, int i);
};

/* One queue's registers; written by vCPU threads until DRIVER_OK. */
struct virtio_queue {
	uint64_t desc, avail, used;
	uint16_t size;
	bool enabled;
	_Atomic uint16_t vector;
	int kick; /* eventfd */
	struct virtq q; /* the device thread's */
};

struct virtio_stats {
	_Atomic uint64_t kicks, requests, interrupts, resets;
	_Atomic bool broken;
};

struct virtio {
	struct pci_fn fn; /* first */
	const struct virtio_ops *ops;
	struct vm *vm;
	struct msix msix;

	/* by open */
	uint64_t features;
	uint8_t config[VIRTIO_CONFIG_BYTES]; /* of the device kind, little endian */
	unsigned int config_bytes;
	int n_queues;
	struct pollfd fds[VIRTIO_FDS]; /* what the thread waits for; fd -1: nothing */
	int n_fds;
	bool in_kernel; /* vhost takes the kicks: the thread leaves them alone */

	/* registers, under the bus's lock */
	uint32_t feature_select, driver_feature_select;
	uint16_t queue_select;
	uint64_t driver_features;
	_Atomic uint16_t config_vector;
	_Atomic uint8_t status;
	_Atomic uint8_t isr;
	struct virtio_queue queue[VIRTIO_QUEUES_MAX];
	unsigned int cfg_cap; /* the window in configuration space */

	/* between the threads */
	_Atomic bool handed_over; /* from DRIVER_OK until the reset is done */
	_Atomic bool reset_wanted, quit;
	int control; /* eventfd: look at these */

	/* the thread */
	bool serving; /* queues are open */
	bool started; /* must be joined */
	pthread_t thread;
	pid_t tid;
	int cpu; /* -1: where the main thread may run */
	char name[16];
	struct err err;
	struct virtio_stats stats;
};

/* All devices of the machine. */
struct virtio_set {
	struct virtio *at[DEVOPTS_MAX];
	int n;
};

/* virtio_create - open the device that o asks for and attach it to the bus; in set->at from then on */
int virtio_create(struct virtio_set *set, struct vm *vm, const struct virtio_ops *ops,
		  const struct dev_opt *o, struct err *e);

/* virtio_destroy - close and free all; their threads are gone */
void virtio_destroy(struct virtio_set *set);

/* virtio_start - the threads, one a device, pinned and sandboxed; virtio_stop - end and join them */
int virtio_start(struct virtio_set *set, struct err *e);
void virtio_stop(struct virtio_set *set);

/* virtio_turn - wait so long for anything (-1: without end) and serve it; the thread's loop */
void virtio_turn(struct virtio *d, int timeout_ms);

/* virtio_done - give request c of queue q back; virtio_interrupt - then, once a batch: tell the driver */
void virtio_done(struct virtio *d, int q, const struct chain *c, uint32_t written);
void virtio_interrupt(struct virtio *d, int q);

/* virtio_has - has the driver taken that feature bit? */
bool virtio_has(const struct virtio *d, unsigned int bit);

/* virtiopci_init - configuration space, capabilities, vectors; virtiopci_reset - registers as at first */
int virtiopci_init(struct virtio *d, struct err *e);
void virtiopci_reset(struct virtio *d);

/* span_copy - into a buffer of size bytes, NUL-terminated; false when it does not fit */
bool span_copy(struct span s, char *to, size_t size);

extern const struct virtio_ops blk_ops, vconsole_ops, net_ops, rng_ops, vsock_ops;

#endif
