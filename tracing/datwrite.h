/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * datwrite - a trace.dat of version 6, which every trace-cmd, KernelShark and gpuvis reads
 *
 * The head first, then the pages of one CPU after the other, each from a page boundary on. The
 * file appears under its name when it is whole.
 */
#ifndef RTKVM_TRACING_DATWRITE_H
#define RTKVM_TRACING_DATWRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

/* A text of the traced kernel; NULL text: empty. */
struct dat_blob {
	const char *text;
	size_t len;
};

struct datw_format {
	const char *system;
	struct dat_blob text;
};

struct datw_vcpu {
	unsigned int cpu;
	int tid;
};

/* What the file says beside its events; everything is borrowed. */
struct datw_head {
	uint32_t page_bytes;
	struct dat_blob header_page, header_event;
	const struct datw_format *formats; /* those of one system together */
	size_t n_formats;
	struct dat_blob kallsyms, printk, cmdlines;
	unsigned int n_cpus;
	const char *clock; /* "x86-tsc" */
	const char *uname;
	uint64_t trace_id; /* 0: none */
	uint32_t tsc_mult, tsc_shift; /* mult 0: none */
	/* a guest's file: what turns its stamps into the host's; peer_id is the host's trace_id */
	bool shifted;
	uint64_t peer_id, ratio;
	int64_t offset;
	unsigned int frac;
	/* a host's file: which threads run the vCPUs of which guest */
	const char *guest;
	uint64_t guest_id;
	const struct datw_vcpu *vcpus;
	size_t n_vcpus;
	const char *const *stats; /* per_cpu/cpuN/stats of each CPU, or NULL */
};

struct datw {
	char *path, *tmp;
	int fd;
	uint32_t page_bytes;
	unsigned int n_cpus, cpu;
	uint64_t at, table; /* end of what is written; where the CPUs' offsets go */
	uint64_t *range; /* offset and bytes of each CPU */
};

/* events/header_event, for traces that lack it: Linux has had this one layout since 2.6.37 */
extern const struct dat_blob datw_header_event;

/* datw_open - write the head to a temporary file beside path */
int datw_open(struct datw *w, const char *path, const struct datw_head *h, struct err *e);

/* datw_cpu - what is written from now on belongs to this CPU; each CPU once, in any order */
int datw_cpu(struct datw *w, unsigned int cpu, struct err *e);

/* datw_pages - whole ring-buffer pages of the CPU */
int datw_pages(struct datw *w, const void *pages, size_t bytes, struct err *e);

/* datw_close - put the file in place; with keep false, or after a failure, remove it */
int datw_close(struct datw *w, bool keep, struct err *e);

#endif
