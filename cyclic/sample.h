/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sample - the command line of rtkvm sample, as data
 */
#ifndef RTKVM_CYCLIC_SAMPLE_H
#define RTKVM_CYCLIC_SAMPLE_H

#include "cyclic/sampler.h"
#include "cyclic/spikeaction.h"

enum { SAMPLE_LIMITS = 8, SAMPLE_LIMIT_BYTES = 24 };

struct sample_limit {
	char what[SAMPLE_LIMIT_BYTES]; /* "max_ns", "p99.999_ns": as run_add_limit takes it */
	uint64_t ns;
};

struct sample_options {
	struct sampler_config config;
	const char *out, *name; /* borrowed from argv */
	bool simulate, smoke, json;
	enum spike_action on_spike;
	uint64_t seed;
	struct sample_limit limits[SAMPLE_LIMITS];
	size_t n_limits;
};

/* sample_parse - argv to options with the defaults filled in; -EINVAL */
int sample_parse(struct sample_options *o, int argc, char **argv, struct err *e);

/* sample_limit_parse - "40us", "max=40us" or "p99.999=20us" */
int sample_limit_parse(struct sample_limit *l, const char *text, struct err *e);

#endif
