// SPDX-License-Identifier: GPL-2.0-only
/* vfiocheck - what sysfs says of a function that is to be given away, before anything is opened */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "vmm/vfio.h"

enum { CLASS_BRIDGE = 0x06 };

/* The last part of what a link points to; "" when there is none. */
static const char *link_name(const char *sysfs, const char *address, const char *name, char *buf,
			     size_t size)
{
	char path[PATH_MAX], *slash;
	ssize_t n = -1;

	if (file_path(path, sizeof(path), "%s/bus/pci/devices/%s/%s", sysfs, address, name))
		n = readlink(path, buf, size - 1);
	buf[n > 0 ? n : 0] = '\0';
	slash = strrchr(buf, '/');
	return slash ? slash + 1 : buf;
}

static bool is_bridge(const char *sysfs, const char *address)
{
	char path[PATH_MAX], line[32];

	if (!file_path(path, sizeof(path), "%s/bus/pci/devices/%s/class", sysfs, address))
		return false;
	return strtoul(file_read_line(path, line, sizeof(line)), NULL, 16) >> 16 == CLASS_BRIDGE;
}

/* Who shares the group can reach the guest's memory by DMA, and the guest theirs. */
static int check_group(const char *sysfs, const char *address, const char *group, struct err *e)
{
	char path[PATH_MAX], link[PATH_MAX];
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *d;

	if (file_path(path, sizeof(path), "%s/kernel/iommu_groups/%s/devices", sysfs, group))
		dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		const char *driver;

		if (d->d_name[0] == '.' || !strcmp(d->d_name, address))
			continue;
		driver = link_name(sysfs, d->d_name, "driver", link, sizeof(link));
		if (driver[0] && strcmp(driver, "vfio-pci") != 0 && !is_bridge(sysfs, d->d_name))
			return err_set(
				e, -EBUSY,
				"--vfio %s: IOMMU group %s is not viable: %.32s in it has driver "
				"%.64s; bind that to vfio-pci, too, or move the card to another slot",
				address, group, d->d_name, driver);
	}
	return 0;
}

int vfio_check(const char *sysfs, const char *address, struct err *e)
{
	char path[PATH_MAX], link[PATH_MAX], group[32];
	const char *driver;
	int ret;

	if (!file_path(path, sizeof(path), "%s/bus/pci/devices/%s", sysfs, address) ||
	    !file_exists(path))
		return err_set(e, -ENODEV,
			       "--vfio %s: there is no such PCI function; lspci -D lists them",
			       address);
	snprintf(group, sizeof(group), "%.31s",
		 link_name(sysfs, address, "iommu_group", link, sizeof(link)));
	if (!isdigit((unsigned char)group[0]))
		return err_set(
			e, -ENODEV,
			"--vfio %s: wanted an IOMMU group, got none: the host's IOMMU is off; turn "
			"it on in the firmware and boot with intel_iommu=on or amd_iommu=on",
			address);
	driver = link_name(sysfs, address, "driver", link, sizeof(link));
	if (strcmp(driver, "vfio-pci") != 0)
		return err_set(e, -EBUSY,
			       "--vfio %s: wanted driver vfio-pci, got %.64s; bind it: driverctl "
			       "set-override %s vfio-pci",
			       address, driver[0] ? driver : "none", address);
	ret = check_group(sysfs, address, group, e);
	return ret < 0 ? ret : atoi(group);
}
