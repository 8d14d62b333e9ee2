// SPDX-License-Identifier: GPL-2.0-only
/* exitport - a byte written by the guest ends the run with that code (QEMU: isa-debug-exit) */
#include "lib/abi.h"
#include "vmm/vm.h"

static enum vcpu_next pio(struct vdev *d, struct vcpu *v, struct pio *io)
{
	(void)v;
	if (!io->write) {
		vdev_ignore_pio(io);
		return VCPU_RUN;
	}
	return vm_end(d->vm, OUTCOME_EXIT, io->data[0]);
}

/* QEMU's device takes four ports and guests write 1, 2 or 4 bytes: the low byte is the code */
const struct vdev_ops exitport_ops = {
	.name = "exit port",
	.state_bytes = sizeof(struct vdev),
	.ports = { { ABI_EXIT_PORT, 4 } },
	.pio = pio,
};
