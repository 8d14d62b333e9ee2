// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/acpi.h"

#include <errno.h>
#include <string.h>

#include "vmm/boot.h"
#include "vmm/dsdt_aml.h" /* built from dsdt.asl */
#include "vmm/pci_aml.h"
#include "vmm/vm.h"

enum {
	FADT_PWR_BUTTON = 1 << 4, /* no fixed buttons */
	FADT_SLP_BUTTON = 1 << 5,
	FADT_RESET_REG_SUP = 1 << 10,
	FADT_HW_REDUCED = 1 << 20,
	ARCH_NO_VGA = 1 << 2,
	ARCH_NO_RTC = 1 << 5, /* and bit 1 clear: no 8042 to probe */
	SPACE_IO = 1,
	MADT_LAPIC = 0,
	MADT_IOAPIC = 1,
};

struct header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem_id[6], oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __attribute__((packed));

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt, length;
	uint64_t xsdt;
	uint8_t extended_checksum, reserved[3];
} __attribute__((packed));

struct gas {
	uint8_t space, bits, offset, access;
	uint64_t address;
} __attribute__((packed));

struct fadt {
	struct header h;
	uint32_t facs, dsdt;
	uint8_t legacy[109 - 44];
	uint16_t boot_arch;
	uint8_t reserved;
	uint32_t flags;
	struct gas reset;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor;
	uint64_t x_facs, x_dsdt;
	uint8_t x_blocks[244 - 148];
	struct gas sleep_control, sleep_status;
	uint64_t hypervisor;
} __attribute__((packed));

struct madt {
	struct header h;
	uint32_t lapic, flags;
} __attribute__((packed));

struct madt_lapic {
	uint8_t type, length, uid, id;
	uint32_t flags;
} __attribute__((packed));

struct madt_ioapic {
	uint8_t type, length, id, reserved;
	uint32_t address, gsi_base;
} __attribute__((packed));

_Static_assert(sizeof(struct header) == 36, "ACPI 6.4 table 5.4");
_Static_assert(sizeof(struct rsdp) == 36, "ACPI 6.4 table 5.3");
_Static_assert(sizeof(struct fadt) == 276, "ACPI 6.4 table 5.9");
_Static_assert(offsetof(struct fadt, boot_arch) == 109, "ACPI 6.4 table 5.9");
_Static_assert(offsetof(struct fadt, sleep_control) == 244, "ACPI 6.4 table 5.9");

struct tables {
	uint8_t *out;
	size_t size, used;
	uint64_t base;
};

static uint8_t checksum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint8_t sum = 0;

	while (len--)
		sum += *p++;
	return -sum;
}

/* Zeroed room for len bytes at the next multiple of 16; NULL when there is none. */
static void *take(struct tables *t, size_t len, uint64_t *at)
{
	size_t start = (t->used + 15) & ~(size_t)15;

	if (start > t->size || len > t->size - start)
		return NULL;
	t->used = start + len;
	*at = t->base + start;
	return memset(t->out + start, 0, len);
}

static void finish(struct header *h, const char *signature, uint8_t revision, size_t len)
{
	memcpy(h->signature, signature, 4);
	h->length = len;
	h->revision = revision;
	memcpy(h->oem_id, "RTKVM ", 6);
	memcpy(h->oem_table_id, "RTKVM   ", 8);
	h->oem_revision = 1;
	memcpy(h->creator_id, "RTKV", 4);
	h->creator_revision = 1;
	h->checksum = 0;
	h->checksum = checksum(h, len);
}

/* iasl made its header and checksum. */
static bool add_aml(struct tables *t, const unsigned char *code, size_t len, uint64_t *at)
{
	void *p = take(t, len, at);

	if (p)
		memcpy(p, code, len);
	return p;
}

static struct gas io_byte(uint16_t port)
{
	return (struct gas){ .space = SPACE_IO, .bits = 8, .access = 1, .address = port };
}

static bool add_fadt(struct tables *t, uint64_t dsdt, uint64_t *at)
{
	struct fadt *f = take(t, sizeof(*f), at);

	if (!f)
		return false;
	f->x_dsdt = dsdt;
	f->boot_arch = ARCH_NO_VGA | ARCH_NO_RTC;
	f->flags = FADT_PWR_BUTTON | FADT_SLP_BUTTON | FADT_RESET_REG_SUP | FADT_HW_REDUCED;
	f->reset = io_byte(ACPI_RESET_PORT);
	f->reset_value = ACPI_RESET_VALUE;
	f->minor = 4;
	f->sleep_control = io_byte(ACPI_SLEEP_CONTROL);
	f->sleep_status = io_byte(ACPI_SLEEP_STATUS);
	finish(&f->h, "FACP", 6, sizeof(*f));
	return true;
}

static bool add_madt(struct tables *t, uint32_t n_vcpus, uint64_t *at)
{
	size_t len = sizeof(struct madt) + n_vcpus * sizeof(struct madt_lapic) +
		     sizeof(struct madt_ioapic);
	struct madt *m = take(t, len, at);
	struct madt_lapic *cpu;
	struct madt_ioapic *io;

	if (!m)
		return false;
	m->lapic = ACPI_LAPIC_ADDR;
	cpu = (struct madt_lapic *)(m + 1);
	for (uint32_t i = 0; i < n_vcpus; i++)
		*cpu++ = (struct madt_lapic){ MADT_LAPIC, sizeof(*cpu), i, i, 1 };
	io = (struct madt_ioapic *)cpu;
	*io = (struct madt_ioapic){ .type = MADT_IOAPIC,
				    .length = sizeof(*io),
				    .address = ACPI_IOAPIC_ADDR };
	finish(&m->h, "APIC", 5, len);
	return true;
}

static bool add_xsdt(struct tables *t, const uint64_t *entries, size_t n, uint64_t *at)
{
	size_t len = sizeof(struct header) + n * sizeof(*entries);
	struct header *h = take(t, len, at);

	if (!h)
		return false;
	memcpy(h + 1, entries, n * sizeof(*entries));
	finish(h, "XSDT", 1, len);
	return true;
}

size_t acpi_build(uint8_t *out, size_t size, uint64_t base, uint32_t n_vcpus, bool pci,
		  struct err *e)
{
	enum { FADT, MADT, SSDT, TABLES };
	struct tables t = { .out = out, .size = size, .base = base };
	uint64_t at, dsdt, xsdt, tables[TABLES];
	struct rsdp *r = take(&t, sizeof(*r), &at);

	if (!r || !add_aml(&t, dsdt_aml_code, sizeof(dsdt_aml_code), &dsdt) ||
	    !add_fadt(&t, dsdt, &tables[FADT]) || !add_madt(&t, n_vcpus, &tables[MADT]) ||
	    (pci && !add_aml(&t, pci_aml_code, sizeof(pci_aml_code), &tables[SSDT])) ||
	    !add_xsdt(&t, tables, pci ? TABLES : SSDT, &xsdt)) {
		err_set(e, -ENOSPC, "the ACPI tables do not fit into %zu bytes", size);
		return 0;
	}
	memcpy(r->signature, "RSD PTR ", 8);
	memcpy(r->oem_id, "RTKVM ", 6);
	r->revision = 2;
	r->length = sizeof(*r);
	r->xsdt = xsdt;
	r->checksum = checksum(r, 20);
	r->extended_checksum = checksum(r, sizeof(*r));
	return t.used;
}

int acpi_write(struct vm *vm, struct err *e)
{
	size_t room = BOOT_HIGH_START - BOOT_ACPI;
	uint8_t *to = mem_ptr(&vm->mem, GPA(BOOT_ACPI), room);

	if (!to)
		return err_set(e, -EINVAL, "guest memory is too small for ACPI tables");
	return acpi_build(to, room, BOOT_ACPI, vm->n_vcpus, vm->pci, e) ? 0 : e->code;
}
