// SPDX-License-Identifier: GPL-2.0-only
/* kbdreset - of the 8042 only its reset line: command 0xfe on port 0x64 (reboot=k) */
#include "vmm/vm.h"

enum { DATA = 0x60, COMMAND = 0x64, PULSE_RESET = 0xfe };

static enum vcpu_next pio(struct vdev *d, struct vcpu *v, struct pio *io)
{
	(void)v;
	if (io->write && io->port == COMMAND && io->data[0] == PULSE_RESET)
		return vm_end(d->vm, OUTCOME_RESET, 0);
	if (!io->write)
		for (uint32_t i = 0; i < io->len * io->count; i++)
			io->data[i] = 0; /* status: buffers empty, so a writer need not wait */
	return VCPU_RUN;
}

const struct vdev_ops kbdreset_ops = {
	.name = "8042 reset",
	.state_bytes = sizeof(struct vdev),
	.ports = { { DATA, 1 }, { COMMAND, 1 } },
	.pio = pio,
};
