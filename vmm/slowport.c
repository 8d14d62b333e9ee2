// SPDX-License-Identifier: GPL-2.0-only
/* slowport - a device that is slow on request: late wake-ups whose cause is known, for tests */
#include "lib/abi.h"
#include "lib/clock.h"
#include "vmm/vm.h"

/* Awake, as a device model is that computes: the vCPU's thread stays on its CPU. */
static enum vcpu_next pio(struct vdev *d, struct vcpu *v, struct pio *io)
{
	uint64_t end_ns = clock_now_ns() + d->vm->opts.slow_exit_ns;

	(void)v;
	if (!io->write)
		vdev_ignore_pio(io);
	else
		while (clock_now_ns() < end_ns)
			;
	return VCPU_RUN;
}

const struct vdev_ops slowport_ops = {
	.name = "slow port",
	.state_bytes = sizeof(struct vdev),
	.ports = { { ABI_SLOW_PORT, 1 } },
	.pio = pio,
};
