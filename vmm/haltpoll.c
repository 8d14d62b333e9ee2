// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/haltpoll.h"

#include <inttypes.h>
#include <limits.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "lib/file.h"

int64_t haltpoll_choose(const struct haltpoll_facts *f)
{
	if (f->given)
		return f->given_ns;
	if (!f->realtime || f->hlt_stays || f->rt_runtime_us != -1)
		return -1;
	/* 0 is somebody's decision, more than ours costs no more than they want */
	if (f->module_ns <= 0 || f->module_ns >= HALTPOLL_REALTIME_NS)
		return -1;
	return HALTPOLL_REALTIME_NS;
}

int64_t haltpoll_module_ns(const char *sysfs)
{
	char path[PATH_MAX], text[32], *end;
	int64_t ns;

	if (!file_path(path, sizeof(path), "%s/module/kvm/parameters/halt_poll_ns", sysfs) ||
	    !file_read_line(path, text, sizeof(text))[0])
		return -1;
	ns = strtoll(text, &end, 10);
	return *end || ns < 0 || ns > UINT32_MAX ? -1 : ns;
}

int haltpoll_set(int vm_fd, const struct haltpoll_facts *f, int64_t *ns, struct err *e)
{
	int64_t want = haltpoll_choose(f);
	struct kvm_enable_cap c = { .cap = KVM_CAP_HALT_POLL, .args = { want } };

	*ns = f->module_ns;
	if (want < 0)
		return 0;
	if (!ioctl(vm_fd, KVM_ENABLE_CAP, &c))
		*ns = want;
	else if (f->given)
		return err_sys(e, "--halt-poll: setting %" PRId64 " ns for this VM failed", want);
	return 0;
}
