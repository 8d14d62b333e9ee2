// SPDX-License-Identifier: GPL-2.0-only
/* log_write - latency.log: the writer */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <zlib.h>

#include "results/log.h"
#include "results/log_format.h"

static void put(struct cursor *c, const void *data, size_t len)
{
	if ((size_t)(c->end - c->p) < len) {
		c->bad = true;
		return;
	}
	memcpy(c->p, data, len);
	c->p += len;
}

static void put16(struct cursor *c, uint16_t v)
{
	v = htole16(v);
	put(c, &v, sizeof(v));
}

static void put32(struct cursor *c, uint32_t v)
{
	v = htole32(v);
	put(c, &v, sizeof(v));
}

static void put64(struct cursor *c, uint64_t v)
{
	v = htole64(v);
	put(c, &v, sizeof(v));
}

static void put_varint(struct cursor *c, uint64_t v)
{
	unsigned char b[VARINT_BYTES];
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		b[n++] = v | 0x80;
	b[n++] = v;
	put(c, b, n);
}

/* Filled in by finish(): the header comes first but is known last. */
static struct cursor begin(struct log_writer *w)
{
	return (struct cursor){ .p = w->buf + HEADER_BYTES, .end = w->buf + RECORD_MAX };
}

static int finish(struct log_writer *w, struct cursor *payload, uint16_t type, struct err *e)
{
	size_t len = payload->p - w->buf;
	struct cursor c = { .p = w->buf, .end = w->buf + HEADER_BYTES };
	uint32_t crc;
	ssize_t n;

	put(&c, LOG_MAGIC, MAGIC_BYTES);
	put16(&c, type == TYPE_SLICE ? SLICE_VERSION : OTHER_VERSION);
	put16(&c, type);
	put32(&c, len - HEADER_BYTES);
	put32(&c, 0); /* crc */
	put32(&c, 0); /* reserved */
	put64(&c, w->campaign);
	put64(&c, w->sequence);
	crc = htole32(crc32(0, w->buf, len));
	memcpy(w->buf + CRC_OFFSET, &crc, sizeof(crc));
	/* One write(2): with O_APPEND a record of another writer cannot come in between. */
	do {
		n = write(w->fd, w->buf, len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, "writing the latency log failed");
	w->sequence++;
	if ((size_t)n != len)
		return err_set(e, -ENOSPC,
			       "writing the latency log failed: %zd of %zu bytes taken, "
			       "disk full?",
			       n, len);
	return 0;
}

static void put_bins(struct cursor *c, const struct hist *h)
{
	unsigned int last = 0;

	for (unsigned int i = hist_next(h, 0); i < HIST_BINS; i = hist_next(h, i + 1)) {
		put_varint(c, i - last);
		put_varint(c, h->bins[i]);
		last = i;
	}
}

static unsigned int count_bins(const struct hist *h)
{
	unsigned int n = 0;

	for (unsigned int i = hist_next(h, 0); i < HIST_BINS; i = hist_next(h, i + 1))
		n++;
	return n;
}

/* Small numbers of either sign stay small: 0, -1, 1, -2 become 0, 1, 2, 3. */
static void put_signed(struct cursor *c, int64_t v)
{
	put_varint(c, (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0));
}

static void put_identity(struct cursor *c, const struct log_slice *s)
{
	size_t len = strnlen(s->instrument, LOG_INSTRUMENT_BYTES - 1);

	put_varint(c, len);
	put(c, s->instrument, len);
	put_signed(c, s->cpu);
	put_signed(c, s->host_cpu);
}

static void put_times(struct cursor *c, const struct log_slice *s)
{
	put_varint(c, s->start_wall_ns);
	put_varint(c, s->start_mono_ns);
	put_varint(c, s->duration_ns);
	put_varint(c, s->period_ns);
	put_signed(c, s->max_wall_ns - s->start_wall_ns);
}

static void put_figures(struct cursor *c, const struct hist *h)
{
	put_varint(c, h->count);
	put_varint(c, h->sum_ns);
	put_varint(c, h->sum_ns >> 64);
	put_varint(c, h->min_ns);
	put_varint(c, h->max_ns);
	put_varint(c, h->over);
	put_varint(c, h->over_from_ns);
	put_varint(c, h->resolution_ns);
}

int log_write(struct log_writer *w, const struct log_slice *s, const struct hist *h, struct err *e)
{
	struct cursor c = begin(w);

	put_identity(&c, s);
	put_times(&c, s);
	put_figures(&c, h);
	put_varint(&c, s->known);
	for (unsigned int i = 0; i < LOG_COUNTERS; i++)
		if (log_known(s, i))
			put_signed(&c, s->counters[i]);
	put_varint(&c, count_bins(h));
	put_bins(&c, h);
	return finish(w, &c, TYPE_SLICE, e);
}

int log_mark(struct log_writer *w, uint64_t wall_ns, int cpu, const char *text, struct err *e)
{
	struct cursor c = begin(w);
	size_t len = strnlen(text, LOG_MARK_BYTES - 1);

	put64(&c, wall_ns);
	put32(&c, cpu);
	put(&c, text, len);
	return finish(w, &c, TYPE_MARK, e);
}

int log_sync(struct log_writer *w, struct err *e)
{
	if (fdatasync(w->fd))
		return err_sys(e, "writing the latency log to disk failed");
	return 0;
}

static int writer_open(struct log_writer *w, const char *path, int flags, struct err *e)
{
	w->buf = malloc(RECORD_MAX);
	if (!w->buf)
		return err_set(e, -ENOMEM, "writing %s failed: no memory", path);
	w->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | flags, 0644);
	if (w->fd < 0) {
		free(w->buf);
		w->buf = NULL;
		return err_sys(e, "opening %s for writing failed", path);
	}
	return 0;
}

int log_create(struct log_writer *w, const char *path, uint64_t campaign, struct err *e)
{
	*w = (struct log_writer){ .fd = -1, .campaign = campaign };
	while (!w->campaign)
		if (getrandom(&w->campaign, sizeof(w->campaign), 0) < 0 && errno != EINTR)
			return err_sys(e, "drawing an identity for %s failed", path);
	return writer_open(w, path, O_CREAT | O_EXCL, e);
}

int log_append(struct log_writer *w, const char *path, struct err *e)
{
	struct log_reader r;
	int ret = log_open(&r, path, e);

	*w = (struct log_writer){ .fd = -1 };
	if (ret < 0)
		return ret;
	while ((ret = log_next(&r, e)) > 0) {
		if (ret == LOG_DAMAGE)
			continue;
		w->campaign = r.campaign;
		w->sequence = r.sequence + 1;
	}
	log_reader_close(&r);
	if (ret < 0)
		return ret;
	if (!w->campaign)
		return err_set(e, -EINVAL, "going on with %s failed: it has no whole record", path);
	return writer_open(w, path, 0, e);
}

int log_close(struct log_writer *w, struct err *e)
{
	struct cursor c;
	int ret;

	if (w->fd < 0)
		return 0;
	c = begin(w);
	ret = finish(w, &c, TYPE_END, e);
	if (!ret)
		ret = log_sync(w, e);
	if (close(w->fd) && !ret)
		ret = err_sys(e, "closing the latency log failed");
	free(w->buf);
	*w = (struct log_writer){ .fd = -1 };
	return ret;
}
