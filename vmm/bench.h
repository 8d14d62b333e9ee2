/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bench - measuring payloads (guests/flat) under rtkvm run or QEMU: seconds instead of a Linux guest
 *
 * bench_opts.c: the command line. bench_vm.c: the VMM as a child process, from its command line to
 * the bytes that the payload sent; bench_qemu.c: QEMU in its place. bench_result.c: what these bytes mean; a guest wrote them, so
 * nothing in them is believed. bench_show.c: tables and JSON; bench_save.c: the run
 * directory.
 */
#ifndef RTKVM_VMM_BENCH_H
#define RTKVM_VMM_BENCH_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/abi.h"
#include "lib/claim.h"
#include "lib/err.h"
#include "lib/frames.h"
#include "lib/proc.h"
#include "results/record.h"

enum bench_payload { BENCH_GAP, BENCH_TIMER, BENCH_EXITS, BENCH_PAYLOADS };
enum bench_vmm { BENCH_RTKVM, BENCH_QEMU, BENCH_VMMS };
enum { BENCH_PERIODS = 8 };

struct bench_opts {
	enum bench_payload payload;
	enum bench_vmm vmm;
	int cpu; /* host CPU of the one vCPU; -1: the first isolated one */
	int fifo;
	bool allow_shared, allow_tick, json;
	uint64_t duration_ns;
	uint64_t threshold_ns; /* gap */
	uint64_t period_ns[BENCH_PERIODS]; /* timer */
	size_t n_periods;
	const char *out; /* run directory; NULL: none */
	uint64_t given; /* options seen so far, a bit each */
};

/* bench_opts_parse - argv[0] is the verb; -EINVAL with one sentence; --help prints and exits */
int bench_opts_parse(struct bench_opts *o, int argc, char **argv, struct err *e);

/* bench_payload_name, bench_vmm_name - as on the command line */
const char *bench_payload_name(enum bench_payload p);
const char *bench_vmm_name(enum bench_vmm v);

/* What the VMM left: the data port's bytes and, from rtkvm run, its started and ended events. */
struct bench_vm {
	char *data;
	size_t len;
	json_object *started, *ended; /* NULL: unknown */
};

/* The VMM's process: memory files that it writes, and QEMU's monitor. */
struct bench_child {
	struct proc proc;
	int data, events, errors;
	int monitor; /* commands to QEMU; -1: none */
	struct claim claim; /* of its CPU for QEMU; rtkvm run has its own */
	json_object *started; /* QEMU: what rtkvm run says in its started event */
};

/*
 * bench_qemu_start - QEMU's microvm with the same payload, ports and placement: its vCPU thread is
 * pinned and SCHED_FIFO before the first instruction, its other threads are on housekeeping CPUs
 */
int bench_qemu_start(struct bench_child *c, const struct bench_opts *o, const char *payload,
		     const char *append, struct err *e);

/*
 * bench_vm_run - boot the payload on o->cpu and wait for its end; append is its command line. -EINTR
 * when interrupted; the child never outlives the call. vm is to be freed whatever is returned.
 */
int bench_vm_run(struct bench_vm *vm, const struct bench_opts *o, const char *append,
		 struct err *e);
void bench_vm_free(struct bench_vm *vm);

/* A row as judged; its bins point into the payload's bytes. */
struct bench_row {
	struct abi_bench_row head;
	const uint8_t *bins; /* head.bins times 8 bytes, unaligned */
};

enum { BENCH_ROWS = 64, BENCH_GAPS = 1024 };

struct bench_result {
	uint64_t start, end; /* TSC */
	size_t n;
	struct bench_row row[BENCH_ROWS];
	size_t n_gaps;
	struct abi_bench_gap gap[BENCH_GAPS];
};

/*
 * bench_result_parse - judge the files of a data port; they must outlive r. -EPROTO says what is
 * wrong: lengths, indices, order, sums and extremes are all held against each other.
 */
int bench_result_parse(struct bench_result *r, const struct frames *f, struct err *e);

/* bench_row_name - "hlt", "cpuid", ...: what a row measures, as in JSON and tables */
const char *bench_row_name(const struct bench_row *row);

/* bench_bin - the i-th bin of a row */
void bench_bin(const struct bench_row *row, size_t i, uint32_t *index, uint64_t *count);

/*
 * bench_quantile - the smallest value with at least q of all samples at or below it, not
 * understated, in cycles; false when fewer than 10 samples lie beyond
 */
bool bench_quantile(const struct bench_row *row, double q, uint64_t *cycles);

/* bench_median - of any number of samples but none; 0 then */
uint64_t bench_median(const struct bench_row *row);

/* bench_ns - cycles of a TSC of tsc_khz as nanoseconds, rounded down */
static inline uint64_t bench_ns(uint64_t cycles, uint64_t tsc_khz)
{
	return (unsigned __int128)cycles * 1000000 / tsc_khz;
}

/* The host's clocks at one moment. */
struct bench_moment {
	uint64_t tsc, mono_ns, wall_ns;
};

struct bench_span {
	struct bench_moment start, end;
};

/* bench_mono_ns - CLOCK_MONOTONIC at a TSC of the host inside the span, 0 outside */
uint64_t bench_mono_ns(const struct bench_span *s, uint64_t tsc);

/* All that one benchmark has found. */
struct bench {
	struct bench_opts opts;
	uint64_t tsc_khz;
	struct bench_span span; /* from before the VMM's start to after its end */
	bool no_hypercall; /* this KVM never ends one: not tried */
	struct bench_vm vm;
	struct bench_result result;
	struct run run; /* of --out; made before it measures */
};

/* bench_rows - how many rows the payload has, and the kind of its i-th (lib/abi.h) */
size_t bench_rows(const struct bench_opts *o);
uint32_t bench_kind(const struct bench_opts *o, size_t i);

/* bench_json - the object that --json prints; the caller puts it; bench_print - the table */
json_object *bench_json(const struct bench *b);
void bench_print(const struct bench *b);

/* bench_save - fill and finish the run directory */
int bench_save(struct bench *b, struct err *e);

#endif
