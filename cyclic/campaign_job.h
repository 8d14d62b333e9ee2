/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * campaign_job - one instrument as a process, watched for crashes and silence
 */
#ifndef RTKVM_CYCLIC_CAMPAIGN_JOB_H
#define RTKVM_CYCLIC_CAMPAIGN_JOB_H

#include <limits.h>

#include "cyclic/campaign.h"
#include "cyclic/campaign_plan.h"
#include "cyclic/campaign_slices.h"
#include "lib/claim.h"
#include "lib/proc.h"

enum {
	JOB_SLACK_PERIODS = 10
}; /* a remainder shorter than this is the rounding of the last slice */

enum job_outcome {
	JOB_RUNNING,
	JOB_ENDED, /* with a verdict: 0, 1 or 4; 3 of one that broke off at a spike */
	JOB_BROKEN, /* error, signal, or interrupted by somebody else */
	JOB_STALLED, /* hung or silent; we ended it */
	JOB_STOPPED, /* because the campaign was asked to stop */
};

/* job_outcome_name - the word in campaign.json */
const char *job_outcome_name(enum job_outcome o);

struct job {
	const struct guest_entry *guest; /* NULL: on the host */
	char dir[PATH_MAX]; /* its run directory */
	enum spike_action on_spike;
	struct proc proc;
	int err; /* memory file of its stderr */
	struct slices slices; /* what came of each CPU */
	uint64_t started_ns; /* CLOCK_MONOTONIC */
	uint64_t slice_ns; /* how often one comes */
	uint64_t silence_ns, end_ns; /* longest silence (0: any), latest end; then it is stalled */
	bool measured; /* all of it: what it still does is saving and explaining */
	enum job_outcome outcome;
	int code; /* exit code, once it has ended */
	uint64_t ended_wall_ns; /* 0: not yet */
	bool silent; /* when it ended no slice had come for longer than one takes */
	char said[400]; /* its last line on stderr */
};

/* job_start - start it for ns of measuring on CPUs that are claimed for it (handed over) */
int job_start(struct job *j, const char *self, const struct campaign *c,
	      const struct phase_entry *p, const struct claim *claim, uint64_t ns, struct err *e);

/* job_watch - has it ended or stalled? Never blocks, except to end one that is stalled. */
void job_watch(struct job *j);

/* job_stop - ask it to end, and wait: it keeps what it has measured */
void job_stop(struct job *j);

void job_close(struct job *j);

#endif
