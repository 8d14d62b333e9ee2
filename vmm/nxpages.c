// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/nxpages.h"

#include <errno.h>
#include <limits.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/file.h"

#ifndef KVM_CAP_VM_DISABLE_NX_HUGE_PAGES
#define KVM_CAP_VM_DISABLE_NX_HUGE_PAGES 220 /* Linux 6.0 */
#endif

const char *nxpages_name(enum nxpages n)
{
	static const char *const names[] = {
		[NXPAGES_HOST_OFF] = "off",
		[NXPAGES_VM_OFF] = "off for this VM",
		[NXPAGES_ON] = "on",
	};

	return names[n];
}

const char *nxpages_remedy(enum nxpages n)
{
	return n == NXPAGES_ON ? "where the guest is trusted, --nx-huge-pages off ends it" : NULL;
}

/* "Y", "N", or "never", which is as good; a kernel without the parameter has no mitigation. */
static bool host_has_it(const char *sysfs)
{
	char path[PATH_MAX], text[16];

	return file_path(path, sizeof(path), "%s/module/kvm/parameters/nx_huge_pages", sysfs) &&
	       !strcmp(file_read_line(path, text, sizeof(text)), "Y");
}

/* Not to be had: -errno, and what else could be done. */
static int cannot(int why, const char *remedy, struct err *e)
{
	return err_set(
		e, why,
		"--nx-huge-pages: wanted off, kvm.nx_huge_pages is Y and stays; %s, or, where "
		"every guest of the host is trusted, set kvm.nx_huge_pages=off",
		remedy);
}

int nxpages_set(enum nxpages *got, enum nxpages_mode mode, const char *sysfs, int vm, struct err *e)
{
	struct kvm_enable_cap c = { .cap = KVM_CAP_VM_DISABLE_NX_HUGE_PAGES };

	*got = host_has_it(sysfs) ? NXPAGES_ON : NXPAGES_HOST_OFF;
	if (*got == NXPAGES_HOST_OFF || mode == NXPAGES_KEEP)
		return 0;
	if (ioctl(vm, KVM_CHECK_EXTENSION, c.cap) <= 0)
		return cannot(-ENOTSUP, "run a kernel of 6.0 or later", e);
	if (ioctl(vm, KVM_ENABLE_CAP, &c)) {
		if (errno == EPERM)
			return cannot(-EPERM, "run as root or with CAP_SYS_BOOT", e);
		return err_sys(e,
			       "--nx-huge-pages: turning kvm.nx_huge_pages off for this VM failed");
	}
	*got = NXPAGES_VM_OFF;
	return 0;
}
