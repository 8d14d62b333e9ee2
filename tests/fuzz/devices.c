// SPDX-License-Identifier: GPL-2.0-only
/* A hostile guest: any access of any size to every port and to the IOAPIC, input in between */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/acpi.h"
#include "vmm/serial.h"
#include "vmm/vm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { OP_BYTES = 8, RING_BYTES = 8192, PIO_PAGE = 4096 };

struct fuzz {
	struct vm vm;
	struct vcpu vcpu;
	struct vcpu_stats window[WINDOW_EDGES];
	uint8_t page[PIO_PAGE];
};

static int create(struct fuzz *f)
{
	struct err e = { 0 };

	f->vm.kvm = f->vm.fd = f->vm.io_wake = f->vm.opts.freeze_fd = -1;
	f->vm.vcpus = &f->vcpu;
	f->vm.n_vcpus = 1;
	f->vcpu.vm = &f->vm;
	for (int i = 0; i < WINDOW_EDGES; i++)
		f->vm.window[i] = f->window + i;
	return ring_init(&f->vm.console, RING_BYTES, &e) ||
	       ring_init(&f->vm.data, RING_BYTES, &e) || ring_init(&f->vm.marks, RING_BYTES, &e) ||
	       vm_devices_init(&f->vm, &e);
}

static void destroy(struct fuzz *f)
{
	vm_devices_destroy(&f->vm);
	ring_free(&f->vm.console);
	ring_free(&f->vm.data);
	ring_free(&f->vm.marks);
	free(f);
}

/* KVM gives at most a page of data for one string instruction. */
static void port_access(struct fuzz *f, const uint8_t *op)
{
	struct pio io = { .len = 1 << op[1] % 3, .write = op[1] & 0x80, .data = f->page };
	const struct bus_range *r = &f->vm.ports.ranges[op[2] % f->vm.ports.n];
	struct vdev *d;

	io.port = r->first + op[3] % (r->last - r->first + 2); /* one past the end too */
	io.count = 1 + (op[4] | op[5] << 8) % (PIO_PAGE / io.len);
	memset(f->page, op[6], sizeof(f->page));
	f->page[0] = op[7];
	d = bus_find(&f->vm.ports, io.port, io.len);
	if (d && d->ops->pio)
		d->ops->pio(d, &f->vcpu, &io);
}

static void memory_access(struct fuzz *f, const uint8_t *op)
{
	uint8_t bytes[8] = { op[4], op[5], op[6], op[7] };
	struct mmio io = { .at = ACPI_IOAPIC_ADDR + op[2] % 0x44,
			   .len = 1 + op[3] % 8,
			   .write = op[1] & 0x80,
			   .data = bytes };
	struct vdev *d = bus_find(&f->vm.mmio, io.at, io.len);

	if (d && d->ops->mmio)
		d->ops->mmio(d, &f->vcpu, &io);
}

/* What the I/O thread does meanwhile: without it the data port would wait for room. */
static void drain(struct fuzz *f)
{
	uint8_t sink[512];

	while (ring_pop(&f->vm.console, sink, sizeof(sink)))
		;
	while (ring_pop(&f->vm.data, sink, sizeof(sink)))
		;
	while (ring_pop(&f->vm.marks, sink, sizeof(sink)))
		;
	serial_drained(f->vm.serial);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz *f = aligned_alloc(64, sizeof(*f));

	if (!f)
		return 0;
	memset(f, 0, sizeof(*f));
	if (create(f))
		abort();
	for (; len >= OP_BYTES; data += OP_BYTES, len -= OP_BYTES) {
		switch (data[0] % 4) {
		case 0:
			memory_access(f, data);
			break;
		case 1:
			serial_input(f->vm.serial, data[1]);
			vm_irq(&f->vm, data[2]);
			break;
		default:
			port_access(f, data);
		}
		drain(f);
	}
	destroy(f);
	return 0;
}
