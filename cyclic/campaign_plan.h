/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * campaign_plan - the command lines that a campaign starts; campaign run --dry-run prints them
 */
#ifndef RTKVM_CYCLIC_CAMPAIGN_PLAN_H
#define RTKVM_CYCLIC_CAMPAIGN_PLAN_H

#include "cyclic/campaign.h"
#include "cyclic/vmproc.h"

/* What one attempt asks of its phase. */
struct plan_ask {
	uint64_t ns; /* to measure */
	const char *dir; /* its run directory */
	enum spike_action on_spike; /* the phase's, or record where it has its traces */
};

/* plan_job - rtkvm VERB ... of a phase, in one guest (NULL: on the host) */
int plan_job(struct vmproc_argv *a, const char *self, const struct campaign *c,
	     const struct phase_entry *p, const struct guest_entry *g, const struct plan_ask *ask,
	     struct err *e);

/* plan_load - rtkvm noise ... of a load, a line of proof a slice */
int plan_load(struct vmproc_argv *a, const char *self, const struct campaign *c,
	      const struct load_entry *l, struct err *e);

/* plan_jobs - how many jobs a phase has: one a guest, or one on the host */
size_t plan_jobs(const struct phase_entry *p);

/* plan_print - every command of the campaign, a line each, in order */
int plan_print(const struct campaign *c, const char *self, const char *dir, FILE *out,
	       struct err *e);

/* plan_dir - DIR/NN-PHASE/ATTEMPT[-GUEST], NN from 01 */
char *plan_dir(char buf[static PATH_MAX], const char *dir, size_t phase,
	       const struct phase_entry *p, unsigned int attempt, const struct guest_entry *g);

#endif
