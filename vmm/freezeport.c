// SPDX-License-Identifier: GPL-2.0-only
/* freezeport - the guest saw a spike: stop the host's trace before it is overwritten */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/abi.h"
#include "vmm/vm.h"

/* The one write(2) of a vCPU thread: into a tracefs switch opened before, it never blocks. */
static enum vcpu_next pio(struct vdev *d, struct vcpu *v, struct pio *io)
{
	(void)v;
	if (!io->write)
		vdev_ignore_pio(io);
	else if (d->vm->opts.freeze_fd >= 0 && pwrite(d->vm->opts.freeze_fd, "0", 1, 0) < 0)
		return vm_fail(d->vm, -errno, "freezing the host's trace (--freeze) failed: %s",
			       strerror(errno));
	return VCPU_RUN;
}

const struct vdev_ops freezeport_ops = {
	.name = "freeze port",
	.state_bytes = sizeof(struct vdev),
	.ports = { { ABI_FREEZE_PORT, 1 } },
	.pio = pio,
};
