// SPDX-License-Identifier: GPL-2.0-only
/*
 * A hostile driver: any access to a virtio device's registers and configuration space, any bytes
 * in its queues and in guest memory. The first byte chooses the device.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "vmm/vm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { RAM = 64 << 10, OP_BYTES = 8, QUEUE_AREA = 0x1000, DISK_BYTES = 64 << 10 };

struct fuzz {
	struct vm vm;
	struct dev_opts devices;
	struct virtio *d;
	char disk[32];
};

static const struct {
	const struct virtio_ops *ops;
	enum dev_kind kind;
	const char *option;
} kinds[] = {
	{ &blk_ops, DEV_DISK, NULL },
	{ &vconsole_ops, DEV_CONSOLE, "/dev/null,port=a:/dev/null" },
	{ &rng_ops, DEV_RNG, NULL },
};

static void make_disk(struct fuzz *f)
{
	int fd;

	strcpy(f->disk, "/tmp/rtkvm-fuzz-XXXXXX");
	fd = mkstemp(f->disk);
	if (fd < 0 || ftruncate(fd, DISK_BYTES))
		abort();
	close(fd);
}

static void create(struct fuzz *f, unsigned int kind)
{
	const char *option = kinds[kind].option;
	struct err e = { 0 };

	f->vm.kvm = f->vm.fd = f->vm.io_wake = f->vm.opts.freeze_fd = -1;
	f->vm.mem.bytes = f->vm.mem.low_bytes = RAM;
	f->vm.mem.host = calloc(1, RAM);
	f->vm.opts.devices = NULL;
	make_disk(f);
	if (kinds[kind].kind == DEV_DISK)
		option = f->disk;
	if (!f->vm.mem.host || devopts_add(&f->devices, kinds[kind].kind, option, &e) ||
	    vm_devices_init(&f->vm, &e) || vm_pci_init(&f->vm, &e) ||
	    virtio_create(&f->vm.virtio, &f->vm, kinds[kind].ops, &f->devices.at[0], &e))
		abort();
	f->d = f->vm.virtio.at[0];
}

static void destroy(struct fuzz *f)
{
	vm_devices_destroy(&f->vm);
	unlink(f->disk);
	free(f->vm.mem.host);
	free(f);
}

static void config(struct fuzz *f, uint32_t at, uint8_t len, bool write, uint32_t value)
{
	uint32_t address = 1u << 31 | 1 << 11 | (at & 0xfc);
	struct pio select = { 0xcf8, 4, true, 1, (void *)&address };
	struct pio io = { 0xcfc + (at & 3), len, write, 1, (void *)&value };
	struct vdev *pci = f->vm.pci;

	pci->ops->pio(pci, NULL, &select);
	pci->ops->pio(pci, NULL, &io);
}

static void memory(struct fuzz *f, uint64_t offset, uint8_t len, bool write, uint64_t value)
{
	struct mmio m = { PCI_WINDOW_FIRST + offset, len, write, (void *)&value };
	struct vdev *pci = f->vm.pci;

	pci->ops->mmio(pci, NULL, &m);
}

/* What a driver does up to DRIVER_OK, each queue in an area of its own. */
static void begin(struct fuzz *f)
{
	config(f, 4, 2, true, PCI_COMMAND_MEMORY);
	memory(f, 0x14, 1, true, 3);
	memory(f, 8, 4, true, 1);
	memory(f, 12, 4, true, f->d->features >> 32);
	memory(f, 8, 4, true, 0);
	memory(f, 12, 4, true, (uint32_t)f->d->features);
	memory(f, 0x14, 1, true, 11);
	for (int i = 0; i < f->d->n_queues; i++) {
		uint32_t at = (1 + i) * QUEUE_AREA;

		memory(f, 0x16, 2, true, i);
		memory(f, 0x18, 2, true, 16);
		memory(f, 0x20, 8, true, at);
		memory(f, 0x28, 8, true, at + 0x400);
		memory(f, 0x30, 8, true, at + 0x800);
		memory(f, 0x1c, 2, true, 1);
	}
	memory(f, 0x14, 1, true, 15);
	virtio_turn(f->d, 0);
}

/* A descriptor from few bytes, mostly a sound one, offered and kicked. */
static void request(struct fuzz *f, const uint8_t *op)
{
	int q = op[1] % f->d->n_queues;
	uint8_t *at = f->vm.mem.host + (1 + q) * QUEUE_AREA;
	struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags, next;
	} d = { (op[2] & 0x80 ? -1ull << 12 : 0) + (op[2] << 8), op[3] << (op[4] & 15), op[5] & 7,
		op[6] };
	uint16_t *avail = (uint16_t *)(at + 0x400);

	memcpy(at + op[7] % 16 * sizeof(d), &d, sizeof(d));
	if (op[4] & 0x40)
		return; /* a link of the next one */
	avail[2 + avail[1] % 16] = op[7] & 0x80 ? op[7] : op[7] % 16;
	avail[1] += op[4] & 0x80 ? op[6] : 1;
	memory(f, 0x3000 + 4 * q, 2, true, q);
	virtio_turn(f->d, 0);
}

static void one(struct fuzz *f, const uint8_t *op)
{
	uint32_t value = op[4] | op[5] << 8 | op[6] << 16 | (uint32_t)op[7] << 24;

	switch (op[0] % 6) {
	case 0:
		config(f, op[2], 1 << op[3] % 3, op[1] & 1, value);
		break;
	case 1:
		memory(f, (op[1] % 8 << 12) + op[2], 1 << op[3] % 4, op[1] & 0x80, value);
		break;
	case 2:
		memcpy(f->vm.mem.host + ((op[1] << 8 | op[2]) & (RAM - 4)), op + 4, 4);
		break;
	case 3:
		begin(f);
		break;
	default:
		request(f, op);
	}
	virtio_turn(f->d, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz *f = aligned_alloc(64, (sizeof(*f) + 63) / 64 * 64);

	if (!f || !len)
		return free(f), 0;
	memset(f, 0, sizeof(*f));
	create(f, data[0] % ARRAY_SIZE(kinds));
	begin(f);
	for (data++, len--; len >= OP_BYTES; data += OP_BYTES, len -= OP_BYTES)
		one(f, data);
	destroy(f);
	return 0;
}
