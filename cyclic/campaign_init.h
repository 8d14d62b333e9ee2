/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * campaign_init - presets, written out as commented campaign files
 */
#ifndef RTKVM_CYCLIC_CAMPAIGN_INIT_H
#define RTKVM_CYCLIC_CAMPAIGN_INIT_H

#include <stdbool.h>
#include <stdio.h>

#include "lib/cpulist.h"
#include "lib/err.h"

struct campaign_preset {
	const char *name, *help;
	bool smoke;
	const char *text; /* with @MARKS@ for what the machine decides */
};

/* campaign_presets - ended by one without a name */
extern const struct campaign_preset campaign_presets[];

/* campaign_preset_find - by name; NULL */
const struct campaign_preset *campaign_preset_find(const char *name);

/*
 * campaign_init - write a preset for these CPUs (both sets not empty) and this guest image; -E2BIG when
 * a line would be longer than campaign_parse takes, and nothing is written
 */
int campaign_init(FILE *out, const struct campaign_preset *p, const struct cpulist *measured,
		  const struct cpulist *house, const char *image, struct err *e);

#endif
