// SPDX-License-Identifier: GPL-2.0-only
#include "profiles/grub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/cleanup.h"

#define FRAME(script, lines) \
	"### BEGIN /etc/grub.d/" script " ###\n" lines "### END /etc/grub.d/" script " ###\n"
#define RECOVERY "\tlinux /boot/vmlinuz-6.1 root=/dev/sda1 ro single\n"

static void whose_entries_count(void **state)
{
	static const struct {
		const char *what, *grub;
		int entries, without;
	} t[] = {
		{ "none", "", 0, 0 },
		{ "with the words, in a submenu too",
		  FRAME("10_linux",
			"\tlinux\t/boot/vmlinuz-6.1 ro quiet isolcpus=2 x=1\n"
			"\t\tlinux /boot/vmlinuz-6.0 ro quiet isolcpus=2 x=1\n" RECOVERY),
		  2, 0 },
		{ "without", FRAME("10_linux", "\tlinux /boot/vmlinuz-6.1 ro\n"), 1, 1 },
		{ "a memory tester, another system, one's own",
		  FRAME("10_linux", "linux /vmlinuz isolcpus=2 x=1\n")
			  FRAME("20_memtest86+", "\tlinux16 /boot/memtest86+x64.bin\n")
				  FRAME("30_os-prober", "\tlinux /boot/vmlinuz-5 root=/dev/sdb1\n")
					  FRAME("40_custom", "\tlinuxefi /rescue\n"),
		  1, 0 },
		{ "a root on ZFS", FRAME("10_linux_zfs", "linux /vmlinuz\n"), 1, 1 },
		{ "another script's name begins with it", FRAME("10_linux_xen", "linux /vmlinuz\n"),
		  0, 0 },
		{ "written by hand", "menuentry x {\n linux /vmlinuz ro\n}\n", 1, 1 },
		{ "no kernel's line", FRAME("10_linux", "linux\nlinux_gfx_mode=keep\n"), 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		int entries, without = grub_entries_without(t[i].grub, "isolcpus=2 x=1", &entries);

		if (entries != t[i].entries || without != t[i].without)
			fail_msg("%s: %d of %d lack the words", t[i].what, without, entries);
	}
}

static void same_kernels(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} t[] = {
		{ "", "", true },
		{ "a\n linux /v1 ro\n", "a\n linux /v1 ro isolcpus=2\n", true },
		{ "a\n linux /v1 ro\n", "a\n linux /v2 ro\n", false },
		{ "a\n linux /v1 ro\n", "a\n linux /v1 ro\n linux /v2 ro\n", false },
		{ "a\n linux /v1 ro\n linux /v2", "a\n linux /v1 ro\n", false },
		{ "set timeout=5\n", "set timeout=0\n", false },
		{ " linux /v1", " linux /v1 x", true },
		{ " initrd /i1\n", " initrd /i2\n", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		if (grub_same_kernels(t[i].a, t[i].b) != t[i].same)
			fail_msg("\"%s\" and \"%s\"", t[i].a, t[i].b);
}

/* The names and orders are those of dash and of bash in C and en_US.UTF-8 (glibc 2.36). */
static void order_of_dropins(void **state)
{
	static const struct {
		const char *name;
		int order; /* to zz-rtkvm-tune.cfg */
	} t[] = {
		{ "99-mine.cfg", -1 },	    { "kdump.cfg", -1 },
		{ "zz-a.cfg", -1 },	    { "zz.z.cfg", 1 },
		{ "zz_s.cfg", 1 },	    { "zzz.cfg", 1 },
		{ "zz-rtkvm-tunf.cfg", 1 }, { "zz-rtkvm-tune.cfg", 0 },
		{ "ZZZ.cfg", 0 },	    { "_zzz.cfg", 0 },
		{ "zz-Z.cfg", 0 },	    { "zz-rtkvm-tune2.cfg", 0 },
		{ "zzrtkvm.cfg", 0 },	    { "~a.cfg", 0 },
		{ "zz rtkvm-z.cfg", 0 },    { "z\xc3\xbc.cfg", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		int order = grub_dropin_order(t[i].name, "zz-rtkvm-tune.cfg");

		if ((order > 0) - (order < 0) != t[i].order)
			fail_msg("%s: %d", t[i].name, order);
		order = grub_dropin_order("zz-rtkvm-tune.cfg", t[i].name);
		if ((order < 0) - (order > 0) != t[i].order)
			fail_msg("%s, the other way round: %d", t[i].name, order);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whose_entries_count),
		cmocka_unit_test(same_kernels),
		cmocka_unit_test(order_of_dropins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
