/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * measure - what really happens on the isolated CPUs for a while
 *
 * The first half of the time they are left as they are; in the second half each that serves no
 * guest gets one busy thread of ordinary priority, pinned there: the tick must stop then.
 */
#ifndef RTKVM_PROFILES_MEASURE_H
#define RTKVM_PROFILES_MEASURE_H

#include <stdint.h>

#include "profiles/machine.h"

enum { MEASURE_UNKNOWN = -1 };

struct cpu_measure {
	int cpu;
	bool busy; /* one task had it alone in the second half: ours, or a vCPU's */
	int64_t ticks; /* LOC in the second half */
	int64_t device_irqs; /* both halves: devices, NMI, performance counters, machine checks */
	int64_t ipis; /* both halves: reschedule, function call, TLB */
	char first_irq[32]; /* the first row of /proc/interrupts that counted as device_irqs */
	int64_t other_tasks; /* times that a task got this CPU in the first half */
	int64_t deep_idles; /* entries into idle states that take over 2 us to leave */
	int64_t khz_min, khz_max; /* seen in the second half */
	int64_t pause_ns; /* the longest that our busy thread did not run */
};

/* MEASURE_UNKNOWN stands for what this machine does not tell. */
struct measurement {
	double half_seconds;
	struct cpu_measure *cpus;
	size_t n;
	int64_t smis; /* of the package */
	int64_t throttles; /* of all isolated CPUs */
	int64_t steal_ticks; /* of all isolated CPUs, in the kernel's ticks of user time */
};

/* measure - watch the isolated CPUs of this machine for that long; -EINTR ends it early */
int measure(const struct machine *m, uint64_t duration_ns, struct measurement *d, struct err *e);
void measure_free(struct measurement *d);

/* One row of /proc/interrupts for one CPU. */
enum irq_kind { IRQ_TICK, IRQ_IPI, IRQ_DEVICE, IRQ_OTHER };

/*
 * interrupts_count - the counts of one CPU in the text of /proc/interrupts, added by kind, and the
 * rows of device interrupts by name through each (NULL: not wanted); -EINVAL when the CPU has no
 * column
 */
typedef void interrupts_row(void *arg, const char *name, uint64_t count);
int interrupts_count(const char *text, int cpu, uint64_t by_kind[static IRQ_OTHER + 1],
		     interrupts_row *each, void *arg);

#endif
