/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * campaign_engine - carry a campaign out, phase by phase, from whatever state it is in
 *
 * A phase is measured in attempts. One that is cut short (crash, kill, power) leaves its slices;
 * the next attempt measures what is left. run and resume are the same code: run starts at nothing.
 */
#ifndef RTKVM_CYCLIC_CAMPAIGN_ENGINE_H
#define RTKVM_CYCLIC_CAMPAIGN_ENGINE_H

#include "cyclic/campaign.h"
#include "cyclic/campaign_state.h"
#include "cyclic/phaselog.h"

struct engine {
	const struct campaign *c;
	struct state *state;
	const char *self; /* this program */
	const char *sysfs; /* where CPUs are claimed: /sys */
	bool quiet; /* no line for each phase */
};

/* engine_run - every phase that is not done yet, then the report; a verdict or -errno */
int engine_run(struct engine *en, struct err *e);

/* engine_group - what a phase's figures are called: PHASE, or PHASE/GUEST where it has several */
void engine_group(char buf[static LOG_INSTRUMENT_BYTES], const struct phase_entry *p,
		  const struct guest_entry *g);

/* engine_job_group - the same of a job in campaign.json */
void engine_job_group(char buf[static LOG_INSTRUMENT_BYTES], const struct phase_entry *p,
		      json_object *job);

/* engine_add_up - add up the logs of all attempts of phase i */
int engine_add_up(const struct state *s, const struct campaign *c, size_t i, struct phaselog *g,
		  struct err *e);

/* engine_measured - of what was added up of a phase: the time of every CPU of one guest (NULL: host) */
uint64_t engine_measured(const struct phaselog *g, const struct phase_entry *p,
			 const struct guest_entry *guest);

/* engine_resumable - do the phase's attempts leave slices that the next one adds to? */
bool engine_resumable(const struct phase_entry *p);

/* engine_judge - the verdict of a phase that is over, into its object; saves nothing */
int engine_judge(struct engine *en, size_t i, struct err *e);

/* engine_finish - run.json, latency.log and spikes.jsonl of the whole, and the report; a verdict */
int engine_finish(struct engine *en, bool complete, struct err *e);

/* engine_report - draw the report of a finished campaign; without one the result stands all the same */
void engine_report(const struct engine *en);

#endif
