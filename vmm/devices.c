// SPDX-License-Identifier: GPL-2.0-only
/* Every device of the machine, in the order in which they are made. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "vmm/vm.h"

static const struct vdev_ops *const devices[] = {
	&ioapic_ops, /* first: others raise interrupts through it */
	&serial_ops,   &exitport_ops, &markport_ops,  &dataport_ops, &freezeport_ops, &pageport_ops,
	&slowport_ops, &kbdreset_ops, &acpipower_ops, &pvpanic_ops,  &fwcfg_ops,
};

void vdev_ignore_pio(struct pio *io)
{
	if (!io->write)
		memset(io->data, 0xff, (size_t)io->len * io->count);
}

static int add(struct vm *vm, const struct vdev_ops *ops, struct err *e)
{
	struct vdev *d = calloc(1, ops->state_bytes);
	int ret = 0;

	if (!d)
		return err_set(e, -ENOMEM, "no memory for device %s", ops->name);
	d->ops = ops;
	d->vm = vm;
	vm->devs[vm->n_devs++] = d;
	for (int i = 0; !ret && i < VDEV_PORT_RANGES && ops->ports[i].count; i++)
		ret = bus_add(&vm->ports, ops->ports[i].first, ops->ports[i].count, d, e);
	if (!ret && ops->mmio_bytes)
		ret = bus_add(&vm->mmio, ops->mmio_first, ops->mmio_bytes, d, e);
	if (!ret && ops->init)
		ret = ops->init(d, e);
	return ret;
}

int vm_devices_init(struct vm *vm, struct err *e)
{
	int ret = 0;

	vm->devs = calloc(ARRAY_SIZE(devices), sizeof(*vm->devs));
	if (!vm->devs)
		return err_set(e, -ENOMEM, "no memory for devices");
	for (size_t i = 0; !ret && i < ARRAY_SIZE(devices); i++)
		ret = add(vm, devices[i], e);
	return ret;
}
