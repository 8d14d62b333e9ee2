/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bus - from a port or an address to its device
 *
 * Filled while the machine is built, frozen before the first KVM_RUN, then only read: no lock.
 */
#ifndef RTKVM_VMM_BUS_H
#define RTKVM_VMM_BUS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "vmm/vdev.h"

enum { BUS_RANGES = 64 };

struct bus_range {
	uint64_t first, last;
	struct vdev *dev;
};

struct bus {
	struct bus_range ranges[BUS_RANGES]; /* ascending, disjoint */
	size_t n;
};

/* bus_add - give dev [first, first + count); -EEXIST when that overlaps another device's */
int bus_add(struct bus *b, uint64_t first, uint64_t count, struct vdev *dev, struct err *e);

/* bus_find - the device that has all of [at, at + len), or NULL */
struct vdev *bus_find(const struct bus *b, uint64_t at, uint64_t len);

#endif
