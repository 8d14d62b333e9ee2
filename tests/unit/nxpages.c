// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "lib/cleanup.h"
#include "tests/unit/tree.h"
#include "vmm/nxpages.h"

/* The kernel that is asked; enable: its answer to KVM_ENABLE_CAP, as errno. */
static struct {
	int has, enable;
	int asked, enabled;
} fake;

int ioctl(int fd, unsigned long request, ...)
{
	(void)fd;
	fake.asked++;
	if (request == KVM_CHECK_EXTENSION)
		return fake.has;
	assert_int_equal(request, KVM_ENABLE_CAP);
	errno = fake.enable;
	fake.enabled += !fake.enable;
	return fake.enable ? -1 : 0;
}

static void turns_it_off_when_told_to(void **state)
{
	static const struct {
		const char *parameter;
		enum nxpages_mode mode;
		int has, enable;
		int ret;
		enum nxpages got;
		const char *says; /* the sentence, or the remedy */
	} rows[] = {
		{ "N", NXPAGES_KEEP, 1, 0, 0, NXPAGES_HOST_OFF, NULL },
		{ "never", NXPAGES_OFF, 0, 0, 0, NXPAGES_HOST_OFF, NULL },
		{ NULL, NXPAGES_OFF, 0, 0, 0, NXPAGES_HOST_OFF, NULL },
		{ "Y", NXPAGES_OFF, 1, 0, 0, NXPAGES_VM_OFF, NULL },
		{ "Y", NXPAGES_KEEP, 1, 0, 0, NXPAGES_ON, "trusted, --nx-huge-pages off" },
		{ "Y", NXPAGES_OFF, 1, EPERM, -EPERM, NXPAGES_ON, "CAP_SYS_BOOT" },
		{ "Y", NXPAGES_OFF, 0, 0, -ENOTSUP, NXPAGES_ON, "6.0" },
		{ "Y", NXPAGES_OFF, 1, EINVAL, -EINVAL, NXPAGES_ON, "failed" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		enum nxpages got;
		const char *said;
		char text[16];

		if (rows[i].parameter) {
			snprintf(text, sizeof(text), "%s\n", rows[i].parameter);
			tree_put(text, "module/kvm/parameters/nx_huge_pages");
		} else {
			assert_int_equal(file_remove_tree(root, &e), 0);
		}
		memset(&fake, 0, sizeof(fake));
		fake.has = rows[i].has;
		fake.enable = rows[i].enable;
		if (nxpages_set(&got, rows[i].mode, root, 3, &e) != rows[i].ret)
			fail_msg("row %zu: %s", i, e.text);
		assert_int_equal(got, rows[i].got);
		assert_int_equal(fake.enabled, got == NXPAGES_VM_OFF);
		if (got == NXPAGES_HOST_OFF || rows[i].mode == NXPAGES_KEEP)
			assert_int_equal(fake.asked, 0);
		said = rows[i].ret ? e.text : nxpages_remedy(got);
		if (rows[i].says ? !said || !strstr(said, rows[i].says) : said != NULL)
			fail_msg("row %zu: %s", i, said ? said : "nothing");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(turns_it_off_when_told_to),
	};

	return cmocka_run_group_tests_name("nxpages", tests, NULL, NULL);
}
