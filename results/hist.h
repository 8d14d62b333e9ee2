/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hist - a latency histogram as a value: nanoseconds, log-linear, nothing lost
 *
 * Bins: every value below 64 ns has its own; above, each power of two is cut into 64 equal bins,
 * up to the largest 64-bit value. There is no overflow bin because there is nothing above.
 *
 *	values              bin width    relative width
 *	0 .. 63                 1 ns     exact
 *	64 .. 127               1 ns     exact
 *	128 .. 255              2 ns     <= 2/128  = 1.6 %
 *	2^k .. 2^(k+1)-1   2^(k-6) ns    <= 1/64   = 1.6 %
 *
 * count, sum, min and max are exact. Merging is addition, so the order of merges does not matter.
 * Fixed size, no allocation; a struct copied is a histogram copied.
 *
 * An imported histogram may know less: its values may be floors of a coarser unit
 * (resolution_ns), and samples above its range may be known by number only (over, all of them
 * >= over_from_ns). Both stay visible here and in everything derived.
 */
#ifndef RTKVM_RESULTS_HIST_H
#define RTKVM_RESULTS_HIST_H

#include <stdbool.h>
#include <stdint.h>

enum {
	HIST_SUB_BITS = 6, /* 64 bins for each power of two */
	HIST_SUB = 1 << HIST_SUB_BITS,
	HIST_BINS = (64 - HIST_SUB_BITS + 1) * HIST_SUB, /* all of uint64_t */
};

struct hist {
	uint64_t count; /* samples with a value: the sum of bins[] */
	unsigned __int128 sum_ns;
	uint64_t min_ns; /* UINT64_MAX while count and over are 0 */
	uint64_t max_ns; /* also of the samples in over, where the source told it */
	uint64_t over; /* imported samples without a value, all >= over_from_ns */
	uint64_t over_from_ns; /* 0 while over is 0 */
	uint64_t resolution_ns; /* 1: real nanoseconds; 1000: floors of microseconds */
	uint64_t bins[HIST_BINS];
};

/* hist_init - an empty histogram of nanosecond values */
void hist_init(struct hist *h);

/* hist_index - the bin of a value */
static inline unsigned int hist_index(uint64_t ns)
{
	unsigned int shift;

	if (ns < HIST_SUB)
		return ns;
	shift = 63 - HIST_SUB_BITS - __builtin_clzll(ns);
	return shift * HIST_SUB + (ns >> shift);
}

/* hist_low, hist_high - smallest and largest value of a bin (index < HIST_BINS) */
static inline uint64_t hist_low(unsigned int index)
{
	if (index < HIST_SUB)
		return index;
	return (uint64_t)(HIST_SUB + index % HIST_SUB) << (index / HIST_SUB - 1);
}

static inline uint64_t hist_high(unsigned int index)
{
	return index + 1 < HIST_BINS ? hist_low(index + 1) - 1 : UINT64_MAX;
}

/* hist_add - record one sample; a few nanoseconds, safe in a real-time loop */
static inline void hist_add(struct hist *h, uint64_t ns)
{
	h->bins[hist_index(ns)]++;
	h->count++;
	h->sum_ns += ns;
	if (ns < h->min_ns)
		h->min_ns = ns;
	if (ns > h->max_ns)
		h->max_ns = ns;
}

/* hist_add_n - record n samples of one value */
void hist_add_n(struct hist *h, uint64_t ns, uint64_t n);

/* hist_add_over - n samples known only to be >= from_ns (importers) */
void hist_add_over(struct hist *h, uint64_t from_ns, uint64_t n);

/* hist_merge - into += from; the coarser resolution and the lower over_from_ns win */
void hist_merge(struct hist *into, const struct hist *from);

/* hist_total - all samples, those without a value included */
static inline uint64_t hist_total(const struct hist *h)
{
	return h->count + h->over;
}

/*
 * hist_value - the value reported for a bin: never below a sample in it by more than the bin's
 * width, within [min, max]. For nanosecond data the bin's upper edge (a latency is not
 * understated); for coarser data the multiple of resolution_ns in the bin, as the source wrote it.
 */
uint64_t hist_value(const struct hist *h, unsigned int index);

/* hist_mean_ns - exact mean of the samples with a value; 0 when there are none */
double hist_mean_ns(const struct hist *h);

/*
 * hist_rank - the value of the rank-th smallest sample (1 .. total), by hist_value; false when
 * the rank does not exist or falls among samples without a value
 */
bool hist_rank(const struct hist *h, uint64_t rank, uint64_t *ns);

/* hist_quantile_supported - do at least 10 samples lie beyond quantile q (0 < q < 1)? */
bool hist_quantile_supported(const struct hist *h, double q);

/*
 * hist_quantile - the smallest value with at least q of all samples at or below it; false when
 * fewer than 10 samples lie beyond it, or it falls among samples without a value
 */
bool hist_quantile(const struct hist *h, double q, uint64_t *ns);

/*
 * hist_above - samples > limit_ns: exact up to the bin in which the limit lies (those of that bin
 * are counted only if hist_value of it is above the limit); *unknown (may be NULL): samples
 * without a value that may or may not be above
 */
uint64_t hist_above(const struct hist *h, uint64_t limit_ns, uint64_t *unknown);

/*
 * hist_hidden - how many further points of a grid passed while its samples were late: a sample as late as
 * n periods has hidden n. At least (a sample was as late as its bin's lower edge), or at most; of one
 * sample beyond the range the value is known, of several only that it lies in [over_from_ns, max_ns]
 */
int64_t hist_hidden(const struct hist *h, uint64_t period_ns, bool most);

/*
 * hist_next - the first non-empty bin >= from, HIST_BINS when there is none: the one walk behind
 * text, JSON and plots
 */
unsigned int hist_next(const struct hist *h, unsigned int from);

/* hist_us - the 1 us bin (cyclictest's floor) that stands for a bin in OSADL-like plots */
uint64_t hist_us(const struct hist *h, unsigned int index);

/* The quantiles of run.json and of every table, in rising order. */
struct hist_level {
	double q;
	const char *key; /* as in run.json: "0.999" */
	const char *label; /* as people read it: "p99.9" */
};

enum { HIST_LEVELS = 7 };
extern const struct hist_level hist_levels[HIST_LEVELS];

#endif
