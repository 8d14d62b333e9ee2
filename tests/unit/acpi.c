// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "vmm/acpi.h"

enum { BASE = 0xe0000 };

static uint8_t sum(const uint8_t *p, size_t len)
{
	uint8_t s = 0;

	while (len--)
		s += *p++;
	return s;
}

static uint32_t le32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t le64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* A table by its guest address: inside the block, its length too, its checksum right. */
static const uint8_t *table(const uint8_t *block, size_t used, uint64_t at, const char *signature)
{
	const uint8_t *t = block + (at - BASE);

	assert_true(at >= BASE && at - BASE + 36 <= used);
	assert_memory_equal(t, signature, 4);
	assert_true(at - BASE + le32(t + 4) <= used);
	assert_int_equal(sum(t, le32(t + 4)), 0);
	return t;
}

/* Offsets: ACPI 6.4, tables 5.3, 5.7, 5.9, 5.19 */
static void tables_chain_and_add_up(void **state)
{
	static const uint32_t vcpus[] = { 1, 2, 7, 128 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vcpus); i++) {
		uint8_t block[8192];
		bool pci = i % 2;
		struct err e = { 0 };
		size_t used = acpi_build(block, sizeof(block), BASE, vcpus[i], pci, &e);
		const uint8_t *xsdt, *fadt, *madt;
		uint32_t lapics = 0, ioapics = 0;

		assert_true(used > 0);
		assert_memory_equal(block, "RSD PTR ", 8);
		assert_int_equal(sum(block, 20), 0);
		assert_int_equal(sum(block, 36), 0);
		xsdt = table(block, used, le64(block + 24), "XSDT");
		assert_int_equal(le32(xsdt + 4), 36 + (pci ? 3 : 2) * 8);
		if (pci)
			table(block, used, le64(xsdt + 52), "SSDT");
		fadt = table(block, used, le64(xsdt + 36), "FACP");
		assert_int_equal(le32(fadt + 4), 276);
		assert_true(le32(fadt + 112) & 1 << 20); /* HW_REDUCED_ACPI */
		assert_true(le32(fadt + 112) & 1 << 10); /* RESET_REG_SUP */
		assert_int_equal(le64(fadt + 120), ACPI_RESET_PORT);
		assert_int_equal(fadt[128], ACPI_RESET_VALUE);
		assert_int_equal(le64(fadt + 248), ACPI_SLEEP_CONTROL);
		table(block, used, le64(fadt + 140), "DSDT");
		madt = table(block, used, le64(xsdt + 44), "APIC");
		for (const uint8_t *p = madt + 44; p < madt + le32(madt + 4); p += p[1]) {
			assert_true(p[1] >= 2);
			if (p[0] == 0)
				assert_int_equal(p[3], lapics++);
			ioapics += p[0] == 1;
		}
		assert_int_equal(lapics, vcpus[i]);
		assert_int_equal(ioapics, 1);
	}
}

static void too_little_room_is_an_error(void **state)
{
	uint8_t *block;

	(void)state;
	for (size_t room = 0; room < 512; room += 7) {
		struct err e = { 0 };

		block = malloc(room ? room : 1);
		assert_int_equal(acpi_build(block, room, BASE, 1, room % 2, &e), 0);
		assert_int_equal(e.code, -ENOSPC);
		free(block);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_chain_and_add_up),
		cmocka_unit_test(too_little_room_is_an_error),
	};

	return cmocka_run_group_tests_name("acpi", tests, NULL, NULL);
}
