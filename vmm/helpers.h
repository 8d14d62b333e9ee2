/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * helpers - the threads that the kernel starts on a VM's behalf, and where they may run
 *
 * KVM's NX recovery worker is a kernel thread of the VM (until Linux 6.12: kvm-nx-lpage-recovery-PID,
 * moved into the VMM's cpuset, isolated CPUs and all) or a thread of our own process (vhost_task,
 * 6.13 and later: a copy of whoever entered KVM_RUN first). kvm-pit/PID belongs to an in-kernel
 * PIT, which our machine has not.
 */
#ifndef RTKVM_VMM_HELPERS_H
#define RTKVM_VMM_HELPERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/cpulist.h"
#include "lib/err.h"

enum { HELPERS_MAX = 32 };

struct helper {
	pid_t tid;
	char name[48];
};

struct helpers {
	size_t n;
	struct helper at[HELPERS_MAX];
};

/* helper_is_ours - is a kernel thread of this name one of process pid's VM? */
bool helper_is_ours(const char *name, pid_t pid);

/*
 * helpers_find - those of this process that exist now; ordinary: threads of our own that are meant
 * to be there (the main thread, vCPUs), n of them
 */
int helpers_find(struct helpers *h, const pid_t *ordinary, size_t n, struct err *e);

/* helpers_has - is that thread one of them? */
bool helpers_has(const struct helpers *h, pid_t tid);

/*
 * helpers_settle - pin each to the housekeeping CPUs and read back; one that cannot be moved and may
 * run on keep_off is an error that says so
 */
int helpers_settle(struct helpers *h, const struct cpulist *housekeeping,
		   const struct cpulist *keep_off, struct err *e);

#endif
