/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * campaign_attempts - what the attempts at a phase tell beside their figures
 *
 * Figures are added up over all attempts (phaselog.h), and an attempt that was cut off has its share
 * in them. It must not hide why it was: whoever ended it, what it lacked counts as well. An attempt
 * that was killed from outside (SIGKILL or SIGTERM that came to a process at work) costs no verdict,
 * for the time is measured again; one that hung, panicked or crashed, or whose host went down, may
 * have been late without anybody seeing it: the phase is inconclusive then.
 */
#ifndef RTKVM_CYCLIC_CAMPAIGN_ATTEMPTS_H
#define RTKVM_CYCLIC_CAMPAIGN_ATTEMPTS_H

#include "cyclic/campaign.h"
#include "cyclic/campaign_state.h"

struct attempts {
	size_t n;
	json_object *causes; /* borrowed */
	enum verdict verdict; /* the gravest that an attempt gives, incomplete apart */
	char conditions[16]; /* the least good; "" no job told */
	bool throttled; /* the kernel may have taken the CPU away: a broken limit proves nothing */
};

/* attempts_read - of phase i: their verdicts, and why, into reasons; phase.causes is set */
struct attempts attempts_read(const struct state *s, const struct campaign *c, size_t i,
			      json_object *reasons);

/*
 * attempts_spike - the largest latency that spikes.jsonl of any attempt lists: it is there at once,
 * also where the slice that it belongs to was lost. 0: none; *cpu, wall_ns of it
 */
uint64_t attempts_spike(const struct state *s, size_t i, int *cpu, uint64_t *wall_ns);

/* attempts_add_causes - add up spikes by their cause, as rtkvm trace explain counts them */
void attempts_add_causes(json_object *into, json_object *from);

#endif
