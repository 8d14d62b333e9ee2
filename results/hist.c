// SPDX-License-Identifier: GPL-2.0-only
#include "results/hist.h"

#include <math.h>
#include <string.h>

const struct hist_level hist_levels[HIST_LEVELS] = {
	{ 0.5, "0.5", "p50" },
	{ 0.9, "0.9", "p90" },
	{ 0.99, "0.99", "p99" },
	{ 0.999, "0.999", "p99.9" },
	{ 0.9999, "0.9999", "p99.99" },
	{ 0.99999, "0.99999", "p99.999" },
	{ 0.999999, "0.999999", "p99.9999" },
};

enum { SAMPLES_BEYOND = 10 }; /* fewer cannot place a quantile */

void hist_init(struct hist *h)
{
	memset(h, 0, sizeof(*h));
	h->min_ns = UINT64_MAX;
	h->resolution_ns = 1;
}

static void widen(struct hist *h, uint64_t min_ns, uint64_t max_ns)
{
	if (min_ns < h->min_ns)
		h->min_ns = min_ns;
	if (max_ns > h->max_ns)
		h->max_ns = max_ns;
}

void hist_add_n(struct hist *h, uint64_t ns, uint64_t n)
{
	if (!n)
		return;
	h->bins[hist_index(ns)] += n;
	h->count += n;
	h->sum_ns += (unsigned __int128)ns * n;
	widen(h, ns, ns);
}

void hist_add_over(struct hist *h, uint64_t from_ns, uint64_t n)
{
	if (!n)
		return;
	if (!h->over || from_ns < h->over_from_ns)
		h->over_from_ns = from_ns;
	h->over += n;
	widen(h, from_ns, from_ns);
}

void hist_merge(struct hist *into, const struct hist *from)
{
	if (!hist_total(from))
		return;
	for (unsigned int i = hist_next(from, 0); i < HIST_BINS; i = hist_next(from, i + 1))
		into->bins[i] += from->bins[i];
	into->count += from->count;
	into->sum_ns += from->sum_ns;
	if (from->over)
		hist_add_over(into, from->over_from_ns, from->over);
	widen(into, from->min_ns, from->max_ns);
	if (from->resolution_ns > into->resolution_ns)
		into->resolution_ns = from->resolution_ns;
}

uint64_t hist_value(const struct hist *h, unsigned int index)
{
	uint64_t v = hist_high(index);

	if (h->resolution_ns > 1) {
		uint64_t multiple = v - v % h->resolution_ns;

		if (multiple >= hist_low(index))
			v = multiple;
	}
	if (v > h->max_ns)
		v = h->max_ns;
	return v < h->min_ns ? h->min_ns : v;
}

double hist_mean_ns(const struct hist *h)
{
	return h->count ? (double)h->sum_ns / h->count : 0;
}

bool hist_rank(const struct hist *h, uint64_t rank, uint64_t *ns)
{
	uint64_t seen = 0;

	if (!rank || rank > h->count)
		return false;
	for (unsigned int i = hist_next(h, 0); i < HIST_BINS; i = hist_next(h, i + 1)) {
		seen += h->bins[i];
		if (seen < rank)
			continue;
		*ns = hist_value(h, i);
		/* samples without a value lie from over_from_ns on and could come before this one */
		return !h->over || *ns <= h->over_from_ns;
	}
	return false;
}

bool hist_quantile_supported(const struct hist *h, double q)
{
	/* 1 - 0.99999 is not exact in binary: a part in 10^9 must not decide */
	return hist_total(h) * (1 - q) >= SAMPLES_BEYOND * (1 - 1e-9);
}

bool hist_quantile(const struct hist *h, double q, uint64_t *ns)
{
	uint64_t rank;

	if (!hist_quantile_supported(h, q))
		return false;
	rank = ceil(hist_total(h) * q * (1 - 1e-15));
	return hist_rank(h, rank ? rank : 1, ns);
}

uint64_t hist_above(const struct hist *h, uint64_t limit_ns, uint64_t *unknown)
{
	uint64_t n = 0, unsure = 0;

	for (unsigned int i = hist_next(h, hist_index(limit_ns)); i < HIST_BINS;
	     i = hist_next(h, i + 1))
		if (hist_value(h, i) > limit_ns)
			n += h->bins[i];
	if (h->over && h->over_from_ns > limit_ns)
		n += h->over;
	else
		unsure = h->over;
	if (unknown)
		*unknown = unsure;
	return n;
}

unsigned int hist_next(const struct hist *h, unsigned int from)
{
	unsigned int first = hist_index(h->min_ns), last = hist_index(h->max_ns);

	if (from < first)
		from = first;
	while (from <= last && !h->bins[from])
		from++;
	return from <= last ? from : HIST_BINS;
}

uint64_t hist_us(const struct hist *h, unsigned int index)
{
	uint64_t low = hist_low(index);

	if (h->resolution_ns > 1)
		return hist_value(h, index) / 1000;
	return (low + (hist_high(index) - low) / 2) / 1000;
}

int64_t hist_hidden(const struct hist *h, uint64_t period_ns, bool most)
{
	uint64_t over_ns = most || h->over == 1 ? h->max_ns : h->over_from_ns;
	unsigned __int128 sum = (unsigned __int128)h->over * (over_ns / period_ns);

	for (unsigned int i = hist_next(h, 0); i < HIST_BINS; i = hist_next(h, i + 1)) {
		uint64_t ns = most ? hist_value(h, i) + (h->resolution_ns - 1) : hist_low(i);

		sum += (unsigned __int128)h->bins[i] * (ns / period_ns);
	}
	return sum > INT64_MAX ? INT64_MAX : (int64_t)sum;
}
