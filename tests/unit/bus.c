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
#include "vmm/bus.h"

static const struct vdev_ops ops = { .name = "test" };

static void finds_whole_accesses_only(void **state)
{
	struct vdev a = { .ops = &ops }, b = { .ops = &ops };
	struct err e = { 0 };
	struct bus bus = { .n = 0 };
	const struct {
		uint64_t at, len;
		const struct vdev *dev;
	} rows[] = {
		{ 0x3f7, 1, NULL },  { 0x3f8, 1, &b },	{ 0x3f8, 8, &b },
		{ 0x3f8, 9, NULL },  { 0x3ff, 1, &b },	{ 0x3ff, 2, NULL },
		{ 0x400, 1, NULL },  { 0x60, 1, &a },	{ 0x60, 2, NULL },
		{ 0x5f, 2, NULL },   { 0, 1, NULL },	{ 0x3f8, 0, NULL },
		{ 0xffff, 4, NULL }, { 0xfe, 1, NULL }, { UINT64_MAX, 8, NULL },
	};

	(void)state;
	assert_int_equal(bus_add(&bus, 0x3f8, 8, &b, &e), 0);
	assert_int_equal(bus_add(&bus, 0x60, 1, &a, &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_ptr_equal(bus_find(&bus, rows[i].at, rows[i].len), rows[i].dev);
}

static void refuses_overlaps(void **state)
{
	static const struct {
		uint64_t first, count;
		int ret;
	} rows[] = {
		{ 100, 10, -EEXIST }, { 95, 6, -EEXIST }, { 109, 1, -EEXIST },
		{ 90, 100, -EEXIST }, { 0, 0, -EINVAL },  { UINT64_MAX, 2, -EINVAL },
		{ 95, 5, 0 },	      { 110, 1, 0 },
	};
	struct vdev d = { .ops = &ops };
	struct bus bus = { .n = 0 };
	struct err first = { 0 };

	(void)state;
	assert_int_equal(bus_add(&bus, 100, 10, &d, &first), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };

		assert_int_equal(bus_add(&bus, rows[i].first, rows[i].count, &d, &e), rows[i].ret);
	}
	for (size_t i = 1; i < bus.n; i++)
		assert_true(bus.ranges[i - 1].last < bus.ranges[i].first);
}

static void full_is_an_error(void **state)
{
	struct vdev d = { .ops = &ops };
	struct bus bus = { .n = 0 };
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < BUS_RANGES; i++)
		assert_int_equal(bus_add(&bus, i * 2, 1, &d, &e), 0);
	assert_int_equal(bus_add(&bus, 1000, 1, &d, &e), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_whole_accesses_only),
		cmocka_unit_test(refuses_overlaps),
		cmocka_unit_test(full_is_an_error),
	};

	return cmocka_run_group_tests_name("bus", tests, NULL, NULL);
}
