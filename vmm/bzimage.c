// SPDX-License-Identifier: GPL-2.0-only
/* Linux/x86 boot protocol: Documentation/arch/x86/boot.rst; offsets from struct boot_params */
#include <asm/bootparam.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "vmm/acpi.h"
#include "vmm/boot.h"

enum {
	HEADER_START = 0x1f1,
	HEADER_MAGIC = 0x53726448, /* "HdrS" */
	SECTOR = 512,
	ENTRY_64 = 0x200,
	LOADER_UNDEFINED = 0xff,
	MIN_VERSION = 0x020c, /* xloadflags */
};

_Static_assert(sizeof(struct setup_header) <= sizeof(((struct bzimage *)0)->header),
	       "the setup header of this kernel's headers fits");

bool bzimage_is(const uint8_t *data, size_t len)
{
	uint32_t magic;

	if (len < HEADER_START + sizeof(struct setup_header))
		return false;
	memcpy(&magic, data + HEADER_START + offsetof(struct setup_header, header), sizeof(magic));
	return magic == HEADER_MAGIC;
}

/* The header ends where the jump over it lands: byte 0x201 is its distance from 0x202. */
static int parse_header(struct setup_header *h, struct bzimage *b, const uint8_t *data, size_t len,
			struct err *e)
{
	size_t end;

	if (len < HEADER_START + sizeof(*h))
		return err_set(e, -EINVAL, "too short (%zu bytes) for a Linux bzImage", len);
	memcpy(h, data + HEADER_START, sizeof(*h));
	if (h->boot_flag != 0xaa55 || h->header != HEADER_MAGIC)
		return err_set(e, -EINVAL, "neither a Linux bzImage nor an ELF image");
	b->version = h->version;
	if (h->version < MIN_VERSION)
		return err_set(e, -EINVAL,
			       "boot protocol %u.%02u; 2.12 or later is needed (Linux 3.8)",
			       h->version >> 8, h->version & 0xff);
	end = 0x202 + data[0x201];
	if (end <= HEADER_START + offsetof(struct setup_header, init_size) || end > len)
		return err_set(e, -EINVAL, "its setup header has an impossible length");
	b->header_bytes = end - HEADER_START;
	if (b->header_bytes > sizeof(*h))
		b->header_bytes = sizeof(*h); /* newer fields: zero, as the protocol wants */
	memcpy(b->header, h, b->header_bytes);
	return 0;
}

int bzimage_parse(struct bzimage *b, const uint8_t *data, size_t len, struct err *e)
{
	struct setup_header h;
	int ret;

	memset(b, 0, sizeof(*b));
	ret = parse_header(&h, b, data, len, e);
	if (ret < 0)
		return ret;
	if (!(h.loadflags & LOADED_HIGH))
		return err_set(e, -EINVAL, "a zImage (loaded low); a bzImage is needed");
	if (!(h.xloadflags & XLF_KERNEL_64))
		return err_set(e, -EINVAL, "a 32-bit kernel; a 64-bit one is needed");
	b->setup_bytes = ((h.setup_sects ? h.setup_sects : 4) + 1ull) * SECTOR;
	b->kernel_bytes = h.syssize * 16ull;
	if (b->setup_bytes >= len || b->kernel_bytes > len - b->setup_bytes)
		return err_set(e, -EINVAL,
			       "truncated: its header promises %" PRIu64 " bytes, the file has %zu",
			       b->setup_bytes + b->kernel_bytes, len);
	if (b->kernel_bytes <= ENTRY_64)
		return err_set(e, -EINVAL,
			       "its protected-mode part is too short for an entry point");
	b->load = h.pref_address;
	b->init_bytes = h.init_size > b->kernel_bytes ? h.init_size : b->kernel_bytes;
	b->align = h.kernel_alignment;
	b->relocatable = h.relocatable_kernel;
	b->initrd_max = h.initrd_addr_max;
	b->cmdline_max = h.cmdline_size;
	if (b->load < BOOT_HIGH_START || b->load >= MEM_HOLE_START)
		return err_set(e, -EINVAL, "it wants to be loaded at %#" PRIx64, b->load);
	if (b->relocatable && (b->align & (b->align - 1) || !b->align))
		return err_set(e, -EINVAL, "its alignment %#" PRIx64 " is no power of two",
			       b->align);
	return 0;
}

/* The preferred place saves the kernel a copy of itself; a small guest takes the lowest aligned. */
static int choose_address(const struct bzimage *b, const struct memory *m, uint64_t *at,
			  struct err *e)
{
	uint64_t lowest = BOOT_HIGH_START;

	*at = b->load;
	if (b->relocatable)
		lowest = (BOOT_HIGH_START + b->align - 1) & ~(b->align - 1);
	if (*at + b->init_bytes > m->low_bytes && b->relocatable)
		*at = lowest;
	if (*at + b->init_bytes > m->low_bytes)
		return err_set(e, -EFBIG,
			       "the kernel needs %" PRIu64
			       " MiB of memory to start; the guest has %" PRIu64
			       " MiB; give it more with --memory",
			       ((*at + b->init_bytes) >> 20) + 1, m->bytes >> 20);
	return 0;
}

static void fill_e820(struct boot_params *p, const struct memory *m)
{
	struct boot_range r[BOOT_RANGES];

	p->e820_entries = boot_memory_map(m, r);
	for (int i = 0; i < p->e820_entries; i++)
		p->e820_table[i] = (struct boot_e820_entry){ .addr = r[i].first,
							     .size = r[i].bytes,
							     .type = r[i].type };
}

static void fill_params(struct boot_params *p, const struct bzimage *b, const struct memory *m,
			uint64_t initrd_at, uint64_t initrd_bytes)
{
	memset(p, 0, sizeof(*p));
	memcpy(&p->hdr, b->header, b->header_bytes);
	p->hdr.type_of_loader = LOADER_UNDEFINED;
	p->hdr.loadflags |= CAN_USE_HEAP;
	p->hdr.cmd_line_ptr = BOOT_CMDLINE;
	p->hdr.ramdisk_image = initrd_at;
	p->hdr.ramdisk_size = initrd_bytes;
	p->acpi_rsdp_addr = BOOT_ACPI; /* saves the kernel the search of the BIOS area */
	fill_e820(p, m);
}

int bzimage_load(struct vm *vm, const struct boot_opts *o, const uint8_t *data, size_t len,
		 struct vcpu_entry *entry, struct err *e)
{
	const struct memory *m = &vm->mem;
	uint64_t at = 0, initrd_at, initrd_bytes;
	struct boot_params p;
	struct bzimage b;
	int ret = bzimage_parse(&b, data, len, e);

	if (!ret)
		ret = choose_address(&b, m, &at, e);
	if (!ret)
		ret = boot_put(m, at, data + b.setup_bytes, b.kernel_bytes, "the kernel", e);
	if (!ret)
		ret = boot_put_cmdline(m, o->append ? o->append : "", b.cmdline_max, e);
	if (!ret)
		ret = boot_put_initrd(m, o->initrd, at + b.init_bytes, b.initrd_max + 1, &initrd_at,
				      &initrd_bytes, e);
	if (ret < 0)
		return ret;
	fill_params(&p, &b, m, initrd_at, initrd_bytes);
	*entry = (struct vcpu_entry){ .mode = VCPU_LONG_MODE,
				      .rip = at + ENTRY_64,
				      .arg = BOOT_INFO };
	return boot_put(m, BOOT_INFO, &p, sizeof(p), "boot_params", e);
}
