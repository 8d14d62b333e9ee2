/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * timer - how early KVM fires a guest's timer on each isolated CPU, and what is left of it
 *
 * A flat guest (rtkvm bench timer, a process for each CPU in turn) arms its TSC-deadline timer;
 * meanwhile the advance that the kernel has come to is read from debugfs. Kernels with
 * kvm.lapic_timer_advance_ns (before 6.10) also take a fixed value: it is offered, and kept as
 * lapic_timer_adv_ns in the profile's directory, with what it was measured on beside it.
 */
#ifndef RTKVM_PROFILES_TIMER_H
#define RTKVM_PROFILES_TIMER_H

#include <stdint.h>

#include "lib/json.h"
#include "profiles/machine.h"

enum { TIMER_SAMPLES = 4096, TIMER_ROWS = 32 };

struct timer_row {
	char mode[8]; /* "hlt": the vCPU slept, "spin": it did not */
	int64_t period_ns, n;
	int64_t p50_ns, p99_ns, max_ns; /* after the deadline; -1: too few samples */
};

struct timer_cpu {
	int cpu;
	int64_t advance_ns[TIMER_SAMPLES]; /* in the order they were read, 50 ms apart or more */
	size_t n_advance;
	struct timer_row rows[TIMER_ROWS];
	size_t n_rows;
	char conditions[16]; /* of the bench: "hardware", "nested", "emulated" */
};

/* What the kernel's loop has come to. */
struct advance {
	bool known; /* it could be read at all */
	bool settled; /* the second half lies within 10 % (or 100 ns) of its median */
	int64_t median_ns, min_ns, max_ns; /* of the second half */
};

struct advance timer_advance(const struct timer_cpu *t);

/* timer_parse - the JSON object that rtkvm bench timer prints; -EINVAL says what is wrong with it */
int timer_parse(struct timer_cpu *t, json_object *o, struct err *e);

/*
 * timer_offer - the fixed value for n CPUs: the largest median; -1 when one has not settled, has
 * not moved at all or is over 3 us (then something else is to be mended first), or was not measured
 * on hardware
 */
int64_t timer_offer(const struct timer_cpu *cpus, size_t n);

/* timer_remark - a sentence about one CPU beside the others, NULL when there is none */
const char *timer_remark(const struct timer_cpu *cpus, size_t n, size_t i);

/*
 * timer_key - what a fixed value is true for: CPU model, microcode, kernel, C-state cap, a line
 * each; buf of size takes it, returns buf
 */
char *timer_key(const struct machine *m, char *buf, size_t size);

/*
 * timer_keep - write value and key to dir/lapic_timer_adv_ns and dir/lapic_timer_adv_ns.cpumodel;
 * timer_kept - the value for this key, -1: none
 */
int timer_keep(const char *dir, int64_t value_ns, const char *key, struct err *e);
int64_t timer_kept(const char *dir, const char *key);

/*
 * timer_report - measure each of m->isolated for duration_ns (allow_shared: also one that the
 * kernel has not isolated) and print; pass, fail when a CPU has a remark, or -errno
 */
int timer_report(const struct machine *m, uint64_t duration_ns, bool allow_shared, bool json,
		 struct err *e);

#endif
