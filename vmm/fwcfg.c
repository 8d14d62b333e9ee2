// SPDX-License-Identifier: GPL-2.0-only
/* fwcfg - QEMU's firmware configuration by port (QEMU docs/specs/fw_cfg): what test images ask for.
 * A 16-bit write to 0x510 selects an item, each read of 0x511 gives its next byte, zeros behind it. */
#include <endian.h>
#include <string.h>

#include "lib/cleanup.h"
#include "vmm/vm.h"

enum { SELECTOR = 0x510, DATA = 0x511, ITEM_BYTES = 8 };

enum {
	KEY_SIGNATURE = 0x00,
	KEY_ID = 0x01,
	KEY_RAM_SIZE = 0x03,
	KEY_NB_CPUS = 0x05,
	KEY_MAX_CPUS = 0x0f,
	KEY_FILE_DIR = 0x19,
	ID_PORTS = 1, /* the traditional interface; bit 1 would be DMA */
};

struct item {
	uint16_t key, len;
	uint8_t data[ITEM_BYTES];
};

struct fwcfg {
	struct vdev dev;
	struct item items[6]; /* fixed before the first instruction */
	_Atomic uint32_t at; /* key << 16 | offset: one word, so that no vCPU sees half of it */
};

static void set_item(struct item *i, uint16_t key, uint64_t value, uint16_t len)
{
	uint64_t le = htole64(value);

	*i = (struct item){ .key = key, .len = len };
	memcpy(i->data, &le, len);
}

static int init(struct vdev *d, struct err *e)
{
	struct fwcfg *f = container_of(d, struct fwcfg, dev);

	(void)e;
	f->items[0] = (struct item){ KEY_SIGNATURE, 4, "QEMU" };
	set_item(&f->items[1], KEY_ID, ID_PORTS, 4);
	set_item(&f->items[2], KEY_RAM_SIZE, d->vm->opts.mem.bytes, 8);
	set_item(&f->items[3], KEY_NB_CPUS, d->vm->opts.map.n, 2);
	set_item(&f->items[4], KEY_MAX_CPUS, d->vm->opts.map.n, 2);
	set_item(&f->items[5], KEY_FILE_DIR, 0, 4); /* no files */
	return 0;
}

/* The byte at a position; the position moves on, but never into the next key. */
static uint8_t next_byte(struct fwcfg *f)
{
	uint32_t at = atomic_load_explicit(&f->at, memory_order_relaxed);
	uint16_t key = at >> 16, offset = at;

	for (size_t i = 0; i < ARRAY_SIZE(f->items); i++)
		if (f->items[i].key == key && offset < f->items[i].len) {
			atomic_store_explicit(&f->at, at + 1, memory_order_relaxed);
			return f->items[i].data[offset];
		}
	return 0;
}

static enum vcpu_next pio(struct vdev *d, struct vcpu *v, struct pio *io)
{
	struct fwcfg *f = container_of(d, struct fwcfg, dev);
	uint16_t key;

	(void)v;
	if (io->write && io->port == SELECTOR && io->len == sizeof(key)) {
		memcpy(&key, io->data + (io->count - 1) * sizeof(key), sizeof(key));
		atomic_store_explicit(&f->at, (uint32_t)le16toh(key) << 16, memory_order_relaxed);
		return VCPU_RUN;
	}
	vdev_ignore_pio(io);
	if (!io->write && io->port == DATA && io->len == 1)
		for (uint32_t i = 0; i < io->count; i++)
			io->data[i] = next_byte(f);
	return VCPU_RUN;
}

const struct vdev_ops fwcfg_ops = {
	.name = "fw_cfg",
	.state_bytes = sizeof(struct fwcfg),
	.ports = { { SELECTOR, 2 } },
	.init = init,
	.pio = pio,
};
