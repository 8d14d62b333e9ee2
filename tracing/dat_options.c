// SPDX-License-Identifier: GPL-2.0-only
/* dat_options - the parts of a head and the options that versions 6 and 7 share */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "tracing/dat_parts.h"

void dat_read_headers(struct src *s, struct dat *d)
{
	char *text;
	uint64_t n;

	src_expect(s, "header_page", 12, "header_page");
	n = src_u64(s);
	text = src_load(s, n, sizeof(d->header_page) - 1, "header_page");
	if (text)
		dat_set_header_page(s, d, text, n);
	free(text);
	src_expect(s, "header_event", 13, "header_event");
	src_skip(s, src_u64(s));
}

static void read_formats(struct src *s, struct dat *d, const char *system, uint32_t n)
{
	while (n-- && !s->bad) {
		uint64_t bytes = src_u64(s);
		char *text;

		if (d->n_blobs >= DAT_EVENTS_MAX) {
			src_fail(s, "more than %u event formats", DAT_EVENTS_MAX);
			return;
		}
		text = src_load(s, bytes, DAT_FORMATS_MAX - d->blob_bytes, "its event formats");
		if (!text)
			return;
		if (!dat_keep(d, text, bytes)) {
			src_fail(s, "no memory for event formats");
			return;
		}
		dat_add_format(s, d, system, text, bytes);
	}
}

void dat_read_ftrace_formats(struct src *s, struct dat *d)
{
	read_formats(s, d, "ftrace", src_u32(s));
}

void dat_read_event_formats(struct src *s, struct dat *d)
{
	uint32_t systems = src_u32(s);

	while (systems-- && !s->bad) {
		char system[FORMAT_NAME_BYTES];

		src_str(s, system, sizeof(system));
		read_formats(s, d, system, src_u32(s));
	}
}

static void read_shift(struct src *s, struct dat *d)
{
	uint64_t peer = src_u64(s);
	uint32_t cpus;

	src_u32(s); /* flags of the protocol */
	cpus = src_u32(s);
	if (s->bad || cpus > DAT_CPUS_MAX || d->shifts) {
		src_fail(s, "a TIME_SHIFT option for %u CPUs, or a second one", cpus);
		return;
	}
	d->peer_id = peer;
	d->shifts = calloc(cpus ? cpus : 1, sizeof(*d->shifts));
	if (!d->shifts) {
		src_fail(s, "no memory for %u CPUs", cpus);
		return;
	}
	d->n_shifts = cpus;
	for (uint32_t i = 0; i < cpus && !s->bad; i++) {
		uint32_t n = src_u32(s);

		src_skip(s, 8ull * n);
		for (uint32_t k = 0; k < n && !s->bad; k++) {
			/* what is stored is to be added to the guest's stamps */
			int64_t offset = -src_u64(s);

			d->shift_moved |= k && offset != d->shifts[i].offset;
			d->shifts[i].offset = offset;
		}
		for (uint32_t k = 0; k < n && !s->bad; k++)
			d->shifts[i].ratio = src_u64(s);
	}
	/* writers before 2021 left the fraction bits out, the manual page does still */
	for (uint32_t i = 0; i < cpus && !s->bad && s->end - s->at >= 8; i++)
		d->shifts[i].frac = src_u64(s);
}

static void read_guest(struct src *s, struct dat *d)
{
	struct dat_guest g = { 0 }, *more;
	uint32_t n;

	src_str(s, g.name, sizeof(g.name));
	g.trace_id = src_u64(s);
	n = src_u32(s);
	if (s->bad || n > DAT_CPUS_MAX || d->n_guests >= 256) {
		src_fail(s, "a GUEST option of %u CPUs", n);
		return;
	}
	g.vcpus = calloc(n ? n : 1, sizeof(*g.vcpus));
	more = realloc(d->guests, (d->n_guests + 1) * sizeof(*more));
	if (more)
		d->guests = more;
	if (!g.vcpus || !more) {
		free(g.vcpus);
		src_fail(s, "no memory for a guest of %u CPUs", n);
		return;
	}
	for (g.n_vcpus = 0; g.n_vcpus < n && !s->bad; g.n_vcpus++) {
		g.vcpus[g.n_vcpus].cpu = src_u32(s);
		g.vcpus[g.n_vcpus].tid = src_u32(s);
	}
	d->guests[d->n_guests++] = g;
}

static void read_tsc(struct src *s, struct dat *d)
{
	d->tsc_mult = src_u32(s);
	d->tsc_shift = src_u32(s);
	if (!s->bad && d->tsc_shift > 63)
		src_fail(s, "TSC2NSEC shifts by %u bits", d->tsc_shift);
}

static uint64_t sum_of(const char *stats, const char *key)
{
	uint64_t sum = 0;

	for (const char *at = stats; (at = strstr(at, key));) {
		at += strlen(key);
		sum += strtoull(at, NULL, 10);
	}
	return sum;
}

void dat_add_stats(struct dat *d, const char *stats)
{
	d->overwritten += sum_of(stats, "\noverrun: ");
	d->dropped += sum_of(stats, "\ncommit overrun: ") + sum_of(stats, "\ndropped events: ");
}

static void with_text(struct src *s, struct dat *d, uint16_t id)
{
	char text[4096];
	size_t n = s->end - s->at < sizeof(text) - 1 ? s->end - s->at : sizeof(text) - 1;

	src_get(s, text, n);
	text[n] = '\0';
	if (id == OPT_TRACECLOCK)
		dat_set_clock(d, text);
	else
		dat_add_stats(d, text);
}

void dat_read_option(struct src *s, struct dat *d, uint16_t id)
{
	switch (id) {
	case OPT_TRACECLOCK:
	case OPT_CPUSTAT:
		with_text(s, d, id);
		break;
	case OPT_CPUCOUNT:
		d->cpu_count = src_u32(s);
		break;
	case OPT_TRACEID:
		d->trace_id = src_u64(s);
		break;
	case OPT_TIME_SHIFT:
		read_shift(s, d);
		break;
	case OPT_GUEST:
		read_guest(s, d);
		break;
	case OPT_TSC2NSEC:
		read_tsc(s, d);
		break;
	default:
		break; /* the format grows by options that older readers pass over */
	}
}
