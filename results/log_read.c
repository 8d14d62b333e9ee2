// SPDX-License-Identifier: GPL-2.0-only
/* log_read - latency.log: the reader, which trusts nothing it has not checked */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/file.h"
#include "results/log.h"
#include "results/log_format.h"

enum { READ_BYTES = 1 << 20 };

_Static_assert(READ_BYTES >= 4 * RECORD_MAX, "a whole record always fits the read buffer");

const char *log_counter_name(enum log_counter c)
{
	static const char *const names[LOG_COUNTERS] = {
		[LOG_EXPECTED] = "expected", [LOG_MISSED] = "missed",	[LOG_SMI] = "smi",
		[LOG_IRQ] = "irq",	     [LOG_EXITS] = "exits",	[LOG_STEAL_NS] = "steal_ns",
		[LOG_FREQ_KHZ] = "freq_khz", [LOG_TEMP_MC] = "temp_mc",
	};

	return c < LOG_COUNTERS ? names[c] : NULL;
}

bool log_is(const void *data, size_t len)
{
	return len >= MAGIC_BYTES && !memcmp(data, LOG_MAGIC, MAGIC_BYTES);
}

static void get(struct cursor *c, void *data, size_t len)
{
	if ((size_t)(c->end - c->p) < len) {
		c->bad = true;
		memset(data, 0, len);
		return;
	}
	memcpy(data, c->p, len);
	c->p += len;
}

static uint16_t get16(struct cursor *c)
{
	uint16_t v;

	get(c, &v, sizeof(v));
	return le16toh(v);
}

static uint32_t get32(struct cursor *c)
{
	uint32_t v;

	get(c, &v, sizeof(v));
	return le32toh(v);
}

static uint64_t get64(struct cursor *c)
{
	uint64_t v;

	get(c, &v, sizeof(v));
	return le64toh(v);
}

static uint64_t get_varint(struct cursor *c)
{
	uint64_t v = 0;

	for (unsigned int shift = 0; shift < 64 && c->p < c->end; shift += 7) {
		unsigned char b = *c->p++;

		if (shift == 63 && b > 1)
			break;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return v;
	}
	c->bad = true;
	return 0;
}

int log_open(struct log_reader *r, const char *path, struct err *e)
{
	memset(r, 0, sizeof(*r));
	r->dirty_from = HIST_BINS;
	r->path = path;
	r->fd = file_open(path, e);
	if (r->fd < 0)
		return r->fd;
	r->buf = malloc(READ_BYTES);
	if (r->buf)
		return 0;
	log_reader_close(r);
	return err_set(e, -ENOMEM, "reading %s failed: no memory", path);
}

void log_reader_close(struct log_reader *r)
{
	if (r->fd >= 0)
		close(r->fd);
	free(r->buf);
	r->fd = -1;
	r->buf = NULL;
}

/* Have at least want bytes after pos, unless the file ends before. */
static int fill(struct log_reader *r, size_t want, struct err *e)
{
	if (r->have - r->pos >= want || r->eof)
		return 0;
	memmove(r->buf, r->buf + r->pos, r->have - r->pos);
	r->have -= r->pos;
	r->pos = 0;
	while (r->have < READ_BYTES && !r->eof) {
		ssize_t n = read(r->fd, r->buf + r->have, READ_BYTES - r->have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "reading %s failed", r->path);
		r->eof = n == 0;
		r->have += n;
	}
	return 0;
}

/* Clearing 30 KB a slice would cost more than all the rest of reading: only what was set. */
static void clear_hist(struct log_reader *r)
{
	for (unsigned int i = r->dirty_from; i <= r->dirty_to; i++)
		r->hist.bins[i] = 0;
	r->dirty_from = HIST_BINS;
	r->dirty_to = 0;
}

static bool parse_bins(struct log_reader *r, struct cursor *c, uint32_t bins)
{
	struct hist *h = &r->hist;
	uint64_t index = 0, count = 0;
	unsigned int first = HIST_BINS;

	for (uint32_t i = 0; i < bins; i++) {
		uint64_t gap = get_varint(c), n = get_varint(c);

		if (c->bad || gap >= HIST_BINS || (i && !gap) || !n)
			return false;
		index += gap;
		if (index >= HIST_BINS || __builtin_add_overflow(count, n, &count))
			return false;
		if (first == HIST_BINS)
			first = r->dirty_from = index;
		r->dirty_to = index;
		h->bins[index] = n;
	}
	if (count != h->count || c->p != c->end)
		return false;
	if (!count)
		return true;
	/* min and max are redundant with the bins: a writer that contradicts itself is not believed */
	return h->min_ns <= hist_high(first) && (h->over || h->min_ns >= hist_low(first)) &&
	       h->max_ns >= hist_low(index) && (h->over || h->max_ns <= hist_high(index));
}

static bool plausible(const struct log_slice *s, const struct hist *h)
{
	return !s->instrument[LOG_INSTRUMENT_BYTES - 1] && s->cpu >= -1 && s->host_cpu >= -1 &&
	       h->resolution_ns && h->resolution_ns <= 1000000000;
}

static void get_counters(struct log_slice *s, uint32_t known, struct cursor *c,
			 int64_t (*get_one)(struct cursor *c))
{
	for (unsigned int i = 0; i < KNOWN_BITS; i++) {
		int64_t v = known >> i & 1 ? get_one(c) : 0;

		if (i < LOG_COUNTERS)
			s->counters[i] = v;
	}
	s->known = known & ((1u << LOG_COUNTERS) - 1);
}

static int64_t get_fixed(struct cursor *c)
{
	return get64(c);
}

static int64_t get_signed(struct cursor *c)
{
	uint64_t v = get_varint(c);

	return (int64_t)(v >> 1 ^ -(v & 1));
}

/* Version 1: fields of fixed size. */
static bool parse_fixed(struct log_reader *r, struct cursor *c, uint32_t *bins)
{
	struct log_slice *s = &r->slice;
	struct hist *h = &r->hist;
	uint32_t known;

	get(c, s->instrument, sizeof(s->instrument));
	s->cpu = get32(c);
	s->host_cpu = get32(c);
	s->start_wall_ns = get64(c);
	s->start_mono_ns = get64(c);
	s->duration_ns = get64(c);
	s->period_ns = get64(c);
	s->max_wall_ns = get64(c);
	known = get32(c);
	*bins = get32(c);
	h->count = get64(c);
	h->sum_ns = get64(c);
	h->sum_ns |= (unsigned __int128)get64(c) << 64;
	h->min_ns = get64(c);
	h->max_ns = get64(c);
	h->over = get64(c);
	h->over_from_ns = get64(c);
	h->resolution_ns = get64(c);
	get_counters(s, known, c, get_fixed);
	return !c->bad;
}

/* A number that has to fit its field: what does not is a payload that cannot be. */
static uint32_t get_u32(struct cursor *c)
{
	uint64_t v = get_varint(c);

	c->bad |= v > UINT32_MAX;
	return v;
}

static int32_t get_cpu(struct cursor *c)
{
	int64_t v = get_signed(c);

	c->bad |= v < -1 || v > INT32_MAX;
	return v;
}

/* Version 2: the same, packed. */
static bool parse_packed(struct log_reader *r, struct cursor *c, uint32_t *bins)
{
	struct log_slice *s = &r->slice;
	struct hist *h = &r->hist;
	uint64_t len = get_varint(c);

	if (len >= LOG_INSTRUMENT_BYTES)
		return false;
	get(c, s->instrument, len);
	s->cpu = get_cpu(c);
	s->host_cpu = get_cpu(c);
	s->start_wall_ns = get_varint(c);
	s->start_mono_ns = get_varint(c);
	s->duration_ns = get_varint(c);
	s->period_ns = get_varint(c);
	s->max_wall_ns = s->start_wall_ns + (uint64_t)get_signed(c);
	h->count = get_varint(c);
	h->sum_ns = get_varint(c);
	h->sum_ns |= (unsigned __int128)get_varint(c) << 64;
	h->min_ns = get_varint(c);
	h->max_ns = get_varint(c);
	h->over = get_varint(c);
	h->over_from_ns = get_varint(c);
	h->resolution_ns = get_varint(c);
	get_counters(s, get_u32(c), c, get_signed);
	*bins = get_u32(c);
	return !c->bad;
}

static bool parse_slice(struct log_reader *r, struct cursor *c, uint16_t version)
{
	uint32_t bins;

	clear_hist(r);
	memset(&r->slice, 0, sizeof(r->slice));
	if (!(version == 1 ? parse_fixed(r, c, &bins) : parse_packed(r, c, &bins)))
		return false;
	return plausible(&r->slice, &r->hist) && parse_bins(r, c, bins);
}

static bool parse_mark(struct log_reader *r, struct cursor *c)
{
	size_t len;

	r->mark_wall_ns = get64(c);
	r->mark_cpu = (int32_t)get32(c);
	len = c->end - c->p;
	if (c->bad || len >= LOG_MARK_BYTES)
		return false;
	get(c, r->mark, len);
	r->mark[len] = '\0';
	return true;
}

/* What stands at pos: an event, or LOG_DAMAGE when it is no whole record. */
static int parse_record(struct log_reader *r, size_t *bytes, struct err *e)
{
	unsigned char *p = r->buf + r->pos;
	size_t have = r->have - r->pos;
	struct cursor c = { .p = p + MAGIC_BYTES, .end = p + have };
	uint16_t version, type;
	uint32_t len, crc, sum;
	int event = LOG_DAMAGE;

	if (have < HEADER_BYTES || !log_is(p, have))
		return LOG_DAMAGE;
	version = get16(&c);
	type = get16(&c);
	len = get32(&c);
	crc = get32(&c);
	get32(&c);
	r->campaign = get64(&c);
	r->sequence = get64(&c);
	if (len > PAYLOAD_MAX || len > have - HEADER_BYTES)
		return LOG_DAMAGE;
	memset(p + CRC_OFFSET, 0, sizeof(crc));
	sum = crc32(0, p, HEADER_BYTES + len);
	crc = htole32(crc);
	memcpy(p + CRC_OFFSET, &crc, sizeof(crc));
	if (sum != le32toh(crc))
		return LOG_DAMAGE;
	if (version > VERSION)
		return err_set(e, -EPROTONOSUPPORT,
			       "reading %s failed: the record at byte %ju is of version %u, this "
			       "rtkvm reads %d; use the rtkvm that wrote it or a newer one",
			       r->path, (uintmax_t)r->offset, version, VERSION);
	c.end = c.p + len;
	if (type == TYPE_SLICE && parse_slice(r, &c, version))
		event = LOG_SLICE;
	else if (type == TYPE_MARK && parse_mark(r, &c))
		event = LOG_MARK;
	else if (type == TYPE_END && !len)
		event = LOG_CLOSED;
	*bytes = HEADER_BYTES + len;
	return event;
}

/* Bytes from pos + 1 to where a record may start again, or to the end of what is read. */
static size_t to_next_magic(const struct log_reader *r)
{
	const unsigned char *from = r->buf + r->pos + 1, *end = r->buf + r->have;
	const unsigned char *p = memmem(from, end - from, LOG_MAGIC, MAGIC_BYTES);

	if (p)
		return p - r->buf - r->pos;
	if (r->eof || r->have - r->pos < MAGIC_BYTES)
		return r->have - r->pos;
	return r->have - r->pos - (MAGIC_BYTES - 1); /* its first bytes may be the last ones read */
}

int log_next(struct log_reader *r, struct err *e)
{
	uint64_t damage = 0;

	for (;;) {
		size_t bytes = 0;
		int ret = fill(r, RECORD_MAX, e);

		if (ret < 0)
			return ret;
		if (r->have == r->pos && !damage)
			return LOG_END_OF_FILE;
		ret = r->have == r->pos ? LOG_END_OF_FILE : parse_record(r, &bytes, e);
		if (ret < 0)
			return ret;
		if (ret != LOG_DAMAGE &&
		    damage) { /* report it first; pos stays at the good record */
			r->damage_bytes = damage;
			r->damage_offset = r->offset - damage;
			r->damage_tail = ret == LOG_END_OF_FILE;
			return LOG_DAMAGE;
		}
		if (ret == LOG_DAMAGE) {
			bytes = to_next_magic(r);
			damage += bytes;
		}
		r->pos += bytes;
		r->offset += bytes;
		if (ret != LOG_DAMAGE)
			return ret;
	}
}
