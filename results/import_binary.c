// SPDX-License-Identifier: GPL-2.0-only
/*
 * import_binary - HdrHistogram logs (text around compressed histograms), jitterdebugger's
 * samples.raw
 *
 * HdrHistogram log format 1.2/1.3 and the V2 encoding: HdrHistogram's Histogram.java and
 * HistogramLogReader.java. samples.raw: packed u32 cpu, i64 seconds, i64 nanoseconds, u64 value,
 * little-endian, in the order in which the threads' rings were drained.
 */
#include <endian.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "results/import.h"

/* --- jitterdebugger: samples.raw --- */

enum { RAW_BYTES = 28, RAW_CPUS = 4096, RAW_SLICE_NS = 1000000000 };

struct raw {
	uint32_t cpu;
	uint64_t ns, value;
};

static bool raw_parse(const unsigned char *p, struct raw *s)
{
	int64_t sec, nsec;

	memcpy(&s->cpu, p, 4);
	memcpy(&sec, p + 4, 8);
	memcpy(&nsec, p + 12, 8);
	memcpy(&s->value, p + 20, 8);
	s->cpu = le32toh(s->cpu);
	sec = le64toh(sec);
	nsec = le64toh(nsec);
	s->value = le64toh(s->value);
	s->ns = sec * 1000000000ull + nsec;
	return s->cpu < RAW_CPUS && sec >= 0 && sec < 4102444800 && nsec >= 0 &&
	       nsec < 1000000000 && s->value < 86400ull * 1000000000;
}

bool jitterraw_is(const char *head, size_t len)
{
	size_t n = 0;
	struct raw s;

	for (; (n + 1) * RAW_BYTES <= len && n < 100; n++)
		if (!raw_parse((const unsigned char *)head + n * RAW_BYTES, &s))
			return false;
	return n >= 1;
}

static int raw_sample(struct import *im, struct import_cpu **cpus, const struct raw *s,
		      uint64_t unit, struct err *e)
{
	struct import_cpu *c = cpus[s->cpu];
	uint64_t ns;

	if (!import_ns(s->value, unit, &ns))
		return -EINVAL;
	if (!c) {
		c = cpus[s->cpu] = import_cpu(im, "jitterdebugger", s->cpu, e);
		if (!c)
			return e->code;
		c->hist.resolution_ns = unit;
		c->slice.start_mono_ns = s->ns;
	}
	/* Time is that of the machine's monotonic clock; a step back begins a slice as well. */
	if (s->ns < c->slice.start_mono_ns ||
	    s->ns - c->slice.start_mono_ns >= 10ull * RAW_SLICE_NS) {
		c->slice.duration_ns = s->ns > c->slice.start_mono_ns ? 10ull * RAW_SLICE_NS : 0;
		if (import_slice(im, c, e))
			return e->code;
		c->slice.start_mono_ns = s->ns;
	}
	c->slice.duration_ns = s->ns - c->slice.start_mono_ns;
	hist_add(&c->hist, ns);
	return 0;
}

static int raw_all(struct import *im, int fd, struct import_cpu **cpus, uint64_t unit,
		   struct err *e)
{
	unsigned char buf[RAW_BYTES * 2048];
	uint64_t n = 0;
	size_t have = 0;
	ssize_t got;

	while ((got = read(fd, buf + have, sizeof(buf) - have)) > 0) {
		size_t at = 0;

		for (have += got; have - at >= RAW_BYTES; at += RAW_BYTES, n++) {
			struct raw s;

			if (!raw_parse(buf + at, &s) || raw_sample(im, cpus, &s, unit, e))
				return err_set(
					e, -EINVAL,
					"reading %s failed: record %ju (byte %ju): an absurd "
					"sample",
					im->path, (uintmax_t)n, (uintmax_t)n * RAW_BYTES);
		}
		have -= at;
		memmove(buf, buf + at, have);
	}
	if (got < 0)
		return err_sys(e, "reading %s failed", im->path);
	if (have)
		return err_set(
			e, -EINVAL,
			"reading %s failed: it ends %zu bytes into record %ju; was it cut off?",
			im->path, have, (uintmax_t)n);
	return 0;
}

int jitterraw_read(struct import *im, struct err *e)
{
	_cleanup_close_ int fd = file_open(im->path, e);
	_cleanup_free_ struct import_cpu **cpus = calloc(RAW_CPUS, sizeof(*cpus));
	struct lines place = { .path = im->path };
	int unit;

	if (fd < 0)
		return fd;
	if (!cpus)
		return err_set(e, -ENOMEM, "reading %s failed: no memory", im->path);
	unit = import_unit(im, &place, "or --unit ns if jitterdebugger ran with -N", e);
	if (unit < 0 || raw_all(im, fd, cpus, unit, e))
		return e->code;
	import_source(im, "jitterdebugger", NULL);
	import_note(im,
		    "numbers of CPUs are jitterdebugger's thread numbers; it catches up after a "
		    "stall, so one stall is many samples; samples its ring dropped are not told");
	return 0;
}

/* --- HdrHistogram --- */

enum {
	HDR_COOKIE = 0x1c849303, /* V2, word size in bits 4-7 */
	HDR_COMPRESSED = 0x1c849304,
	HDR_HEADER = 40,
	HDR_BYTES = 64 << 20,
};

bool hdr_is(const char *head, size_t len)
{
	(void)len;
	return strstr(head, "Histogram log format version") ||
	       (strstr(head, "\"StartTimestamp\"") && strstr(head, "HIST"));
}

/* Decoded bytes; a negative length is an error. Whitespace is not expected in a log line. */
static ssize_t base64_decode(const char *s, size_t len, unsigned char *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t v = 0;
	size_t n = 0;
	int bits = 0;

	while (len && s[len - 1] == '=')
		len--;
	for (size_t i = 0; i < len; i++) {
		const char *d = s[i] ? strchr(digits, s[i]) : NULL;

		if (!d)
			return -1;
		v = v << 6 | (d - digits);
		bits += 6;
		if (bits >= 8)
			out[n++] = v >> (bits -= 8);
	}
	return n;
}

static uint32_t be32(const unsigned char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static uint64_t be64(const unsigned char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

/* LEB128 of 9 bytes at most (the ninth holds 8 bits), then zig-zag. */
static bool zigzag(const unsigned char **p, const unsigned char *end, int64_t *v)
{
	uint64_t n = 0;

	for (int i = 0; i < 9; i++) {
		unsigned char b;

		if (*p == end)
			return false;
		b = *(*p)++;
		n |= (uint64_t)(i < 8 ? b & 0x7f : b) << (7 * i);
		if (i == 8 || !(b & 0x80))
			break;
	}
	*v = (int64_t)(n >> 1) ^ -(int64_t)(n & 1);
	return true;
}

/* HdrHistogram's own index to the highest value of its bin. */
struct hdr_shape {
	unsigned int sub_bits,
		unit_bits; /* log2 of half the sub-buckets + 1, of the lowest value */
};

static uint64_t hdr_value(const struct hdr_shape *s, uint64_t index)
{
	uint64_t half = 1ull << (s->sub_bits - 1);
	int64_t bucket = (int64_t)(index >> (s->sub_bits - 1)) - 1;
	uint64_t sub = (index & (half - 1)) + half;

	if (bucket < 0) {
		sub -= half;
		bucket = 0;
	}
	if (bucket + s->unit_bits > 62 || sub >> (62 - bucket - s->unit_bits))
		return UINT64_MAX;
	return ((sub + 1) << (bucket + s->unit_bits)) - 1;
}

static bool hdr_counts(const unsigned char *p, const unsigned char *end, const struct hdr_shape *s,
		       uint64_t unit, struct hist *h)
{
	uint64_t index = 0, ns;
	int64_t n;

	while (p < end) {
		if (!zigzag(&p, end, &n) || n == INT64_MIN)
			return false;
		if (n <= 0) { /* a run of -n empty bins; 0 is one */
			index += n ? -n : 1;
			if (index > 1 << 26)
				return false;
			continue;
		}
		if (n >> 56 || !import_ns(hdr_value(s, index), unit, &ns))
			return false;
		hist_add_n(h, ns, n);
		index++;
	}
	return true;
}

static bool hdr_plain(const unsigned char *p, size_t len, uint64_t unit, struct hist *h)
{
	struct hdr_shape s;
	uint32_t cookie, bytes, digits;
	uint64_t lowest;

	if (len < HDR_HEADER)
		return false;
	cookie = be32(p);
	bytes = be32(p + 4);
	digits = be32(p + 12);
	lowest = be64(p + 16);
	if ((cookie & ~0xf0u) != (HDR_COOKIE & ~0xf0u) || bytes > len - HDR_HEADER || be32(p + 8) ||
	    digits > 5 || !lowest || lowest >> 40)
		return false;
	/* smallest power of two that keeps that many digits apart */
	s.sub_bits = ceil(log2(2 * pow(10, digits)));
	s.unit_bits = 63 - __builtin_clzll(lowest);
	return hdr_counts(p + HDR_HEADER, p + HDR_HEADER + bytes, &s, unit, h);
}

static bool hdr_decode(const char *payload, size_t len, uint64_t unit, struct hist *h)
{
	_cleanup_free_ unsigned char *packed = malloc(len + 1);
	_cleanup_free_ unsigned char *plain = NULL;
	ssize_t n = packed ? base64_decode(payload, len, packed) : -1;
	uLongf size;

	if (n < 8)
		return false;
	if ((be32(packed) & ~0xf0u) != (HDR_COMPRESSED & ~0xf0u))
		return hdr_plain(packed, n, unit, h);
	if (be32(packed + 4) > (size_t)n - 8)
		return false;
	for (size = 1 << 16; size <= HDR_BYTES; size *= 8) {
		uLongf got = size;
		int ret;

		free(plain);
		plain = malloc(size);
		if (!plain)
			return false;
		ret = uncompress(plain, &got, packed + 8, be32(packed + 4));
		if (ret == Z_OK)
			return hdr_plain(plain, got, unit, h);
		if (ret != Z_BUF_ERROR)
			return false;
	}
	return false;
}

struct hdr {
	struct import *im;
	struct lines l;
	double start_s; /* #[StartTime: ...]; 0 unknown */
	uint64_t unit, intervals;
};

/* [Tag=x,]start,length,max,payload */
static int hdr_interval(struct hdr *h, const char *p, struct err *e)
{
	char tag[LOG_INSTRUMENT_BYTES] = "samples";
	double start, length, max;
	struct import_cpu *c;
	size_t n;

	if (!strncmp(p, "Tag=", 4)) {
		n = strcspn(p, ",");
		snprintf(tag, sizeof(tag), "%.*s", (int)(n - 4), p + 4);
		p += n + (p[n] == ',');
	}
	if (!scan_double(&p, &start) || !scan_text(&p, ",") || !scan_double(&p, &length) ||
	    !scan_text(&p, ",") || !scan_double(&p, &max) || !scan_text(&p, ","))
		return lines_error(&h->l, e, "not \"start,length,max,histogram\"");
	if (start > 4102444800.0 || length > 1e8)
		return lines_error(&h->l, e, "an absurd time");
	c = import_cpu(h->im, tag, -1, e);
	if (!c)
		return e->code;
	n = strlen(p);
	while (n && (p[n - 1] == ' ' || p[n - 1] == '"'))
		n--;
	if (!hdr_decode(p, n, h->unit, &c->hist))
		return lines_error(&h->l, e,
				   "its histogram is damaged, or of another encoding than V2");
	/* times are relative to the start where they are small (HistogramLogReader's own rule) */
	if (h->start_s && start < h->start_s - 365 * 86400.0)
		start += h->start_s;
	if (start > 1e9)
		c->slice.start_wall_ns = start * 1e9;
	else
		c->slice.start_mono_ns = start * 1e9;
	c->slice.duration_ns = length * 1e9;
	h->intervals++;
	return import_slice(h->im, c, e);
}

static int hdr_line(struct hdr *h, const char *line, struct err *e)
{
	const char *p = line;

	if (scan_text(&p, "#[StartTime:"))
		return scan_double(&p, &h->start_s) ? 0 : lines_error(&h->l, e, "no start time");
	if (scan_text(&p, "#[Histogram log format version ") && strncmp(p, "1.", 2))
		return err_set(e, -EPROTONOSUPPORT,
			       "reading %s failed: line %ju: log format %.8s, 1.x is read",
			       h->l.path, (uintmax_t)h->l.number, p);
	if (*line == '#' || *line == '"' || scan_end(line))
		return 0;
	return hdr_interval(h, line, e);
}

int hdr_read(struct import *im, struct err *e)
{
	struct hdr h = { .im = im };
	char *line;
	int unit;

	if (lines_open(&h.l, im->path, e))
		return e->code;
	unit = import_unit(im, &h.l, "or --unit ns (what jHiccup writes)", e);
	h.unit = unit;
	while (unit > 0 && (line = lines_next(&h.l, e)))
		if (hdr_line(&h, line, e))
			break;
	lines_close(&h.l);
	if (e->code)
		return e->code;
	if (!h.intervals)
		return err_set(e, -EINVAL, "reading %s failed: no interval in it", im->path);
	import_source(im, "HdrHistogram log", NULL);
	import_note(im, "values are upper edges of the source's bins; whether it was corrected for "
			"coordinated omission is not told");
	return 0;
}
