/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * campaign_baseline - is a complete campaign worse than an earlier one? Asked twice before it counts
 *
 * rtkvm compare decides (significant, and larger than its least effect). One that is worse is
 * measured a second time, in rerun/; only what is worse again fails the campaign: a machine has
 * bad days, and an alarm that nobody can trust is switched off.
 */
#ifndef RTKVM_CYCLIC_CAMPAIGN_BASELINE_H
#define RTKVM_CYCLIC_CAMPAIGN_BASELINE_H

#include "cyclic/campaign_engine.h"

/*
 * baseline_judge - compare a campaign that ended as v with the run in state's "baseline"; text is
 * the campaign file. Returns the verdict it has then: v, or what is worse of the rerun: its own
 * verdict, fail where it is worse than the baseline again. One that failed by itself is not measured
 * again; one that does not pass stays what it is where it cannot be compared. Without a baseline: v.
 */
int baseline_judge(struct engine *en, enum verdict v, const char *text, struct err *e);

#endif
