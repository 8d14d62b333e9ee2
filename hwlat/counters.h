/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * counters - evidence that costs nothing to keep: interrupts, steal, SMIs of the watched CPUs
 *
 * Readings are kept for a while: what is said of a gap is the difference between the last reading
 * before it and the newest. Reading /proc does not disturb the CPUs it tells of. Reading an MSR does
 * (an interrupt of some microseconds on that CPU), so its caller says when.
 */
#ifndef RTKVM_HWLAT_COUNTERS_H
#define RTKVM_HWLAT_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/cpulist.h"
#include "lib/err.h"

enum {
	COUNTERS_NAME_BYTES = 48,
	COUNTERS_KEPT = 16, /* readings; a power of two */
	COUNTERS_SMI_KEPT = 8, /* readings of one CPU's SMI counter; a power of two */
};

/* One line of /proc/interrupts. */
struct counters_irq {
	char name[COUNTERS_NAME_BYTES]; /* "LOC", or "31 virtio0-stats" */
	uint64_t *count; /* by reading kept, then by watched CPU */
};

/* SMI counters are read for each CPU on its own. */
struct counters_smis {
	struct {
		uint64_t tsc; /* when it had been read */
		uint64_t count;
		unsigned int gaps; /* asked about between the reading before and this one */
	} kept[COUNTERS_SMI_KEPT];
	unsigned int n; /* readings ever */
};

struct counters {
	int *cpus; /* the watched CPUs, ascending */
	unsigned int n_cpus;
	struct counters_irq *irqs;
	unsigned int n_irqs;
	uint64_t *steal; /* ns, by reading kept, then by watched CPU */
	uint64_t *steal_mark; /* at the last counters_mark_steal */
	uint64_t tsc[COUNTERS_KEPT]; /* when each reading was over */
	unsigned int n_readings; /* ever */
	uint64_t spacing_tsc; /* a reading that followed the one before sooner gives way */
	int *smi_fd; /* MSR device or perf event of each watched CPU; -1 none */
	bool smi_is_msr;
	struct counters_smis *smis; /* by watched CPU */
	uint64_t *smi_start;
	char smi_source[96]; /* "MSR 0x34", "PMC LsSmiRx", or why there is none */
	char proc[128]; /* normally "/proc" */
};

/*
 * counters_open - find out what can be read for these CPUs below proc and take a first reading;
 * readings closer than spacing_tsc do not use up what is kept
 */
int counters_open(struct counters *c, const struct cpulist *cpus, const char *proc,
		  uint64_t spacing_tsc, struct err *e);

/* counters_close - release; takes a half-opened one */
void counters_close(struct counters *c);

/* counters_read - take a reading */
int counters_read(struct counters *c, struct err *e);

/*
 * Differences between the last reading before start_tsc (the oldest kept, if none is) and the
 * newest one; index: place of the CPU among the watched.
 */
uint64_t counters_steal_ns(const struct counters *c, unsigned int index, uint64_t start_tsc);
uint64_t counters_nmi(const struct counters *c, unsigned int index, uint64_t start_tsc);

/* counters_busiest - the interrupt line that fired most; its name, "" for none; returns how often */
uint64_t counters_busiest(const struct counters *c, unsigned int index, uint64_t start_tsc,
			  const char **name);

/* counters_steal_total - steal since counters_mark_steal, or since counters_open */
uint64_t counters_steal_total(const struct counters *c, unsigned int index);
void counters_mark_steal(struct counters *c);

/* counters_smi_read - read a CPU's SMI counter, from that CPU; false when it cannot be read */
bool counters_smi_read(struct counters *c, unsigned int index);

/* counters_smi_age - cycles since that was done last; UINT64_MAX when it cannot be */
uint64_t counters_smi_age(const struct counters *c, unsigned int index);

/*
 * counters_smi_ask - count a gap of a CPU that was over at end_tsc among those that counters_smi is
 * asked about, and read the SMI counter unless that was done since; false when it cannot be read
 */
bool counters_smi_ask(struct counters *c, unsigned int index, uint64_t end_tsc);

struct counters_smi {
	uint32_t count; /* SMIs */
	uint64_t span_tsc; /* in so long a time */
	unsigned int gaps; /* so many gaps of it were asked about */
};

/*
 * counters_smi - what the SMI counter of a CPU says of a gap that began at start_tsc: the difference
 * between the last reading before it and the newest, which counters_smi_ask took; false when it
 * cannot be known
 */
bool counters_smi(const struct counters *c, unsigned int index, uint64_t start_tsc,
		  struct counters_smi *s);

/* counters_smi_total - SMIs of a CPU since counters_open; false when it cannot be known */
bool counters_smi_total(struct counters *c, unsigned int index, uint64_t *smis);

#endif
