// SPDX-License-Identifier: GPL-2.0-only
/* markport - the guest says where it is; the host stamps it and keeps the exit counts of then */
#include "lib/abi.h"
#include "lib/clock.h"
#include "vmm/vcpu.h"

/* In the thread that makes the mark, so that the window has sharp edges; a few loads. */
static void keep_stats(struct vm *vm, enum window_edge edge)
{
	for (int i = 0; i < vm->n_vcpus; i++)
		vcpu_stats_copy(&vm->window[edge][i], &vm->vcpus[i].stats);
}

/* Not over those of the same mark before it, which would be taken for what counted at that time. */
static bool push(struct vm *vm, const struct mark *m)
{
	bool job = m->id == ABI_MARK_JOB_START || m->id == ABI_MARK_JOB_END;
	enum window_edge edge = m->id == ABI_MARK_JOB_START ? WINDOW_START : WINDOW_END;

	if (job && atomic_exchange(&vm->window_full[edge], true))
		return false;
	if (job)
		keep_stats(vm, edge);
	if (ring_push(&vm->marks, m, sizeof(*m)))
		return true;
	if (job)
		atomic_store(&vm->window_full[edge], false);
	return false;
}

bool vm_mark(struct vm *vm, uint8_t id)
{
	const struct mark m = { .ns = clock_now_ns(), .id = id };
	bool kept = push(vm, &m);

	if (!kept)
		atomic_fetch_add_explicit(&vm->marks_lost, 1, memory_order_relaxed);
	vm_wake_io(vm);
	return kept;
}

static enum vcpu_next pio(struct vdev *d, struct vcpu *v, struct pio *io)
{
	(void)v;
	if (io->write)
		vm_mark(d->vm, io->data[0]);
	else
		vdev_ignore_pio(io);
	return VCPU_RUN;
}

const struct vdev_ops markport_ops = {
	.name = "mark port",
	.state_bytes = sizeof(struct vdev),
	.ports = { { ABI_MARK_PORT, 1 } },
	.pio = pio,
};
