// SPDX-License-Identifier: GPL-2.0-only
/* acpipower - reset and sleep registers of the FADT (ACPI 6.4, 4.8.3.6 and 4.8.3.7) */
#include "vmm/acpi.h"
#include "vmm/vm.h"

enum { SLEEP_ENABLE = 1 << 5, SLEEP_TYPE_SHIFT = 2, SLEEP_TYPE_MASK = 7 };

static enum vcpu_next pio(struct vdev *d, struct vcpu *v, struct pio *io)
{
	uint8_t byte = io->data[0];

	(void)v;
	if (!io->write) {
		for (uint32_t i = 0; i < io->len * io->count; i++)
			io->data[i] = 0; /* never woken */
		return VCPU_RUN;
	}
	if (io->port == ACPI_RESET_PORT && byte == ACPI_RESET_VALUE)
		return vm_end(d->vm, OUTCOME_RESET, 0);
	if (io->port == ACPI_SLEEP_CONTROL && byte & SLEEP_ENABLE &&
	    (byte >> SLEEP_TYPE_SHIFT & SLEEP_TYPE_MASK) == ACPI_S5_TYPE)
		return vm_end(d->vm, OUTCOME_POWEROFF, 0);
	return VCPU_RUN;
}

const struct vdev_ops acpipower_ops = {
	.name = "ACPI power",
	.state_bytes = sizeof(struct vdev),
	.ports = { { ACPI_RESET_PORT, 3 } },
	.pio = pio,
};
