/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cpulist - sets of CPUs in the kernel's list format ("2-5,8", "0-31:1/4")
 *
 * Format: Documentation/admin-guide/kernel-parameters.rst, "The format of <cpu-list>"; what the
 * kernel accepts only on its command line ("all", "N") is refused here: nobody should have to
 * guess which CPUs a measurement used.
 */
#ifndef RTKVM_LIB_CPULIST_H
#define RTKVM_LIB_CPULIST_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

enum { CPULIST_CPUS = 4096 }; /* above the largest NR_CPUS of any distribution kernel */

struct cpulist {
	uint64_t bits[CPULIST_CPUS / 64];
};

/* cpulist_parse - text to set; empty, reversed, out-of-range or malformed lists are -EINVAL */
int cpulist_parse(struct cpulist *l, const char *text, struct err *e);

/*
 * cpulist_parse_part - for whom the order counts: the next of a list's parts ("2", "2-5",
 * "0-31:1/4"), the first when *p is text; returns 1 when more follow at *p, 0 after the last
 */
int cpulist_parse_part(struct cpulist *l, const char **p, const char *text, struct err *e);

/* cpulist_read - the set in a kernel file such as /sys/devices/system/cpu/isolated (may be empty) */
int cpulist_read(struct cpulist *l, const char *path, struct err *e);

/* cpulist_format - shortest list text, NUL-terminated; returns buf; cut to size if need be */
char *cpulist_format(const struct cpulist *l, char *buf, size_t size);

int cpulist_count(const struct cpulist *l);
bool cpulist_has(const struct cpulist *l, int cpu);
void cpulist_add(struct cpulist *l, int cpu);
void cpulist_remove(struct cpulist *l, int cpu);
bool cpulist_equal(const struct cpulist *a, const struct cpulist *b);
bool cpulist_empty(const struct cpulist *l);

/* cpulist_next - first CPU >= from in the set, -1 when there is none */
int cpulist_next(const struct cpulist *l, int from);

/* cpulist_minus - CPUs of a that are not in b */
struct cpulist cpulist_minus(const struct cpulist *a, const struct cpulist *b);

/* cpulist_and - CPUs in both; cpulist_or - in either */
struct cpulist cpulist_and(const struct cpulist *a, const struct cpulist *b);
struct cpulist cpulist_or(const struct cpulist *a, const struct cpulist *b);

/* cpulist_pin - give thread tid (0: the caller) exactly these CPUs and read the mask back */
int cpulist_pin(const struct cpulist *l, pid_t tid, struct err *e);

/* cpulist_affinity - the CPUs thread tid (0: the caller) may run on, from the kernel */
int cpulist_affinity(struct cpulist *l, pid_t tid, struct err *e);

#define cpulist_for_each(cpu, l) \
	for (int cpu = cpulist_next(l, 0); cpu >= 0; cpu = cpulist_next(l, cpu + 1))

#endif
