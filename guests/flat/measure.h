/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * measure - what the measuring payloads share: arguments, histograms of cycles, the report
 *
 * Everything is kept in guest memory and sent once the measurement is over: every byte costs an
 * exit. The format is lib/abi.h's.
 */
#ifndef RTKVM_GUESTS_FLAT_MEASURE_H
#define RTKVM_GUESTS_FLAT_MEASURE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/abi.h"

struct cycles {
	struct abi_bench_row row;
	uint64_t bins[ABI_BENCH_BINS];
};

/*
 * measure_arg - the value of "key=NUMBER" on the command line, the nth of that key (from 0); 0 when
 * there is none
 */
uint64_t measure_arg(const char *cmdline, const char *key, unsigned int nth);

/* measure_require_timer - ends the run with its exit code where x2APIC or TSC-deadline is missing */
void measure_require_timer(void);

/* cycles_init - an empty row */
void cycles_init(struct cycles *c, enum abi_bench_kind kind, uint64_t period);

/* cycles_add - record one value: a few instructions, no branch that depends on the past */
static inline void cycles_add(struct cycles *c, uint64_t value)
{
	c->bins[abi_bench_index(value)]++;
	c->row.n++;
	if (value < c->row.min)
		c->row.min = value;
	if (value > c->row.max)
		c->row.max = value;
}

/* measure_begin, measure_end - the marks around the job, with their TSC in head */
void measure_begin(struct abi_bench *head);
void measure_end(struct abi_bench *head);

/*
 * measure_send - the frames: "rows", then extra (a file of that name and length, NULL: none), then
 * the end; the exit code is the caller's
 */
void measure_send(struct abi_bench *head, struct cycles *rows, size_t n, const char *extra,
		  const void *data, size_t len);

#endif
