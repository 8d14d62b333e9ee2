/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * campaign_attempt - one attempt at a phase: its loads and jobs started, watched, closed
 */
#ifndef RTKVM_CYCLIC_CAMPAIGN_ATTEMPT_H
#define RTKVM_CYCLIC_CAMPAIGN_ATTEMPT_H

#include "cyclic/campaign_engine.h"
#include "cyclic/campaign_job.h"
#include "cyclic/campaign_loads.h"
#include "lib/json.h"

/* How an attempt went (refused: another has a CPU); < 0: the campaign itself cannot go on. */
enum attempt { ATTEMPT_WHOLE, ATTEMPT_BROKEN, ATTEMPT_STOPPED, ATTEMPT_REFUSED };

struct phase_run {
	struct engine *en;
	size_t i;
	const struct phase_entry *p;
	json_object *doc; /* the phase's object in campaign.json */
	struct job jobs[CAMPAIGN_GUESTS];
	size_t n_jobs;
	struct loads loads;
};

/*
 * attempt_run - carry out r->jobs[], each for its ns[]; noted in campaign.json before it begins and
 * after it ended. How it went (enum attempt), or -errno when the campaign cannot go on
 */
int attempt_run(struct phase_run *r, unsigned int number, const uint64_t *ns, struct err *e);

#endif
