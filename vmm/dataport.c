// SPDX-License-Identifier: GPL-2.0-only
/* dataport - bytes for the host; KVM reports string output one unit at a time, count > 1 is rare */
#include <time.h>

#include "lib/abi.h"
#include "vmm/vm.h"

/*
 * The port has no "ready" bit that a rep outs could heed, so a full ring holds the vCPU back here.
 * Guests send when their job is over; a sleep then disturbs nothing.
 */
static void push_all(struct vm *vm, const uint8_t *data, uint32_t len)
{
	static const struct timespec pause = { .tv_nsec = 200000 };

	while (!ring_push(&vm->data, data, len)) {
		if (atomic_load_explicit(&vm->stopping, memory_order_relaxed))
			return;
		vm_nudge_io(vm);
		nanosleep(&pause, NULL);
	}
	vm_nudge_io(vm);
}

static enum vcpu_next pio(struct vdev *d, struct vcpu *v, struct pio *io)
{
	(void)v;
	if (io->write)
		push_all(d->vm, io->data, (uint32_t)io->len * io->count);
	else
		vdev_ignore_pio(io);
	return VCPU_RUN;
}

const struct vdev_ops dataport_ops = {
	.name = "data port",
	.state_bytes = sizeof(struct vdev),
	.ports = { { ABI_DATA_PORT, 4 } },
	.pio = pio,
};
