// SPDX-License-Identifier: GPL-2.0-only
/* markport - the guest says where it is; the host stamps it and keeps the exit counts of then */
#include "lib/abi.h"
#include "lib/clock.h"
#include "vmm/vm.h"

/* In the vCPU thread that wrote the mark, so that the window has sharp edges; a few loads. */
static void keep_exits(struct vm *vm, enum window_edge edge)
{
	for (int i = 0; i < vm->n_vcpus; i++)
		for (int r = 0; r < VCPU_EXIT_REASONS; r++)
			atomic_store_explicit(&vm->window[edge][i * VCPU_EXIT_REASONS + r],
					      atomic_load_explicit(&vm->vcpus[i].stats.exits[r],
								   memory_order_relaxed),
					      memory_order_relaxed);
}

static enum vcpu_next pio(struct vdev *d, struct vcpu *v, struct pio *io)
{
	struct mark m = { .ns = clock_now_ns(), .id = io->data[0] };

	(void)v;
	if (!io->write) {
		vdev_ignore_pio(io);
		return VCPU_RUN;
	}
	if (m.id == ABI_MARK_JOB_START)
		keep_exits(d->vm, WINDOW_START);
	else if (m.id == ABI_MARK_JOB_END)
		keep_exits(d->vm, WINDOW_END);
	if (!ring_push(&d->vm->marks, &m, sizeof(m)))
		atomic_fetch_add_explicit(&d->vm->marks_lost, 1, memory_order_relaxed);
	vm_wake_io(d->vm);
	return VCPU_RUN;
}

const struct vdev_ops markport_ops = {
	.name = "mark port",
	.state_bytes = sizeof(struct vdev),
	.ports = { { ABI_MARK_PORT, 1 } },
	.pio = pio,
};
