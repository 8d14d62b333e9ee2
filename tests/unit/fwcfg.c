// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "vmm/vm.h"

enum { SELECTOR = 0x510, DATA = 0x511 };

struct fixture {
	struct vm vm;
	struct vdev *dev;
};

static void setup(struct fixture *f, int cpus)
{
	struct err e = { 0 };

	memset(f, 0, sizeof(*f));
	f->vm.opts.mem.bytes = 0x123456000;
	f->vm.opts.map.n = cpus;
	f->dev = calloc(1, fwcfg_ops.state_bytes);
	assert_non_null(f->dev);
	f->dev->ops = &fwcfg_ops;
	f->dev->vm = &f->vm;
	assert_int_equal(fwcfg_ops.init(f->dev, &e), 0);
}

static void port_access(struct fixture *f, uint16_t port, bool write, uint8_t len, uint32_t count,
			void *data)
{
	struct pio io = { .port = port, .len = len, .write = write, .count = count, .data = data };

	assert_int_equal(fwcfg_ops.pio(f->dev, NULL, &io), VCPU_RUN);
}

static uint64_t item(struct fixture *f, uint16_t key)
{
	uint8_t bytes[8];
	uint64_t value;

	port_access(f, SELECTOR, true, 2, 1, &key);
	for (int i = 0; i < 8; i++)
		port_access(f, DATA, false, 1, 1, &bytes[i]);
	memcpy(&value, bytes, sizeof(value));
	return value;
}

static void gives_its_items(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, 3);
	assert_int_equal(item(&f, 0x00), 0x554d4551); /* "QEMU" */
	assert_int_equal(item(&f, 0x01), 1);
	assert_int_equal(item(&f, 0x03), 0x123456000);
	assert_int_equal(item(&f, 0x05), 3);
	assert_int_equal(item(&f, 0x0f), 3);
	assert_int_equal(item(&f, 0x19), 0);
	for (uint32_t key = 0; key <= 0xffff; key++)
		if (key > 0x19)
			assert_int_equal(item(&f, key), 0);
	free(f.dev);
}

static void stays_inside_an_item(void **state)
{
	static uint8_t many[4096];
	uint16_t keys[] = { 0x19, 0x03 };
	struct fixture f;

	(void)state;
	setup(&f, 1);
	port_access(&f, SELECTOR, true, 2, 2, keys); /* a string instruction: the last one counts */
	memset(many, 0x55, sizeof(many));
	port_access(&f, DATA, false, 1, sizeof(many), many);
	assert_memory_equal(many, "\0\x60\x45\x23\x01\0\0\0", 8);
	for (size_t i = 8; i < sizeof(many); i++)
		assert_int_equal(many[i], 0);
	for (int i = 0; i < 70000; i++) { /* the position does not come round */
		port_access(&f, DATA, false, 1, 1, many);
		assert_int_equal(many[0], 0);
	}
	free(f.dev);
}

static void ignores_what_is_no_access_of_its(void **state)
{
	uint8_t bytes[4] = { 3, 0, 3, 0 };
	struct fixture f;

	(void)state;
	setup(&f, 1);
	port_access(&f, SELECTOR, true, 1, 1, bytes);
	port_access(&f, DATA, true, 1, 1, bytes);
	port_access(&f, SELECTOR, false, 2, 1, bytes);
	assert_memory_equal(bytes, "\xff\xff\3", 3);
	port_access(&f, DATA, false, 1, 1, bytes);
	assert_int_equal(bytes[0], 'Q'); /* still at the signature's start */
	free(f.dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_its_items),
		cmocka_unit_test(stays_inside_an_item),
		cmocka_unit_test(ignores_what_is_no_access_of_its),
	};

	return cmocka_run_group_tests_name("fwcfg", tests, NULL, NULL);
}
