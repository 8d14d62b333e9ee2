// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "guests/disk.h"
#include "lib/cleanup.h"

static void command_lines(void **state)
{
	static const struct {
		const char *cfg, *want; /* NULL: refused */
	} rows[] = {
		{ "\tlinux /boot/vmlinuz-6 root=/dev/vda ro quiet\n", "ro quiet" },
		{ "set a=\"x y\"\n linux\t/v a=$a b=${a}c $none\n", "a=x y b=x yc " },
		{ "set tuned_params=\"isolcpus=2 nohz=on\"\nmenuentry 'x' {\n"
		  "\tlinux\t/boot/v root=UUID=1 ro  $tuned_params\n\tinitrd /i\n}\n"
		  "menuentry 'y' {\n\tlinux /boot/w single\n}\n",
		  "ro isolcpus=2 nohz=on" },
		{ "set p=\nset p=\"\"\n linux /v $p quiet\n", " quiet" },
		{ "set p='a'\nset p=b\n linux /v $p\n", "b" },
		{ " linux /v\n", "" },
		{ "linux_not_indented\nlinux /v x\n", NULL },
		{ "", NULL },
		{ " linuxefi /v x\n", NULL },
		{ " linux /v $ ${ ${x cost=$$ end", "$ ${ ${x cost=$$ end" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		char buf[256];
		int ret = disk_parse_grub(rows[i].cfg, buf, sizeof(buf), &e);

		assert_int_equal(ret, rows[i].want ? 0 : -ENOENT);
		if (!ret) {
			size_t n = strlen(rows[i].want);

			while (n && rows[i].want[n - 1] == ' ')
				n--;
			assert_int_equal(strlen(buf), n);
			assert_memory_equal(buf, rows[i].want, n);
		}
	}
}

static void too_long(void **state)
{
	struct err e = { 0 };
	char buf[8];

	(void)state;
	assert_int_equal(disk_parse_grub(" linux /v 12345678", buf, sizeof(buf), &e), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_lines),
		cmocka_unit_test(too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
