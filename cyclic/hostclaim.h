/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hostclaim - the isolated CPUs of a campaign's phase on the host are nobody's guest's meanwhile
 *
 * lockfile keeps campaigns off each other for as long as they last; this keeps rtkvm run off a phase,
 * and a phase off what rtkvm run has. It is handed over to the instrument, which would claim it of its
 * own, as the rtkvm run of run = gap would. In a phase with guests, their rtkvm run does so itself.
 */
#ifndef RTKVM_CYCLIC_HOSTCLAIM_H
#define RTKVM_CYCLIC_HOSTCLAIM_H

#include "cyclic/campaign.h"
#include "lib/claim.h"

/*
 * hostclaim_take - what the phase measures on for itself, what its loads run on beside others, until
 * claim_drop; nothing for a phase with guests. -EBUSY with who has one
 */
int hostclaim_take(struct claim *c, const char *sysfs, const struct phase_entry *p, struct err *e);

#endif
