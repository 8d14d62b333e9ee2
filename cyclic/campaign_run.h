/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * campaign_run - begin a campaign in a directory of its own, or go on with one
 */
#ifndef RTKVM_CYCLIC_CAMPAIGN_RUN_H
#define RTKVM_CYCLIC_CAMPAIGN_RUN_H

#include "cyclic/campaign.h"

struct campaign_options {
	const char *out; /* NULL: runs/TIME-NAME */
	const char *baseline; /* an earlier run's directory; NULL: none */
	bool quiet; /* no line for each phase */
	bool allow_drift; /* resume under changed conditions */
};

/* campaign_begin - carry out c, whose file's text is kept beside the result; a verdict or -errno */
int campaign_begin(const struct campaign *c, const char *text, const struct campaign_options *o,
		   struct err *e);

/* campaign_resume - go on with the campaign in dir; a verdict or -errno */
int campaign_resume(const char *dir, const struct campaign_options *o, struct err *e);

/* campaign_dry_run - print the commands and start none */
int campaign_dry_run(const struct campaign *c, const struct campaign_options *o, struct err *e);

#endif
