/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ring - make ring-buffer pages and format files as a kernel would
 *
 * A "kernel" has a set of events with numbers and layouts of its own (a PREEMPT_RT one has a
 * further common field, which moves all others) and a ring of pages for each CPU.
 */
#ifndef RTKVM_TESTS_GEN_RING_H
#define RTKVM_TESTS_GEN_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "tracing/datwrite.h"

enum gen_event {
	G_KVM_ENTRY,
	G_KVM_EXIT,
	G_KVM_MSR,
	G_KVM_ACCEPT,
	G_KVM_POSTED,
	G_KVM_INJ,
	G_HV_STATE,
	G_KVM_USER,
	G_HRTIMER_START,
	G_HRTIMER_EXPIRE,
	G_HRTIMER_DONE,
	G_SWITCH,
	G_WAKING,
	G_MIGRATE,
	G_IRQ_ENTRY,
	G_IRQ_EXIT,
	G_SOFTIRQ_ENTRY,
	G_SOFTIRQ_EXIT,
	G_TIMER_ENTRY,
	G_TIMER_EXIT,
	G_RESCHED_ENTRY,
	G_RESCHED_EXIT,
	G_IDLE,
	G_NMI,
	G_NANOSLEEP_EXIT,
	G_OTHER, /* an event that nobody follows */
	G_EVENTS,
};

struct gen_ring {
	uint8_t *pages;
	size_t n_pages, room;
	size_t used; /* of the last page's data */
	uint64_t ts; /* of the last event */
	uint64_t events;
	bool lost; /* the next page says that events are missing before it */
};

enum { GEN_PAGE = 4096, GEN_FLAG_HARDIRQ = 8, GEN_FLAG_SOFTIRQ = 16, GEN_FLAG_IRQS_OFF = 1 };

struct gen_kernel {
	bool rt; /* common_preempt_lazy_count is there */
	uint16_t first_id;
	unsigned int n_cpus;
	struct gen_ring *rings;
	uint64_t without; /* a bit for each gen_event that this kernel does not record */
	bool absolute; /* stamps as absolute ones where a time extend would do */
};

void gen_kernel_init(struct gen_kernel *k, unsigned int n_cpus, bool rt, uint16_t first_id);
void gen_kernel_free(struct gen_kernel *k);

struct gen_common {
	uint32_t pid;
	uint8_t flags, preempt;
};

/*
 * gen_put - record an event; the values in the order of its fields, a comm as (uint64_t)(uintptr_t)
 * of a string. Times must not run backwards on a CPU.
 */
void gen_put(struct gen_kernel *k, unsigned int cpu, uint64_t ts, struct gen_common c,
	     enum gen_event ev, const uint64_t *values);

/* gen_lose - start a new page that says that events were lost before it */
void gen_lose(struct gen_kernel *k, unsigned int cpu);

/* gen_format - the format file of an event; returns its length */
size_t gen_format(const struct gen_kernel *k, enum gen_event ev, char *text, size_t size);
const char *gen_system(enum gen_event ev);
size_t gen_header_page(char *text, size_t size);

/* How a kernel's trace is saved. */
struct gen_save {
	const char *clock;
	uint64_t trace_id;
	uint32_t tsc_mult, tsc_shift;
	bool shifted;
	uint64_t peer_id, ratio;
	int64_t offset;
	unsigned int frac;
	uint64_t guest_id;
	const struct datw_vcpu *vcpus; /* which threads the file says run that guest's */
	size_t n_vcpus; /* 0: it does not say */
};

/* gen_save - write a trace.dat of version 6; gen_save_raw - a directory of raw pages */
int gen_save(const struct gen_kernel *k, const struct gen_save *s, const char *path, struct err *e);
int gen_save_raw(const struct gen_kernel *k, const char *clock, const char *dir, struct err *e);

uint64_t gen_events(const struct gen_kernel *k);

#endif
