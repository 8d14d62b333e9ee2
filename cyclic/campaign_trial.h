/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * campaign_trial - would the instruments take the command lines that a campaign will give them?
 *
 * Their own parsers are asked, so that a range stands in one place: what campaign check passes must
 * not end with a usage error in the middle of the night.
 */
#ifndef RTKVM_CYCLIC_CAMPAIGN_TRIAL_H
#define RTKVM_CYCLIC_CAMPAIGN_TRIAL_H

#include "cyclic/campaign.h"

/* trial_phase - add what its instrument refuses to m; of a phase without other mistakes */
void trial_phase(const struct campaign *c, const struct phase_entry *p, struct mistakes *m);

#endif
