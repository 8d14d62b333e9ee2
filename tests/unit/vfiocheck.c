// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
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
#include "tests/unit/tree.h"
#include "vmm/vfio.h"

static void put_link(const char *address, const char *name, const char *to)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/%s", root, address, name);
	unlink(path);
	if (to)
		assert_int_equal(symlink(to, path), 0);
}

static void function(const char *address, const char *class_code, const char *driver)
{
	tree_put(class_code, "bus/pci/devices/%s/class", address);
	tree_put("", "kernel/iommu_groups/12/devices/%s", address);
	put_link(address, "iommu_group", "../../../../kernel/iommu_groups/12");
	put_link(address, "driver", driver);
}

static void says(int want, const char *what)
{
	struct err e = { 0 };

	assert_int_equal(vfio_check(root, "0000:01:00.0", &e), want);
	if (what && !strstr(e.text, what))
		fail_msg("%s", e.text);
}

static void tells_what_is_missing(void **state)
{
	(void)state;
	says(-ENODEV, "there is no such PCI function; lspci -D");
	tree_put("0x020000\n", "bus/pci/devices/0000:01:00.0/class");
	says(-ENODEV, "got none: the host's IOMMU is off; turn it on");
	function("0000:01:00.0", "0x020000\n", NULL);
	says(-EBUSY,
	     "wanted driver vfio-pci, got none; bind it: driverctl set-override 0000:01:00.0");
	put_link("0000:01:00.0", "driver", "../../../../bus/pci/drivers/igb");
	says(-EBUSY, "wanted driver vfio-pci, got igb");
	put_link("0000:01:00.0", "driver", "../../../../bus/pci/drivers/vfio-pci");
	says(12, NULL);
}

static void looks_at_the_whole_group(void **state)
{
	(void)state;
	function("0000:01:00.0", "0x020000\n", "../drivers/vfio-pci");
	function("0000:01:00.1", "0x020000\n", "../drivers/vfio-pci");
	function("0000:00:1c.0", "0x060400\n", "../drivers/pcieport"); /* bridges may stay */
	function("0000:01:00.2", "0x0c0300\n", NULL); /* and so may what nobody drives */
	says(12, NULL);
	put_link("0000:01:00.2", "driver", "../drivers/xhci_hcd");
	says(-EBUSY, "IOMMU group 12 is not viable: 0000:01:00.2 in it has driver xhci_hcd");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(tells_what_is_missing),
		tree_test(looks_at_the_whole_group),
	};

	return cmocka_run_group_tests_name("vfiocheck", tests, NULL, NULL);
}
