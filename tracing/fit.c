// SPDX-License-Identifier: GPL-2.0-only
#include "tracing/fit.h"

#include <stddef.h>

void fit_init(struct fit *f, struct clock_range given)
{
	*f = (struct fit){ .given = given, .found = given };
}

void fit_entry(struct fit *f, uint64_t host)
{
	if (f->open) /* KVM handled an exit without telling */
		return;
	f->ring[f->n++ % FIT_WINDOWS] = (struct fit_window){ host, UINT64_MAX };
	f->open = true;
}

void fit_exit(struct fit *f, uint64_t host)
{
	if (f->open)
		f->ring[(f->n - 1) % FIT_WINDOWS].exit = host;
	f->open = false;
}

void fit_lost(struct fit *f)
{
	f->n = 0;
	f->open = false;
}

void fit_event(struct fit *f, uint64_t guest)
{
	uint64_t first = f->n > FIT_WINDOWS ? f->n - FIT_WINDOWS : 0;
	uint64_t earliest = guest - (uint64_t)f->given.high;
	uint64_t latest = guest - (uint64_t)f->given.low;
	const struct fit_window *in = NULL;

	if (!f->n || earliest < f->ring[first % FIT_WINDOWS].entry)
		return;
	for (uint64_t i = f->n; i-- > first;) {
		const struct fit_window *w = &f->ring[i % FIT_WINDOWS];

		if (w->exit < earliest)
			break;
		if (w->entry > latest)
			continue;
		if (in)
			return;
		in = w;
	}
	if (!in) {
		f->outside++;
		return;
	}
	f->used++;
	f->found = clock_range_join(
		f->found, (struct clock_range){
				  in->exit == UINT64_MAX ? INT64_MIN : (int64_t)(guest - in->exit),
				  guest - in->entry });
}
