// SPDX-License-Identifier: GPL-2.0-only
/* Every device of the machine, in the order in which they are made. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

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

/* Kicks and interrupts without leaving the guest: what a device on the PCI bus needs of KVM. */
static int check_kvm(const struct vm *vm, struct err *e)
{
	static const struct {
		int cap;
		const char *name;
	} needed[] = {
		{ KVM_CAP_IRQFD, "KVM_CAP_IRQFD" },
		{ KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING" },
		{ KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD" },
		{ KVM_CAP_IOEVENTFD_ANY_LENGTH, "KVM_CAP_IOEVENTFD_ANY_LENGTH" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (ioctl(vm->kvm, KVM_CHECK_EXTENSION, needed[i].cap) <= 0)
			return err_set(e, -ENOTSUP, "%s: this kernel's KVM lacks %s; leave it out",
				       devopts_name(vm->opts.devices->at[0].kind), needed[i].name);
	return 0;
}

int vm_pci_init(struct vm *vm, struct err *e)
{
	return add(vm, &pci_ops, e);
}

static int add_wanted(struct vm *vm, struct err *e)
{
	static const struct virtio_ops *const kinds[DEV_KINDS] = {
		[DEV_DISK] = &blk_ops, [DEV_CONSOLE] = &vconsole_ops, [DEV_NET] = &net_ops,
		[DEV_RNG] = &rng_ops,  [DEV_VSOCK] = &vsock_ops,
	};
	int ret = check_kvm(vm, e);

	if (!ret)
		ret = vm_pci_init(vm, e);
	for (int i = 0; !ret && i < vm->opts.devices->n; i++) {
		const struct dev_opt *o = &vm->opts.devices->at[i];

		ret = o->kind == DEV_VFIO ? vfio_create(&vm->vfio, vm, o, e)
					  : virtio_create(&vm->virtio, vm, kinds[o->kind], o, e);
	}
	return ret;
}

int vm_devices_init(struct vm *vm, struct err *e)
{
	int ret = 0;

	vm->devs = calloc(ARRAY_SIZE(devices) + 1, sizeof(*vm->devs)); /* and the PCI bus */
	if (!vm->devs)
		return err_set(e, -ENOMEM, "no memory for devices");
	for (size_t i = 0; !ret && i < ARRAY_SIZE(devices); i++)
		ret = add(vm, devices[i], e);
	if (!ret && vm->opts.devices && vm->opts.devices->n)
		ret = add_wanted(vm, e);
	return ret;
}

void vm_devices_destroy(struct vm *vm)
{
	virtio_destroy(&vm->virtio);
	vfio_destroy(&vm->vfio);
	for (size_t i = 0; i < vm->n_devs; i++) {
		struct vdev *d = vm->devs[i];

		if (d->ops->destroy)
			d->ops->destroy(d);
		free(d);
	}
	free(vm->devs);
	vm->devs = NULL;
	vm->n_devs = 0;
	vm->pci = NULL;
}
