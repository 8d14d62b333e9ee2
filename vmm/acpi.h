/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * acpi - the tables of a hardware-reduced machine: RSDP, XSDT, FADT, MADT, DSDT, SSDT
 *
 * Layouts: ACPI 6.4, chapters 5.2.5 (RSDP), 5.2.8 (XSDT), 5.2.9 (FADT), 5.2.12 (MADT). The DSDT is
 * vmm/dsdt.asl, and a machine with a PCI bus has an SSDT, vmm/pci.asl; iasl compiles both.
 */
#ifndef RTKVM_VMM_ACPI_H
#define RTKVM_VMM_ACPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct vm;

/* Ports and GSIs that the tables name and the devices serve; dsdt.asl repeats them. */
enum {
	ACPI_COM1_PORT = 0x3f8,
	ACPI_COM1_GSI = 4,
	ACPI_RESET_PORT = 0x600, /* FADT RESET_REG, value 1 */
	ACPI_SLEEP_CONTROL = 0x601,
	ACPI_SLEEP_STATUS = 0x602,
	ACPI_RESET_VALUE = 1,
	ACPI_S5_TYPE = 5,
	ACPI_PVPANIC_PORT = 0x505,
};

#define ACPI_IOAPIC_ADDR 0xfec00000ull
#define ACPI_LAPIC_ADDR	 0xfee00000ull

/*
 * acpi_build - all tables for n_vcpus, with a PCI bus or without, as they lie from guest address
 * base; returns the length
 */
size_t acpi_build(uint8_t *out, size_t size, uint64_t base, uint32_t n_vcpus, bool pci,
		  struct err *e);

/* acpi_write - acpi_build into guest memory, where the kernel is told to look (BOOT_ACPI) */
int acpi_write(struct vm *vm, struct err *e);

#endif
