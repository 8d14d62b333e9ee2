// SPDX-License-Identifier: GPL-2.0-only
/* dat_v6 - a file of version 6: one part behind the other */
#include <string.h>

#include "tracing/dat_parts.h"

static void read_options(struct src *s, struct dat *d)
{
	while (!s->bad) {
		uint16_t id = src_u16(s);
		struct src body = *s;

		if (s->bad || id == OPT_DONE)
			return;
		body.end = src_u32(s);
		body.at = s->at;
		src_skip(s, body.end);
		if (s->bad)
			return;
		body.end += body.at;
		/* buffers of instances beside the main one: offset, name */
		if (id != OPT_BUFFER)
			dat_read_option(&body, d, id);
		s->bad = body.bad;
	}
}

static void place(struct src *s, struct dat_text *t, uint64_t bytes)
{
	t->offset = s->at;
	t->bytes = bytes;
	src_skip(s, bytes);
}

void dat_read_v6(struct src *s, struct dat *d)
{
	char kind[10] = "";
	uint32_t cpus;

	dat_read_headers(s, d);
	dat_read_ftrace_formats(s, d);
	dat_read_event_formats(s, d);
	place(s, &d->kallsyms, src_u32(s));
	place(s, &d->printk, src_u32(s));
	place(s, &d->cmdlines, src_u64(s));
	cpus = src_u32(s);
	src_get(s, kind, sizeof(kind));
	d->cpu_count = cpus;
	if (!s->bad && !memcmp(kind, "options  ", 10)) {
		read_options(s, d);
		src_get(s, kind, sizeof(kind));
	}
	if (s->bad)
		return;
	if (!memcmp(kind, "latency  ", 10)) {
		src_fail(s, "it holds the text of a latency tracer, no events");
		return;
	}
	if (memcmp(kind, "flyrecord", 10) != 0 || cpus > DAT_CPUS_MAX) {
		src_fail(s, "events of its %u CPUs expected", cpus);
		return;
	}
	for (uint32_t i = 0; i < cpus && !s->bad; i++) {
		struct dat_cpu c = { .fd = d->fd, .cpu = i };

		c.offset = src_u64(s);
		c.bytes = src_u64(s);
		dat_add_cpu(s, d, c);
	}
}
