// SPDX-License-Identifier: GPL-2.0-only
/* excerpt - what both kernels did around each late wake-up */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "tracing/explain.h"
#include "tracing/report.h"

enum { TITLE_BYTES = 96 };

static int by_begin(const void *a, const void *b)
{
	const struct report_window *x = a, *y = b;

	return (x->from_ns > y->from_ns) - (x->from_ns < y->from_ns);
}

int explain_excerpt(const struct explanation *x, struct err *e)
{
	_cleanup_free_ struct report_window *windows = calloc(x->n_worst + 1, sizeof(*windows));
	_cleanup_free_ char(*titles)[TITLE_BYTES] = calloc(x->n_worst + 1, sizeof(*titles));
	uint64_t around_ns = x->opts->excerpt_ns;

	if (!windows || !titles)
		return err_set(e, -ENOMEM, "no memory for %zu excerpts", x->n_worst);
	for (size_t i = 0; i < x->n_worst; i++) {
		const struct spike *s = &x->worst[i];
		uint64_t due_ns = clock_ns(x->session.rate, s->due);
		uint64_t ran_ns = clock_ns(x->session.rate, s->ran);

		snprintf(titles[i], sizeof(titles[i]), "\n%s/%u at %.9f, %.1f us late", s->comm,
			 s->tid, ran_ns / 1e9, s->latency_ns / 1e3);
		windows[i] = (struct report_window){
			.from_ns = due_ns > around_ns ? due_ns - around_ns : 0,
			.to_ns = ran_ns < UINT64_MAX - around_ns ? ran_ns + around_ns : UINT64_MAX,
			.title = titles[i],
		};
	}
	qsort(windows, x->n_worst, sizeof(*windows), by_begin);
	return x->n_worst ? report_windows(&x->opts->session, windows, x->n_worst, e) : 0;
}
