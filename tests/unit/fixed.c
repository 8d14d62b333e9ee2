// SPDX-License-Identifier: GPL-2.0-only
#include "profiles/fixed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/knob.h"

static void put(const char *dir, const char *name, const char *text)
{
	struct err e = { 0 };
	char path[160];

	snprintf(path, sizeof(path), "%s%s", dir, name);
	*strrchr(path, '/') = '\0';
	assert_int_equal(file_mkdirs(path, &e), 0);
	snprintf(path, sizeof(path), "%s%s", dir, name);
	assert_int_equal(file_replace(path, text, strlen(text), &e), 0);
}

static void which_are_harmless(void **state)
{
	static const struct {
		int irq;
		const char *action, *mask;
		bool has, harmless;
	} t[] = {
		{ 35, "nvme0q2", "4", true, true },	{ 35, "nvme0q2", "c", true, true },
		{ 35, "nvme0q2", "6", true, false }, /* CPU 1's requests come to CPU 2 */
		{ 35, "eth0", "4", false, false }, /* the number is another device's now */
		{ 35, "nvme0q", "4", false, false },	{ 5, "nvme0q2", "4", false, false },
		{ 36, "eth0, usb 1", "4", true, true }, { 37, "?", "4", true, true },
	};
	char dir[] = "/tmp/rtkvm-fixed.XXXXXX", list[FIXED_BYTES];
	struct machine m = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	m.root = knob_root(dir, &e);
	assert_int_equal(cpulist_parse(&m.isolated, "2-3", &e), 0);
	fixed_load(&m, list);
	assert_string_equal(list, "");
	put(dir, FIXED_IRQS, "35 nvme0q2\n36 eth0, usb 1\n37 ?\n");
	fixed_load(&m, list);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity", t[i].irq);
		put(dir, path, t[i].mask);
		if (fixed_has(list, t[i].irq, t[i].action) != t[i].has ||
		    fixed_harmless(&m, list, t[i].irq, t[i].action) != t[i].harmless)
			fail_msg("%d %s with mask %s", t[i].irq, t[i].action, t[i].mask);
	}
	close(m.root);
	file_remove_tree(dir, &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_are_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
