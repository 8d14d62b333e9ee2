/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * spikeaction - what follows a spike, by its name on command lines and in campaign files
 */
#ifndef RTKVM_CYCLIC_SPIKEACTION_H
#define RTKVM_CYCLIC_SPIKEACTION_H

#include "lib/err.h"

enum spike_action { SPIKE_RECORD, SPIKE_TRACE, SPIKE_STOP, SPIKE_ACTIONS };

/* spike_action_name - "record", "trace", "stop" */
const char *spike_action_name(enum spike_action a);

/* spike_action_parse - -EINVAL: it is none; what: the option's name */
int spike_action_parse(const char *what, const char *text, enum spike_action *a, struct err *e);

#endif
