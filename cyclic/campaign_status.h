/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * campaign_status - how a campaign stands, read from its files: it is not asked, and not disturbed
 */
#ifndef RTKVM_CYCLIC_CAMPAIGN_STATUS_H
#define RTKVM_CYCLIC_CAMPAIGN_STATUS_H

#include "lib/err.h"
#include "lib/json.h"

/* status_read - one object: name, status, pid, phases[], and of the current phase its CPUs' maxima,
 * measured and remaining time, and the loads with their latest proof; the caller puts it */
int status_read(json_object **out, const char *dir, struct err *e);

/* status_print - the same for people */
void status_print(json_object *status);

#endif
