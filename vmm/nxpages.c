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

static const struct {
	const char *name, *remedy;
} states[] = {
	[NXPAGES_HOST_OFF] = { "off", NULL },
	[NXPAGES_VM_OFF] = { "off for this VM", NULL },
	[NXPAGES_ON] = { "on", NULL },
	[NXPAGES_NO_CAP] = { "on",
			     "run a kernel of 6.0 or later, or, where the guest is trusted, set "
			     "kvm.nx_huge_pages=off" },
	[NXPAGES_NO_RIGHT] = { "on",
			       "run as root or with CAP_SYS_BOOT, or, where the guest is trusted, "
			       "set kvm.nx_huge_pages=off" },
};

const char *nxpages_name(enum nxpages n)
{
	return states[n].name;
}

const char *nxpages_remedy(enum nxpages n)
{
	return states[n].remedy;
}

/* "Y", "N", or "never", which is as good; a kernel without the parameter has no mitigation. */
static bool host_has_it(const char *sysfs)
{
	char path[PATH_MAX], text[16];

	return file_path(path, sizeof(path), "%s/module/kvm/parameters/nx_huge_pages", sysfs) &&
	       !strcmp(file_read_line(path, text, sizeof(text)), "Y");
}

static int turn_off(enum nxpages *got, int vm, struct err *e)
{
	struct kvm_enable_cap c = { .cap = KVM_CAP_VM_DISABLE_NX_HUGE_PAGES };

	*got = NXPAGES_NO_CAP;
	if (ioctl(vm, KVM_CHECK_EXTENSION, c.cap) <= 0)
		return 0;
	*got = NXPAGES_VM_OFF;
	if (!ioctl(vm, KVM_ENABLE_CAP, &c))
		return 0;
	*got = NXPAGES_NO_RIGHT;
	return errno == EPERM ? 0 : err_sys(e, "turning kvm.nx_huge_pages off for this VM failed");
}

int nxpages_set(enum nxpages *got, enum nxpages_mode mode, const char *sysfs, int vm, struct err *e)
{
	int ret;

	*got = host_has_it(sysfs) ? NXPAGES_ON : NXPAGES_HOST_OFF;
	if (*got == NXPAGES_HOST_OFF || mode == NXPAGES_KEEP)
		return 0;
	ret = turn_off(got, vm, e);
	if (ret < 0 || mode == NXPAGES_AUTO || *got == NXPAGES_VM_OFF)
		return ret;
	return err_set(e, *got == NXPAGES_NO_RIGHT ? -EPERM : -ENOTSUP,
		       "--nx-huge-pages: wanted off, kvm.nx_huge_pages is Y and stays; %s",
		       nxpages_remedy(*got));
}
