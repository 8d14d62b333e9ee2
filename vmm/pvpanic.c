// SPDX-License-Identifier: GPL-2.0-only
/* pvpanic - the guest kernel says that it panicked (QEMU docs/specs/pvpanic: bit 0 panicked) */
#include "vmm/acpi.h"
#include "vmm/vm.h"

enum { PANICKED = 1 };

static enum vcpu_next pio(struct vdev *d, struct vcpu *v, struct pio *io)
{
	(void)v;
	if (!io->write) {
		vdev_ignore_pio(io);
		io->data[0] = PANICKED; /* the events we understand */
		return VCPU_RUN;
	}
	if (!(io->data[0] & PANICKED))
		return VCPU_RUN;
	atomic_store(&d->vm->panicked, true);
	return vm_end(d->vm, OUTCOME_PANIC, 0);
}

const struct vdev_ops pvpanic_ops = {
	.name = "pvpanic",
	.state_bytes = sizeof(struct vdev),
	.ports = { { ACPI_PVPANIC_PORT, 1 } },
	.pio = pio,
};
