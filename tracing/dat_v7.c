// SPDX-License-Identifier: GPL-2.0-only
/* dat_v7 - a file of version 7: sections, found through options, each perhaps compressed */
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "tracing/dat_parts.h"

enum { SECTION_PACKED = 1, OPTION_SECTIONS_MAX = 1024 };

struct section {
	uint16_t id, flags;
	uint64_t bytes;
};

char *dat_unpack_section(struct src *s, const struct dat *d, uint64_t bytes, uint64_t max,
			 uint64_t *out_bytes)
{
	uint32_t packed = src_u32(s), full = src_u32(s);
	_cleanup_free_ char *in = NULL;
	char *out;

	if (!s->bad && (bytes < 8 || packed > bytes - 8 || full > max))
		src_fail(s, "a compressed section of %u bytes in %ju", full, (uintmax_t)bytes);
	in = src_load(s, packed, max, "a compressed section");
	if (!in)
		return NULL;
	out = malloc(full + 1ull);
	if (!out) {
		src_fail(s, "no memory for a section of %u bytes", full);
		return NULL;
	}
	out[full] = '\0';
	if (dat_unpack(d->codec, in, packed, out, full, s->name, s->e)) {
		s->bad = true;
		free(out);
		return NULL;
	}
	*out_bytes = full;
	return out;
}

/* Move to a section and read its head. */
static struct section section_at(struct src *s, const struct dat *d, uint64_t offset, uint16_t id)
{
	struct section sec = { 0 };

	s->at = offset;
	s->end = d->file_bytes;
	sec.id = src_u16(s);
	sec.flags = src_u16(s);
	src_u32(s); /* the section's title */
	sec.bytes = src_u64(s);
	if (!s->bad && sec.id != id)
		src_fail(s, "section %u expected, not %u", id, sec.id);
	return sec;
}

/* Make body read the content of the section that s stands in; *mem is the caller's to free. */
static void section_body(struct src *s, const struct dat *d, const struct section *sec,
			 struct src *body, char **mem)
{
	*mem = NULL;
	*body = *s;
	if (s->bad)
		return;
	if (!(sec->flags & SECTION_PACKED)) {
		if (sec->bytes > body->end - body->at)
			src_fail(body, "section %u ends behind the file", sec->id);
		else
			body->end = body->at + sec->bytes;
		return;
	}
	*mem = dat_unpack_section(body, d, sec->bytes, DAT_FORMATS_MAX, &body->end);
	body->fd = -1;
	body->mem = (uint8_t *)*mem;
	body->at = 0;
}

static void read_part(struct src *s, struct dat *d, uint16_t id, uint64_t offset,
		      void (*parse)(struct src *, struct dat *))
{
	struct src at = *s, body;
	struct section sec = section_at(&at, d, offset, id);
	_cleanup_free_ char *mem = NULL;

	section_body(&at, d, &sec, &body, &mem);
	if (!body.bad)
		parse(&body, d);
	s->bad = body.bad;
}

/* Remember where a text lies: its length stands before it, in 4 or 8 bytes. */
static void find_text(struct src *s, struct dat *d, uint16_t id, uint64_t offset, bool wide,
		      struct dat_text *t)
{
	struct src at = *s, body;
	struct section sec = section_at(&at, d, offset, id);
	_cleanup_free_ char *mem = NULL;
	uint64_t packed_at = at.at;

	if (!at.bad && sec.flags & SECTION_PACKED) {
		body = at;
		mem = dat_unpack_section(&body, d, sec.bytes, DAT_TEXT_MAX, &body.end);
		body.fd = -1;
		body.mem = (uint8_t *)mem;
		body.at = 0;
		t->packed_at = packed_at;
		t->packed_bytes = sec.bytes;
	} else {
		section_body(&at, d, &sec, &body, &mem);
	}
	t->bytes = wide ? src_u64(&body) : src_u32(&body);
	t->offset = body.at;
	s->bad = body.bad;
}

static void read_buffer(struct src *option, struct dat *d)
{
	char name[256], clock[64];
	uint64_t offset = src_u64(option);
	struct src at = *option;
	struct section sec;
	uint32_t page, cpus;

	src_str(option, name, sizeof(name));
	src_str(option, clock, sizeof(clock));
	page = src_u32(option);
	cpus = src_u32(option);
	/* the main buffer, or the first instance when the main one is empty */
	if (option->bad || !cpus || d->n_cpus)
		return;
	if (cpus > DAT_CPUS_MAX || page != d->page_bytes) {
		src_fail(option, "a buffer of %u CPUs and pages of %u bytes", cpus, page);
		return;
	}
	at.fd = d->fd;
	sec = section_at(&at, d, offset, OPT_BUFFER);
	option->bad = at.bad;
	d->packed_data = sec.flags & SECTION_PACKED;
	dat_set_clock(d, clock);
	while (cpus-- && !option->bad) {
		struct dat_cpu c = { .fd = d->fd };

		c.cpu = src_u32(option);
		c.offset = src_u64(option);
		c.bytes = src_u64(option);
		if (c.cpu >= DAT_CPUS_MAX)
			src_fail(option, "a CPU %u", c.cpu);
		dat_add_cpu(option, d, c);
	}
}

static void read_v7_option(struct src *s, struct src *option, struct dat *d, uint16_t id)
{
	switch (id) {
	case OPT_HEADER_INFO:
		read_part(s, d, id, src_u64(option), dat_read_headers);
		break;
	case OPT_FTRACE_EVENTS:
		read_part(s, d, id, src_u64(option), dat_read_ftrace_formats);
		break;
	case OPT_EVENT_FORMATS:
		read_part(s, d, id, src_u64(option), dat_read_event_formats);
		break;
	case OPT_KALLSYMS:
		find_text(s, d, id, src_u64(option), false, &d->kallsyms);
		break;
	case OPT_PRINTK:
		find_text(s, d, id, src_u64(option), false, &d->printk);
		break;
	case OPT_CMDLINES:
		find_text(s, d, id, src_u64(option), true, &d->cmdlines);
		break;
	case OPT_BUFFER:
		read_buffer(option, d);
		break;
	default:
		dat_read_option(option, d, id);
	}
	s->bad |= option->bad;
}

/* One section of options; returns where the next one is, 0 when this was the last. */
static uint64_t read_options(struct src *s, struct dat *d, uint64_t offset)
{
	struct src at = *s, body;
	struct section sec = section_at(&at, d, offset, OPT_DONE);
	_cleanup_free_ char *mem = NULL;
	uint64_t next = 0;

	section_body(&at, d, &sec, &body, &mem);
	while (!body.bad) {
		uint16_t id = src_u16(&body);
		uint32_t bytes = src_u32(&body);
		struct src option = body;

		src_skip(&body, bytes);
		if (body.bad)
			break;
		option.end = option.at + bytes;
		if (id == OPT_DONE) {
			next = src_u64(&option);
			s->bad = option.bad;
			return next;
		}
		read_v7_option(s, &option, d, id);
		body.bad = s->bad;
	}
	s->bad = body.bad;
	return 0;
}

static void read_codec(struct src *s, struct dat *d)
{
	char name[32], version[32];

	src_str(s, name, sizeof(name));
	src_str(s, version, sizeof(version));
	if (!strcmp(name, "zlib"))
		d->codec = DAT_ZLIB;
	else if (!strcmp(name, "zstd"))
		d->codec = DAT_ZSTD;
	else if (!s->bad && strcmp(name, "none") != 0)
		src_fail(s, "it is compressed by \"%s\"; zlib and zstd are read", name);
}

void dat_read_v7(struct src *s, struct dat *d)
{
	uint64_t next;
	int sections = 0;

	read_codec(s, d);
	next = src_u64(s);
	while (next && !s->bad) {
		/* a chain that bites its tail is no file that any writer makes */
		if (++sections > OPTION_SECTIONS_MAX) {
			src_fail(s, "its options never end");
			return;
		}
		next = read_options(s, d, next);
	}
}
