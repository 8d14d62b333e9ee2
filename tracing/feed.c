// SPDX-License-Identifier: GPL-2.0-only
#include "tracing/feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"

enum {
	WINDOW_MAX = 1 << 18, /* larger reads are not faster */
	CHUNK_MAX = 8 << 20, /* trace-cmd writes chunks of 10 pages */
	CHUNKS_MAX = 1 << 28,
};

struct feed {
	const struct feed_file *file;
	const uint8_t *want; /* of the file */
	uint32_t type_end; /* of common_type in a record: the least that one has */
	const struct dat_cpu *cpu;
	uint8_t *window; /* pages, unpacked */
	size_t room, used; /* bytes: allocated, filled */
	size_t at; /* page in the window */
	uint64_t pos; /* next byte of the CPU's data in the file, from its start */
	uint32_t chunks; /* compressed: left */
	uint8_t *packed;
	size_t packed_room;
	struct page_walk walk;
	uint64_t page_no;
	struct event ev;
	struct clock_map clock;
	uint8_t number; /* of the file */
};

int feed_file_init(struct feed_file *f, const struct dat *d, struct err *e)
{
	*f = (struct feed_file){ .dat = d, .want = calloc(1, FEED_IDS) };
	if (!f->want)
		return err_set(e, -ENOMEM, "reading %s failed: no memory", d->name);
	for (size_t i = 0; i < d->n_formats; i++)
		if (format_field(d->formats[i].text, d->formats[i].len, "common_type", &f->type))
			break;
	if (f->type.bytes != 2)
		return err_set(e, -EINVAL,
			       "reading %s failed: no event format tells where common_type lies",
			       d->name);
	return 0;
}

void feed_file_free(struct feed_file *f)
{
	free(f->want);
	f->want = NULL;
}

static int read_at(const struct feed *f, void *buf, size_t n, struct err *e)
{
	uint8_t *out = buf;
	size_t done = 0;

	while (done < n) {
		ssize_t k = pread(f->cpu->fd, out + done, n - done, f->cpu->offset + f->pos + done);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return err_sys(e, "reading %s failed", f->file->dat->name);
		if (!k)
			return err_set(e, -EINVAL,
				       "reading %s failed: it was cut short while it was read",
				       f->file->dat->name);
		done += k;
	}
	return 0;
}

static int bad_chunk(const struct feed *f, struct err *e)
{
	return err_set(e, -EINVAL, "reading %s failed: a compressed chunk of CPU %u is corrupt",
		       f->file->dat->name, f->cpu->cpu);
}

static int room_for(uint8_t **buf, size_t *room, size_t bytes, struct err *e)
{
	uint8_t *more;

	if (bytes <= *room)
		return 0;
	more = realloc(*buf, bytes + FEED_SLACK);
	if (!more)
		return err_set(e, -ENOMEM, "reading the trace failed: no memory for %zu bytes",
			       bytes);
	memset(more + bytes, 0, FEED_SLACK);
	*buf = more;
	*room = bytes;
	return 0;
}

/* The count of chunks stands before the first. */
static int start_chunks(struct feed *f, struct err *e)
{
	int ret;

	if (f->cpu->bytes < 4)
		return bad_chunk(f, e);
	ret = read_at(f, &f->chunks, 4, e);
	f->pos = 4;
	return ret < 0 ? ret : f->chunks > CHUNKS_MAX ? bad_chunk(f, e) : 0;
}

/* Where the CPU's compressed data ends: some writers leave the count of chunks out of its size. */
static uint64_t packed_end(const struct feed *f)
{
	uint64_t in_file = f->file->dat->file_bytes - f->cpu->offset;

	return f->cpu->bytes + 4 < in_file ? f->cpu->bytes + 4 : in_file;
}

static int fill_chunk(struct feed *f, struct err *e)
{
	uint64_t end = packed_end(f);
	uint32_t head[2]; /* compressed bytes, bytes */
	int ret;

	if (!f->pos) {
		ret = start_chunks(f, e);
		if (ret < 0)
			return ret;
	}
	if (!f->chunks)
		return 0;
	f->chunks--;
	if (end - f->pos < sizeof(head))
		return bad_chunk(f, e);
	ret = read_at(f, head, sizeof(head), e);
	if (ret < 0)
		return ret;
	f->pos += sizeof(head);
	if (head[0] > end - f->pos || head[0] > CHUNK_MAX || !head[1] || head[1] > CHUNK_MAX)
		return bad_chunk(f, e);
	ret = room_for(&f->packed, &f->packed_room, head[0], e);
	if (!ret)
		ret = room_for(&f->window, &f->room, head[1], e);
	if (!ret)
		ret = read_at(f, f->packed, head[0], e);
	if (!ret)
		ret = dat_unpack(f->file->dat->codec, f->packed, head[0], f->window, head[1],
				 f->file->dat->name, e);
	if (ret < 0)
		return ret;
	f->pos += head[0];
	f->used = head[1];
	return 1;
}

/* The next pages into the window: 1, 0 when there are none left, -errno. */
static int fill(struct feed *f, struct err *e)
{
	uint64_t left = f->cpu->bytes - f->pos;
	int ret;

	f->at = 0;
	f->used = 0;
	if (f->file->dat->packed_data)
		return fill_chunk(f, e);
	if (!left)
		return 0;
	f->used = left < f->room ? left : f->room;
	ret = read_at(f, f->window, f->used, e);
	f->pos += f->used;
	return ret < 0 ? ret : 1;
}

int feed_pages(const struct dat *d, size_t cpu,
	       int (*put)(void *arg, const void *pages, size_t bytes, struct err *e), void *arg,
	       struct err *e)
{
	struct feed_file file = { .dat = d };
	struct feed f = { .file = &file, .cpu = &d->cpus[cpu] };
	int ret = 0;

	if (!d->packed_data)
		ret = room_for(&f.window, &f.room,
			       WINDOW_MAX > d->page_bytes ? WINDOW_MAX : d->page_bytes, e);
	while (!ret && (ret = fill(&f, e)) > 0)
		ret = put(arg, f.window, f.used, e);
	free(f.window);
	free(f.packed);
	return ret;
}

static int corrupt(const struct feed *f, struct err *e)
{
	return err_set(e, -EINVAL, "reading %s failed: page %ju of CPU %u is corrupt",
		       f->file->dat->name, (uintmax_t)f->page_no, f->cpu->cpu);
}

static int next_page(struct merge *m, struct feed *f, struct err *e)
{
	size_t page = f->file->dat->page_bytes, left;

	if (f->at >= f->used) {
		int ret = fill(f, e);

		if (ret <= 0)
			return ret;
	}
	/* the last page of a recording may be shorter: a disk was full, a guest was stopped */
	left = f->used - f->at;
	if (!page_open(&f->walk, &f->file->dat->head, f->window + f->at, left < page ? left : page))
		return corrupt(f, e);
	f->at += page;
	f->page_no++;
	m->pages++;
	/* before a ring's first page is what was overwritten: the trace begins after it */
	if (f->page_no == 1)
		m->begun_late += !!f->walk.lost;
	else if (f->walk.lost == UINT64_MAX)
		m->lost_pages++;
	else
		m->lost += f->walk.lost;
	if (__builtin_add_overflow(f->ev.lost, f->walk.lost, &f->ev.lost))
		f->ev.lost = UINT64_MAX;
	return 1;
}

/*
 * Move a feed to its next wanted event: 1, 0 at its end, -errno. Inlined by force because a merge
 * spends half of its time in here.
 */
static inline __attribute__((always_inline)) int advance(struct merge *m, struct feed *f,
							 struct err *e)
{
	const uint8_t *rec;
	uint32_t len;
	uint16_t id;
	int ret;

	for (;;) {
		enum page_next got = page_next(&f->walk, &rec, &len);

		if (__builtin_expect(got != PAGE_EVENT, 0)) {
			ret = got == PAGE_CORRUPT ? corrupt(f, e) : next_page(m, f, e);
			if (ret <= 0)
				return ret;
			continue;
		}
		m->events++;
		if (len < f->type_end)
			return corrupt(f, e);
		memcpy(&id, rec + f->type_end - 2, 2);
		if (f->want[id])
			break;
	}
	f->ev.rec = rec;
	f->ev.len = len;
	f->ev.id = id;
	f->ev.kind = f->want[id];
	f->ev.raw_ts = f->walk.ts;
	f->ev.ts = clock_to_host(&f->clock, f->walk.ts);
	return 1;
}

/* Of two events at the same instant, that of the first file and lower CPU comes first. */
static bool earlier(const struct merge_slot *a, const struct merge_slot *b)
{
	return a->ts < b->ts || (a->ts == b->ts && a->feed < b->feed);
}

static void sift_down(struct merge *m, size_t i)
{
	struct merge_slot s = m->heap[i];

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= m->n)
			break;
		if (child + 1 < m->n && earlier(&m->heap[child + 1], &m->heap[child]))
			child++;
		if (earlier(&s, &m->heap[child]))
			break;
		m->heap[i] = m->heap[child];
		i = child;
	}
	m->heap[i] = s;
}

static int add_feed(struct merge *m, const struct feed_file *file, size_t number, size_t cpu,
		    size_t room, struct err *e)
{
	struct feed *f = &m->feeds[m->n_feeds++];
	int ret = 0;

	*f = (struct feed){ .file = file,
			    .want = file->want,
			    .type_end = file->type.offset + 2,
			    .cpu = &file->dat->cpus[cpu],
			    .number = number };
	f->ev.cpu = f->cpu->cpu;
	f->ev.file = number;
	f->clock = f->cpu->cpu < file->n_maps ? file->maps[f->cpu->cpu] : file->clock;
	if (!file->dat->packed_data)
		ret = room_for(&f->window, &f->room, room, e);
	if (!ret)
		ret = advance(m, f, e);
	if (ret > 0)
		m->heap[m->n++] = (struct merge_slot){ f->ev.ts, f };
	return ret < 0 ? ret : 0;
}

int merge_open(struct merge *m, const struct feed_file *files, size_t n, size_t window_bytes,
	       struct err *e)
{
	size_t all = 0;
	int ret = 0;

	*m = (struct merge){ 0 };
	for (size_t i = 0; i < n; i++)
		all += files[i].dat->n_cpus;
	m->feeds = calloc(all ? all : 1, sizeof(*m->feeds));
	m->heap = calloc(all ? all : 1, sizeof(*m->heap));
	if (!m->feeds || !m->heap) {
		merge_close(m);
		return err_set(e, -ENOMEM, "reading the trace failed: no memory for %zu CPUs", all);
	}
	for (size_t i = 0; i < n && !ret; i++) {
		size_t page = files[i].dat->page_bytes, room = window_bytes / (all ? all : 1);

		room = (room < WINDOW_MAX ? room : WINDOW_MAX) / page * page;
		for (size_t k = 0; k < files[i].dat->n_cpus && !ret; k++)
			ret = add_feed(m, &files[i], i, k, room ? room : page, e);
	}
	if (ret < 0) {
		merge_close(m);
		return ret;
	}
	for (size_t i = m->n / 2; i-- > 0;)
		sift_down(m, i);
	return 0; /* m->until is 0: the first feed's second event is compared */
}

/* The first feed has moved to an event that may be behind those of others, or to its end. */
static void reorder(struct merge *m, bool ended)
{
	struct merge_slot *first = m->heap;

	if (ended)
		*first = m->heap[--m->n];
	else
		first->ts = first->feed->ev.ts;
	if (m->n > 1)
		sift_down(m, 0);
	m->until = UINT64_MAX;
	for (size_t i = 1; i < 3 && i < m->n; i++)
		if (m->heap[i].ts < m->until)
			m->until = m->heap[i].ts;
}

static int hand_out(struct merge *m, const struct event **ev)
{
	m->out = m->n > 0;
	if (m->out)
		*ev = &m->heap->feed->ev;
	return m->out;
}

int merge_next(struct merge *m, const struct event **ev, struct err *e)
{
	struct feed *first = m->heap->feed;
	int ret;

	if (!m->out)
		return hand_out(m, ev);
	first->ev.lost = 0;
	ret = advance(m, first, e);
	/* the usual case: a CPU has some events in a row */
	if (ret > 0 && first->ev.ts < m->until) {
		*ev = &first->ev;
		return 1;
	}
	if (ret < 0)
		return ret;
	reorder(m, !ret);
	return hand_out(m, ev);
}

bool merge_has(const struct merge *m, unsigned int file)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->heap[i].feed->number == file)
			return true;
	return false;
}

void merge_close(struct merge *m)
{
	for (size_t i = 0; i < m->n_feeds; i++) {
		free(m->feeds[i].window);
		free(m->feeds[i].packed);
	}
	free(m->feeds);
	free(m->heap);
	*m = (struct merge){ 0 };
}
