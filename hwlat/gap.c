// SPDX-License-Identifier: GPL-2.0-only
#include "hwlat/gap.h"

#include <stdbool.h>
#include <stdlib.h>

#include "lib/cpulist.h"

static int by_start(const void *x, const void *y)
{
	const struct gap *a = x, *b = y;

	if (a->start_tsc != b->start_tsc)
		return a->start_tsc < b->start_tsc ? -1 : 1;
	return a->cpu - b->cpu;
}

void gap_sort(struct gap *gaps, size_t n)
{
	qsort(gaps, n, sizeof(*gaps), by_start);
}

size_t gap_settled(const struct gap *gaps, size_t n, uint64_t horizon_tsc, uint64_t near_tsc)
{
	uint64_t end = 0;
	size_t settled = 0;

	for (size_t i = 0; i < n; i++) {
		if (i && gaps[i].start_tsc > end + near_tsc)
			settled = i;
		if (gaps[i].end_tsc > end)
			end = gaps[i].end_tsc;
		if (end + near_tsc >= horizon_tsc)
			return settled;
	}
	return n;
}

static bool overlap(const struct gap *a, const struct gap *b)
{
	uint64_t la = a->end_tsc - a->start_tsc, lb = b->end_tsc - b->start_tsc;
	uint64_t longer = la > lb ? la : lb, shorter = la > lb ? lb : la;
	uint64_t start = a->start_tsc > b->start_tsc ? a->start_tsc : b->start_tsc;
	uint64_t end = a->end_tsc < b->end_tsc ? a->end_tsc : b->end_tsc;
	uint64_t both = end > start ? end - start : 0;

	return both > longer / 3 && both > shorter / 2;
}

static bool together(const struct gap *a, const struct gap *b, uint64_t near_tsc)
{
	if (a->cpu == b->cpu)
		return false;
	return b->start_tsc - a->start_tsc <= near_tsc || overlap(a, b);
}

/* Two gaps of one CPU in a group count as one CPU. */
static unsigned int count_cpus(const struct gap *gaps, size_t n, size_t first, uint64_t group)
{
	unsigned int cpus = 0;

	for (size_t i = first; i < n; i++) {
		bool seen = false;

		if (gaps[i].group != group)
			continue;
		for (size_t j = first; j < i; j++)
			seen |= gaps[j].group == group && gaps[j].cpu == gaps[i].cpu;
		cpus += !seen;
	}
	return cpus;
}

static void merge(struct gap *gaps, size_t upto, size_t first, uint64_t from, uint64_t into)
{
	for (size_t i = first; i <= upto; i++)
		if (gaps[i].group == from)
			gaps[i].group = into;
}

/* The first gap that could still reach one starting at start. */
static size_t reach_back(const struct gap *gaps, size_t first, size_t i, uint64_t near_tsc)
{
	while (first < i && gaps[first].end_tsc < gaps[i].start_tsc &&
	       gaps[first].start_tsc + near_tsc < gaps[i].start_tsc)
		first++;
	return first;
}

void gap_group(struct gap *gaps, size_t n, uint64_t near_tsc, uint64_t *next)
{
	size_t first = 0;

	for (size_t i = 0; i < n; i++) {
		first = reach_back(gaps, first, i, near_tsc);
		for (size_t j = first; j < i; j++) {
			if (!together(&gaps[j], &gaps[i], near_tsc))
				continue;
			if (!gaps[j].group)
				gaps[j].group = (*next)++;
			if (gaps[i].group && gaps[i].group != gaps[j].group)
				merge(gaps, i, first, gaps[i].group, gaps[j].group);
			gaps[i].group = gaps[j].group;
		}
	}
	for (size_t i = 0; i < n; i++)
		gaps[i].facts.group_cpus = 1;
	for (size_t i = 0; i < n; i++) {
		unsigned int cpus;

		if (!gaps[i].group || gaps[i].facts.group_cpus > 1)
			continue;
		cpus = count_cpus(gaps, n, i, gaps[i].group);
		for (size_t j = i; j < n; j++)
			if (gaps[j].group == gaps[i].group)
				gaps[j].facts.group_cpus = cpus;
	}
}

/* An NMI may be sent to all CPUs at once; that is no platform standing still. */
static bool unexplained_gap(const struct gap *g)
{
	const struct culprit_facts *f = &g->facts;

	return !culprit_explained(f) && !(f->trace ? f->nmi_events : f->nmi);
}

static bool bears_witness(const struct gap *for_gap, const struct gap *g)
{
	return overlap(for_gap, g) || (unexplained_gap(for_gap) && unexplained_gap(g));
}

/* Gaps of one CPU in a group are one witness. */
static void count_witnesses(struct gap *gaps, size_t first, size_t last, size_t which)
{
	struct cpulist still = { 0 }, unexplained = { 0 };
	struct gap *g = &gaps[which];

	for (size_t i = first; i < last; i++) {
		const struct gap *h = &gaps[i];

		if (i != which &&
		    (!g->group || h->group != g->group || h->cpu == g->cpu || !bears_witness(g, h)))
			continue;
		cpulist_add(&still, h->cpu);
		if (unexplained_gap(h))
			cpulist_add(&unexplained, h->cpu);
	}
	g->facts.still_cpus = cpulist_count(&still);
	g->facts.still_unexplained = cpulist_count(&unexplained);
}

void gap_judge(struct gap *gaps, size_t n)
{
	for (size_t i = 0; i < n; i++)
		count_witnesses(gaps, gaps[i].group ? 0 : i, gaps[i].group ? n : i + 1, i);
	for (size_t i = 0; i < n; i++)
		culprit_find(&gaps[i].cause, &gaps[i].facts);
}
