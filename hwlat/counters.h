/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * counters - evidence that costs nothing to keep: interrupts, steal, SMIs of the watched CPUs
 *
 * Reading /proc does not disturb the CPUs it tells of. Reading an MSR does (an interrupt of some
 * microseconds on that CPU), so SMIs are asked for only when a gap stays unexplained.
 */
#ifndef RTKVM_HWLAT_COUNTERS_H
#define RTKVM_HWLAT_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/cpulist.h"
#include "lib/err.h"

enum { COUNTERS_NAME_BYTES = 48 };

/* One line of /proc/interrupts. */
struct counters_irq {
	char name[COUNTERS_NAME_BYTES]; /* "LOC", or "31 virtio0-stats" */
	uint64_t *last; /* by watched CPU, at the reading before */
	uint64_t *now;
};

struct counters {
	int *cpus; /* the watched CPUs, ascending */
	unsigned int n_cpus;
	struct counters_irq *irqs;
	unsigned int n_irqs;
	uint64_t *steal_last, *steal_now; /* ns, by watched CPU */
	uint64_t *steal_mark; /* at the last counters_mark_steal */
	int *smi_fd; /* MSR device or perf event of each watched CPU; -1 none */
	bool smi_is_msr;
	uint64_t *smi_start, *smi_last;
	char smi_source[96]; /* "MSR 0x34", "PMC LsSmiRx", or why there is none */
	char proc[128]; /* normally "/proc" */
};

/* counters_open - find out what can be read for these CPUs below proc and take a first reading */
int counters_open(struct counters *c, const struct cpulist *cpus, const char *proc, struct err *e);

/* counters_close - release; takes a half-opened one */
void counters_close(struct counters *c);

/* counters_read - the present reading becomes the last, and a new one is taken */
int counters_read(struct counters *c, struct err *e);

/* Differences between the last two readings; index: place of the CPU among the watched. */
uint64_t counters_steal_ns(const struct counters *c, unsigned int index);

/* counters_steal_total - steal since counters_mark_steal, or since counters_open */
uint64_t counters_steal_total(const struct counters *c, unsigned int index);
void counters_mark_steal(struct counters *c);
uint64_t counters_nmi(const struct counters *c, unsigned int index);

/* counters_busiest - the interrupt line that fired most; its name, "" for none; returns how often */
uint64_t counters_busiest(const struct counters *c, unsigned int index, const char **name);

/* counters_smi - SMIs of a CPU since the last call for it; false when it cannot be known */
bool counters_smi(struct counters *c, unsigned int index, uint32_t *smis);

/* counters_smi_total - SMIs of a CPU since counters_open; false when it cannot be known */
bool counters_smi_total(struct counters *c, unsigned int index, uint64_t *smis);

#endif
