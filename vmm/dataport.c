// SPDX-License-Identifier: GPL-2.0-only
/*
 * dataport - bytes for the host, and whole pages
 *
 * KVM reports string output one unit at a time, count > 1 is rare: each byte costs a user-space
 * exit, and so does each page of the page port.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "lib/abi.h"
#include "vmm/vcpu.h"

/*
 * The port has no "ready" bit that a rep outs could heed, so a full ring holds the vCPU back here.
 * Guests send when their job is over; a sleep then disturbs nothing.
 */
static void push_all(struct vcpu *v, const uint8_t *data, uint32_t len)
{
	static const struct timespec pause = { .tv_nsec = 200000 };
	struct vm *vm = v->vm;

	while (!ring_push(&vm->data, data, len)) {
		if (atomic_load_explicit(&vm->stopping, memory_order_relaxed))
			return;
		vcpu_park_if_pausing(v); /* its reader may stall for as long as it likes */
		vm_nudge_io(vm);
		nanosleep(&pause, NULL);
	}
	vm_nudge_io(vm);
}

static enum vcpu_next pio(struct vdev *d, struct vcpu *v, struct pio *io)
{
	(void)d;
	if (io->write)
		push_all(v, io->data, (uint32_t)io->len * io->count);
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

/* The guest may go on writing to the page meanwhile: what it sends then is its own affair. */
static enum vcpu_next push_page(struct vcpu *v, uint32_t frame)
{
	struct vm *vm = v->vm;
	const uint8_t *page =
		mem_ptr(&vm->mem, GPA((uint64_t)frame * ABI_PAGE_BYTES), ABI_PAGE_BYTES);

	if (!page)
		return vm_fail(vm, -EFAULT, "the guest sends page frame %#x, which is not memory",
			       frame);
	push_all(v, page, ABI_PAGE_BYTES);
	return VCPU_RUN;
}

static enum vcpu_next page_pio(struct vdev *d, struct vcpu *v, struct pio *io)
{
	static const uint32_t magic = ABI_PAGE_MAGIC;
	uint32_t frame;

	(void)d;
	if (io->len != sizeof(frame) || io->port != ABI_PAGE_PORT) {
		vdev_ignore_pio(io);
		return VCPU_RUN;
	}
	for (uint32_t i = 0; i < io->count; i++) {
		uint8_t *data = io->data + i * sizeof(frame);

		memcpy(io->write ? (void *)&frame : data, io->write ? (const void *)data : &magic,
		       sizeof(frame));
		if (io->write && push_page(v, frame) != VCPU_RUN)
			return VCPU_STOP;
	}
	return VCPU_RUN;
}

const struct vdev_ops pageport_ops = {
	.name = "page port",
	.state_bytes = sizeof(struct vdev),
	.ports = { { ABI_PAGE_PORT, 4 } },
	.pio = page_pio,
};
