/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvmstats - the kernel's own counters of a vCPU (KVM_GET_STATS_FD)
 *
 * Self-describing: names, types and offsets come from the descriptor block, so a counter that a
 * newer kernel adds appears without a change here. Documentation/virt/kvm/api.rst 4.133.
 */
#ifndef RTKVM_VMM_KVMSTATS_H
#define RTKVM_VMM_KVMSTATS_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

enum { KVMSTATS_MAX = 128 }; /* scalar counters; 6.18 has about 45 a vCPU */

struct kvmstats {
	int fd; /* -1: this kernel (before 5.14) has none */
	size_t n;
	struct kvmstats_counter {
		char name[48];
		uint64_t offset; /* in the file */
	} counters[KVMSTATS_MAX];
};

/* kvmstats_open - ask KVM for the counters of vcpu_fd; a kernel without them is no error */
int kvmstats_open(struct kvmstats *s, int vcpu_fd, struct err *e);
void kvmstats_close(struct kvmstats *s);

/* kvmstats_parse - header and descriptors in data[0, len); histograms are left out */
int kvmstats_parse(struct kvmstats *s, const uint8_t *data, size_t len, struct err *e);

/* kvmstats_read - values[i] of counters[i] as they are now */
int kvmstats_read(const struct kvmstats *s, uint64_t *values, struct err *e);

/* kvmstats_value - that counter's value of a reading in *n; false: this kernel has none of that name */
bool kvmstats_value(const struct kvmstats *s, const char *name, const uint64_t *values,
		    uint64_t *n);

/* kvmstats_json - {"name": to - from} of the counters that changed; from NULL: since the start */
json_object *kvmstats_json(const struct kvmstats *s, const uint64_t *from, const uint64_t *to);

/* kvmstats_faults - second-level page faults between the two readings; NULL: nobody counts them */
json_object *kvmstats_faults(const struct kvmstats *s, const uint64_t *from, const uint64_t *to);

#endif
