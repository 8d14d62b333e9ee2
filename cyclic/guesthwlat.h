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

/* guesthwlat_judge - before run_judge: where the guest's own run was not whole; limits are the host's matter */
void guesthwlat_judge(struct run *run);

/* guesthwlat_is_kind - is it one of rtkvm hwlat's names for kinds of causes? Every gap has one */
bool guesthwlat_is_kind(const char *name);

/* guesthwlat_inforce - what was in force in the guest, as far as it is what rtkvm hwlat tells */
void guesthwlat_inforce(json_object *to, json_object *from);

/*
 * guesthwlat_verdict - what its document tells of the guest's run: one that was cut short is incomplete,
 * however large its gaps; NULL: nothing
 */
const char *guesthwlat_verdict(json_object *doc);

#endif
