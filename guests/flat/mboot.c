// SPDX-License-Identifier: GPL-2.0-only
/*
 * mboot - a multiboot-1 image that checks what a loader has to give it, and fw_cfg
 *
 * Prints what it finds, one thing a line, for the test to compare; exits with 0, or with the number
 * of the first check that failed.
 */
#include "guests/flat/flat.h"
#include "lib/abi.h"

enum {
	HEADER_MAGIC = 0x1badb002,
	HEADER_FLAGS = 3, /* modules on page boundaries, memory information */
	ENTRY_MAGIC = 0x2badb002,
	FWCFG_SELECTOR = 0x510,
	FWCFG_DATA = 0x511,
	INFO_NEEDED = 1 | 4 | 8 | 64, /* memory, command line, modules, memory map */
};

__attribute__((section(".multiboot"), used)) static const uint32_t header[] = {
	HEADER_MAGIC, HEADER_FLAGS, -(uint32_t)(HEADER_MAGIC + HEADER_FLAGS)
};

struct info {
	uint32_t flags, mem_lower_kib, mem_upper_kib, boot_device, cmdline;
	uint32_t mods_count, mods_at, syms[4], mmap_bytes, mmap_at;
};

struct module {
	uint32_t first, end, string, reserved;
};

struct range {
	uint32_t size;
	uint64_t first, bytes;
	uint32_t type;
} __attribute__((packed));

void payload_ap(void)
{
}

static void check(int number, int fine)
{
	if (!fine)
		flat_exit(number);
}

static void print(const char *name, uint64_t value)
{
	flat_puts(name);
	flat_putc(' ');
	flat_put_u64(value);
	flat_putc('\n');
}

static void *at(uint32_t address)
{
	return (void *)(uintptr_t)address;
}

static uint64_t fwcfg(uint16_t key, int bytes)
{
	uint64_t value = 0;

	__asm__ volatile("outw %0, %1" : : "a"(key), "Nd"((uint16_t)FWCFG_SELECTOR));
	for (int i = 0; i < bytes; i++)
		value |= (uint64_t)inb(FWCFG_DATA) << 8 * i;
	return value;
}

static void print_memory(const struct info *info)
{
	uint64_t ram = 0;

	for (uint32_t i = 0; i < info->mmap_bytes;) {
		const struct range *r = at(info->mmap_at + i);

		check(4, r->size >= sizeof(*r) - sizeof(r->size));
		if (r->type == 1)
			ram += r->bytes;
		i += r->size + sizeof(r->size);
	}
	print("lower", info->mem_lower_kib);
	print("upper", info->mem_upper_kib);
	print("ram", ram);
}

static void print_module(const struct info *info)
{
	const struct module *m = at(info->mods_at);

	print("modules", info->mods_count);
	if (!info->mods_count)
		return;
	check(5, m->first % 4096 == 0 && m->end >= m->first);
	print(at(m->string), m->end - m->first);
	for (const char *c = at(m->first); c < (char *)at(m->end); c++)
		flat_putc(*c);
}

static void print_fwcfg(void)
{
	check(6, fwcfg(0, 4) == 0x554d4551); /* "QEMU" */
	check(7, fwcfg(1, 4) == 1);
	check(8, fwcfg(0x19, 4) == 0);
	check(9, fwcfg(0xffff, 8) == 0); /* nobody's key */
	check(10, fwcfg(5, 8) == fwcfg(5, 2)); /* zeros behind the end */
	print("cpus", fwcfg(5, 2));
	print("max_cpus", fwcfg(0xf, 2));
	print("ram_size", fwcfg(3, 8));
}

void payload_main(const void *p)
{
	const struct info *info = p;

	check(1, start_magic == ENTRY_MAGIC);
	check(2, (info->flags & INFO_NEEDED) == INFO_NEEDED);
	flat_puts(at(info->cmdline));
	flat_putc('\n');
	print_memory(info);
	print_module(info);
	print_fwcfg();
	flat_exit(0);
}
