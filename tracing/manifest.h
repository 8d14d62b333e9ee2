/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * manifest - what the recorder knows beside the events: host.json next to host.dat
 */
#ifndef RTKVM_TRACING_MANIFEST_H
#define RTKVM_TRACING_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "tracing/clocks.h"

enum { MANIFEST_SCHEMA = 1, MANIFEST_VCPUS = 256 };

/* One reading of all clocks. */
struct moment {
	uint64_t ticks, mono_ns, wall_ns;
};

struct manifest_vcpu {
	unsigned int vcpu; /* the guest's number of it */
	unsigned int kvm_id; /* KVM's: its APIC id */
	int tid; /* 0: not known */
	struct clock_map map;
};

struct manifest {
	struct moment begin, end;
	double tsc_hz;
	uint64_t lost; /* events that should be in the trace */
	uint64_t overwritten; /* by newer ones, as rings do that keep the last seconds */
	struct manifest_vcpu *vcpus; /* of the one guest that ran; the caller frees */
	size_t n_vcpus;
	char missing[512]; /* events that this kernel does not have */
};

/* manifest_path - host.json of host.dat, anything.json of anything; -ENAMETOOLONG */
int manifest_path(const char *trace, char *buf, size_t size, struct err *e);

int manifest_save(const struct manifest *m, const char *path, struct err *e);

/* manifest_load - -ENOENT when there is none; manifest_free frees */
int manifest_load(struct manifest *m, const char *path, struct err *e);
void manifest_free(struct manifest *m);

#endif
