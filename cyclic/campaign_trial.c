// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/campaign_trial.h"

#include <stdlib.h>
#include <string.h>

#include "cyclic/campaign_job.h"
#include "cyclic/campaign_keys.h"
#include "cyclic/campaign_plan.h"
#include "cyclic/ctopts.h"
#include "cyclic/sample.h"
#include "lib/cleanup.h"

static enum guest_instrument instrument(const struct phase_entry *p)
{
	switch (p->run) {
	case RUN_SAMPLE:
		return GUEST_SAMPLE;
	case RUN_OSLAT:
		return GUEST_OSLAT;
	case RUN_HWLAT:
		return GUEST_HWLAT;
	default:
		return GUEST_CYCLICTEST;
	}
}

static int parse(const struct phase_entry *p, const struct vmproc_argv *a, struct err *e)
{
	char **argv = (char **)a->argv + 1; /* as the verb gets it */
	struct sample_options sample;
	struct ctopts guest;

	if (p->run == RUN_SAMPLE && !p->n_guests)
		return sample_parse(&sample, a->n - 1, argv, e);
	return ctopts_parse(&guest, instrument(p), a->n - 1, argv, false, e);
}

/* The line of the key that an error about an option speaks of: "--interval: ..." */
static int blamed(const struct phase_entry *p, const char *text)
{
	char key[32];

	if (sscanf(text, "--%31[a-z-]", key) != 1)
		return p->entry.line;
	return campaign_line_of(&p->entry, SECTION_PHASE, strcmp(key, "fifo") ? key : "priority");
}

/* One piece of ns, in each guest or on the host; returns the first mistake. */
static int try_piece(const struct campaign *c, const struct phase_entry *p, uint64_t ns,
		     struct err *e)
{
	const struct plan_ask ask = { ns, "/", p->on_spike };

	for (size_t k = 0; k < plan_jobs(p) && !e->code; k++) {
		_cleanup_free_ struct vmproc_argv *a = malloc(sizeof(*a));

		if (!a)
			return err_set(e, -ENOMEM, "checking phase %s failed: no memory",
				       p->entry.name);
		if (!plan_job(a, "rtkvm", c, p, p->n_guests ? p->guests[k] : NULL, &ask, e))
			parse(p, a, e);
	}
	return e->code;
}

void trial_phase(const struct campaign *c, const struct phase_entry *p, struct mistakes *m)
{
	uint64_t last = p->segment_ns ? p->duration_ns % p->segment_ns : 0;
	struct err first = { 0 }, rest = { 0 };

	if (p->run != RUN_SAMPLE && p->run != RUN_CYCLICTEST && p->run != RUN_OSLAT &&
	    !phase_watches_guests(p))
		return;
	if (try_piece(c, p, p->segment_ns ? p->segment_ns : p->duration_ns, &first) < 0)
		mistake(m,
			p->segment_ns && !strncmp(first.text, "--duration", 10)
				? campaign_line_of(&p->entry, SECTION_PHASE, "segment")
				: blamed(p, first.text),
			"run = %s would refuse this: %s", instrument_name(p->run), first.text);
	else if (last > JOB_SLACK_PERIODS * p->interval_ns && try_piece(c, p, last, &rest) < 0)
		mistake(m, campaign_line_of(&p->entry, SECTION_PHASE, "segment"),
			"run = %s would refuse the last piece, which is what the others leave of "
			"duration: %s",
			instrument_name(p->run), rest.text);
}
