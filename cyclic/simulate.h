/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * simulate - the sampler's measurement drawn from a seed, as fast as the disk takes it
 *
 * For trying reports, campaigns and CI without a machine to measure. Same collector, same files as
 * a real run: a body of a few microseconds, a tail up to some 20, on one slice in 200 a spike of 50
 * to 80, on one in 2000 a stall of 10 periods.
 */
#ifndef RTKVM_CYCLIC_SIMULATE_H
#define RTKVM_CYCLIC_SIMULATE_H

#include "cyclic/sampler.h"

/* simulate_slice - slice number n of a CPU, [start_ns, end_ns); the same seed gives the same */
void simulate_slice(uint64_t seed, int cpu, uint64_t n, uint64_t period_ns, struct loop_slice *s);

/* simulate_run - like sampler_run; time is the slices', not the clock's */
int simulate_run(const struct sampler_config *config, uint64_t seed, struct collect *c,
		 struct err *e);

#endif
