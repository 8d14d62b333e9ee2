// SPDX-License-Identifier: GPL-2.0-only
/*
 * A hostile driver: any access to a virtio device's registers and configuration space, any bytes
 * in its queues and in guest memory. The first byte chooses the device.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "tests/unit/virtdriver.h"
#include "vmm/vm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { OP_BYTES = 8, RING = 16, DISK_BYTES = 64 << 10 };

static const struct {
	const struct virtio_ops *ops;
	enum dev_kind kind;
	const char *option;
} kinds[] = {
	{ &blk_ops, DEV_DISK, NULL },
	{ &vconsole_ops, DEV_CONSOLE, "/dev/null,port=a:/dev/null" },
	{ &rng_ops, DEV_RNG, NULL },
};

static struct driver *create(unsigned int kind)
{
	char disk[] = "/tmp/rtkvm-fuzz-XXXXXX";
	int fd = mkstemp(disk);
	struct driver *f;

	if (fd < 0 || ftruncate(fd, DISK_BYTES))
		abort();
	close(fd);
	f = driver_new(kinds[kind].ops, kinds[kind].kind,
		       kinds[kind].kind == DEV_DISK ? disk : kinds[kind].option);
	unlink(disk);
	return f;
}

/* A descriptor from few bytes, mostly a sound one, offered and kicked. */
static void request(struct driver *f, const uint8_t *op)
{
	int q = op[1] % f->d->n_queues;
	uint8_t *at = driver_area(f, q);
	struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags, next;
	} d = { (op[2] & 0x80 ? -1ull << 12 : 0) + (op[2] << 8), op[3] << (op[4] & 15), op[5] & 7,
		op[6] };
	uint16_t *avail = (uint16_t *)(at + AVAIL);

	memcpy(at + op[7] % 16 * sizeof(d), &d, sizeof(d));
	if (op[4] & 0x40)
		return; /* a link of the next one */
	avail[2 + avail[1] % 16] = op[7] & 0x80 ? op[7] : op[7] % 16;
	avail[1] += op[4] & 0x80 ? op[6] : 1;
	driver_kick(f, q);
	virtio_turn(f->d, 0);
}

static void one(struct driver *f, const uint8_t *op)
{
	uint32_t value = op[4] | op[5] << 8 | op[6] << 16 | (uint32_t)op[7] << 24;

	switch (op[0] % 6) {
	case 0:
		driver_config(f, op[2], 1 << op[3] % 3, op[1] & 1, value);
		break;
	case 1:
		driver_memory(f, (op[1] % 8 << 12) + op[2], 1 << op[3] % 4, op[1] & 0x80, value);
		break;
	case 2:
		memcpy(f->vm.mem.host + ((op[1] << 8 | op[2]) & (RAM - 4)), op + 4, 4);
		break;
	case 3:
		driver_begin(f, f->d->features, RING);
		break;
	default:
		request(f, op);
	}
	virtio_turn(f->d, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct driver *f;

	if (!len)
		return 0;
	f = create(data[0] % ARRAY_SIZE(kinds));
	driver_begin(f, f->d->features, RING);
	for (data++, len--; len >= OP_BYTES; data += OP_BYTES, len -= OP_BYTES)
		one(f, data);
	driver_free(f);
	return 0;
}
