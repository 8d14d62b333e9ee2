/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * haltpoll - how long KVM waits for an interrupt before the thread of a halted vCPU sleeps
 *
 * A vCPU that is polled for when its interrupt comes is back in the guest without the host's
 * scheduler and without the way out of an idle state. KVM polls only as long as nothing else wants to
 * run on that CPU, and not at all after a halt that was longer than the limit
 * (Documentation/virt/kvm/halt-polling.rst).
 */
#ifndef RTKVM_VMM_HALTPOLL_H
#define RTKVM_VMM_HALTPOLL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

/* Of a real-time vCPU: control cycles and timers of 500 Hz and faster stay within it. */
#define HALTPOLL_REALTIME_NS 2000000

struct haltpoll_facts {
	bool given; /* --halt-poll: given_ns */
	uint32_t given_ns;
	bool realtime; /* SCHED_FIFO vCPUs: their latency is worth the power */
	bool hlt_stays; /* the guest never leaves for a HLT */
	int64_t rt_runtime_us; /* of the host; polling is running: a limit would stop the vCPU */
	int64_t module_ns; /* the kvm module's halt_poll_ns; -1: not known */
};

/* haltpoll_choose - the limit to set for this VM in ns; -1: the module's own stays */
int64_t haltpoll_choose(const struct haltpoll_facts *f);

/* haltpoll_module_ns - the kvm module's, from SYSFS/module/kvm/parameters; -1: not known */
int64_t haltpoll_module_ns(const char *sysfs);

/*
 * haltpoll_set - choose and set it before vCPUs exist; *ns is what is in force, -1 when that is not
 * known. A limit that was asked for and cannot be had is an error, one that was not is the module's
 */
int haltpoll_set(int vm_fd, const struct haltpoll_facts *f, int64_t *ns, struct err *e);

#endif
