// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/spikeaction.h"

#include <errno.h>
#include <string.h>

static const char *const actions[SPIKE_ACTIONS] = {
	[SPIKE_RECORD] = "record",
	[SPIKE_TRACE] = "trace",
	[SPIKE_STOP] = "stop",
};

const char *spike_action_name(enum spike_action a)
{
	return actions[a];
}

int spike_action_parse(const char *what, const char *text, enum spike_action *a, struct err *e)
{
	for (int i = 0; i < SPIKE_ACTIONS; i++)
		if (!strcmp(actions[i], text)) {
			*a = i;
			return 0;
		}
	return err_set(e, -EINVAL, "%s: \"%s\" is none of record, trace, stop", what, text);
}
