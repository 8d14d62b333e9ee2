/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guesthwlat - what rtkvm hwlat found inside a guest becomes this run's cpus[], latency.log and spikes
 *
 * The guest's files are those of a run directory (hwlat/guest/main.c), on the guest's clock; here they
 * get the host's. Nothing in them is believed unchecked.
 */
#ifndef RTKVM_CYCLIC_GUESTHWLAT_H
#define RTKVM_CYCLIC_GUESTHWLAT_H

#include "cyclic/outcome.h"

/* guesthwlat_take - from the files that came; -EPROTO when they are not what rtkvm hwlat writes */
int guesthwlat_take(struct run *run, const struct gathered *g, const struct frames *f,
		    struct err *e);

/* guesthwlat_judge - v, or worse where the guest's own run was not whole; limits are the host's matter */
enum verdict guesthwlat_judge(const struct run *run, enum verdict v);

#endif
