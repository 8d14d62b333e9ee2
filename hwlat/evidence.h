/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * evidence - what can be known of a gap on this machine: the trace, the counters, the SMI counter
 */
#ifndef RTKVM_HWLAT_EVIDENCE_H
#define RTKVM_HWLAT_EVIDENCE_H

#include "hwlat/counters.h"
#include "hwlat/gap.h"
#include "hwlat/options.h"
#include "hwlat/hwtrace.h"
#include "hwlat/tsc.h"

struct evidence {
	bool tracing;
	struct hwtrace trace;
	struct counters counters;
	bool guest; /* there is a hypervisor below, or the user said so */
	uint64_t tsc_hz, threshold_ns;
	unsigned int watched;
	uint64_t
		*toll_ns; /* running median of what gaps with traced activity had besides, by CPU */
	char without_trace[512]; /* why there is no trace; "" when there is one */
};

/* evidence_open - take what opts allow; only --evidence trace makes a missing trace an error */
int evidence_open(struct evidence *v, const struct cpulist *watched, const struct hwlat_opts *o,
		  const struct tsc *tsc, struct err *e);

/* evidence_close - undo; takes a half-opened one */
void evidence_close(struct evidence *v);

/* evidence_start - record from now on; tids[i]: the detector's thread on the i-th watched CPU */
int evidence_start(struct evidence *v, const int *tids, struct err *e);

/* evidence_read - take in what happened since the last call; before asking about fresh gaps */
int evidence_read(struct evidence *v, struct err *e);

/* evidence_facts - fill gap->facts */
void evidence_facts(struct evidence *v, struct gap *gap);

/*
 * evidence_watch_smi - keep the reading before a gap fresh, so that only SMIs of about then are laid
 * to it. The reading takes a CPU for some microseconds: once a second where that is no sample, and
 * each time while the CPU rests, for all there is of it
 */
void evidence_watch_smi(struct evidence *v, unsigned int index, bool rests);

/* evidence_smi - ask the SMI counter about gaps that nothing explains, once a CPU and call */
void evidence_smi(struct evidence *v, struct gap *gaps, size_t n);

/* evidence_stop - record no more */
int evidence_stop(struct evidence *v, struct err *e);

/* evidence_text - one line: what was had and what was not, in buf of size; returns buf */
char *evidence_text(const struct evidence *v, char *buf, size_t size);

#endif
