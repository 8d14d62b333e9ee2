// SPDX-License-Identifier: GPL-2.0-only
#include "tracing/datwrite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "tracing/dat_parts.h"

static const char header_event[] = "# compressed entry header\n"
				   "\ttype_len    :    5 bits\n"
				   "\ttime_delta  :   27 bits\n"
				   "\tarray       :   32 bits\n"
				   "\n"
				   "\tpadding     : type == 29\n"
				   "\ttime_extend : type == 30\n"
				   "\ttime_stamp : type == 31\n"
				   "\tdata max type_len  == 28\n";

const struct dat_blob datw_header_event = { header_event, sizeof(header_event) - 1 };

/* The head is put together in memory: a few MiB, and one place to look for "no memory". */
struct buf {
	char *p;
	size_t len;
	FILE *f;
};

static void put(struct buf *b, const void *data, size_t n)
{
	fwrite(data, 1, n, b->f);
}

static void put16(struct buf *b, uint16_t v)
{
	put(b, &v, sizeof(v));
}

static void put32(struct buf *b, uint32_t v)
{
	put(b, &v, sizeof(v));
}

static void put64(struct buf *b, uint64_t v)
{
	put(b, &v, sizeof(v));
}

static void put_long_text(struct buf *b, struct dat_blob t)
{
	put64(b, t.len);
	put(b, t.text ? t.text : "", t.len);
}

static void put_text(struct buf *b, struct dat_blob t)
{
	put32(b, t.len);
	put(b, t.text ? t.text : "", t.len);
}

static bool same_system(const struct datw_format *a, const char *system)
{
	return !strcmp(a->system, system);
}

static void put_group(struct buf *b, const struct datw_head *h, const char *system)
{
	uint32_t n = 0;

	for (size_t i = 0; i < h->n_formats; i++)
		n += same_system(&h->formats[i], system);
	put32(b, n);
	for (size_t i = 0; i < h->n_formats; i++)
		if (same_system(&h->formats[i], system))
			put_long_text(b, h->formats[i].text);
}

/* Is this the first format of its system? */
static bool opens_group(const struct datw_head *h, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (same_system(&h->formats[k], h->formats[i].system))
			return false;
	return strcmp(h->formats[i].system, "ftrace") != 0;
}

static void put_formats(struct buf *b, const struct datw_head *h)
{
	uint32_t systems = 0;

	put_group(b, h, "ftrace");
	for (size_t i = 0; i < h->n_formats; i++)
		systems += opens_group(h, i);
	put32(b, systems);
	for (size_t i = 0; i < h->n_formats; i++) {
		if (!opens_group(h, i))
			continue;
		put(b, h->formats[i].system, strlen(h->formats[i].system) + 1);
		put_group(b, h, h->formats[i].system);
	}
}

static void put_option(struct buf *b, uint16_t id, const void *data, uint32_t n)
{
	put16(b, id);
	put32(b, n);
	put(b, data, n);
}

static void put_str_option(struct buf *b, uint16_t id, const char *text)
{
	if (text)
		put_option(b, id, text, strlen(text) + 1);
}

/* TIME_SHIFT: peer, flags, CPUs, for each {n, times, offsets, ratios}, then the fraction bits */
static void put_shift(struct buf *b, const struct datw_head *h)
{
	uint64_t ratio = h->ratio ? h->ratio : 1;
	uint32_t n = h->n_cpus;

	put16(b, OPT_TIME_SHIFT);
	put32(b, 16 + n * (4 + 3 * 8) + n * 8);
	put64(b, h->peer_id);
	put32(b, 0);
	put32(b, n);
	for (uint32_t i = 0; i < n; i++) {
		put32(b, 1);
		put64(b, 0);
		put64(b, -(uint64_t)h->offset);
		put64(b, ratio);
	}
	for (uint32_t i = 0; i < n; i++)
		put64(b, h->frac);
}

static void put_guest(struct buf *b, const struct datw_head *h)
{
	size_t name = strlen(h->guest) + 1;

	put16(b, OPT_GUEST);
	put32(b, name + 8 + 4 + h->n_vcpus * 8);
	put(b, h->guest, name);
	put64(b, h->guest_id);
	put32(b, h->n_vcpus);
	for (size_t i = 0; i < h->n_vcpus; i++) {
		put32(b, h->vcpus[i].cpu);
		put32(b, h->vcpus[i].tid);
	}
}

static void put_options(struct buf *b, const struct datw_head *h)
{
	uint32_t cpus = h->n_cpus;
	char clock[64];

	put(b, "options  ", 10);
	for (unsigned int i = 0; h->stats && i < h->n_cpus; i++)
		put_str_option(b, OPT_CPUSTAT, h->stats[i]);
	if (h->clock) {
		/* as trace_clock shows it: the chosen one in brackets */
		snprintf(clock, sizeof(clock), "[%s]", h->clock);
		put_str_option(b, OPT_TRACECLOCK, clock);
	}
	put_str_option(b, OPT_UNAME, h->uname);
	put_option(b, OPT_CPUCOUNT, &cpus, sizeof(cpus));
	if (h->trace_id)
		put_option(b, OPT_TRACEID, &h->trace_id, 8);
	if (h->tsc_mult) {
		put16(b, OPT_TSC2NSEC);
		put32(b, 16);
		put32(b, h->tsc_mult);
		put32(b, h->tsc_shift);
		put64(b, 0);
	}
	if (h->shifted)
		put_shift(b, h);
	if (h->guest)
		put_guest(b, h);
	put16(b, OPT_DONE);
}

static void put_head(struct buf *b, const struct datw_head *h)
{
	static const char magic[] = { 0x17, 0x08, 0x44, 't', 'r', 'a', 'c', 'i', 'n', 'g', '6', 0 };

	put(b, magic, sizeof(magic));
	put(b, (char[]){ 0, 8 }, 2); /* little-endian, 64-bit */
	put32(b, h->page_bytes);
	put(b, "header_page", 12);
	put_long_text(b, h->header_page);
	put(b, "header_event", 13);
	put_long_text(b, h->header_event);
	put_formats(b, h);
	put_text(b, h->kallsyms);
	put_text(b, h->printk);
	put_long_text(b, h->cmdlines);
	put32(b, h->n_cpus);
	put_options(b, h);
	put(b, "flyrecord", 10);
}

static int write_failed(struct datw *w, int ret, struct err *e)
{
	return err_set(e, ret, "writing %s failed: %s", w->path, strerror(-ret));
}

static int put_out(struct datw *w, const struct datw_head *h, struct err *e)
{
	struct buf b = { 0 };
	_cleanup_free_ char *mem = NULL;
	int ret;

	b.f = open_memstream(&b.p, &b.len);
	if (!b.f)
		return write_failed(w, -ENOMEM, e);
	put_head(&b, h);
	w->table = ftello(b.f);
	for (unsigned int i = 0; i < h->n_cpus; i++) {
		put64(&b, 0);
		put64(&b, 0);
	}
	ret = ferror(b.f) || fclose(b.f) ? -ENOMEM : 0;
	mem = b.p;
	if (!ret)
		ret = file_write_all(w->fd, b.p, b.len);
	w->at = b.len;
	return ret < 0 ? write_failed(w, ret, e) : 0;
}

int datw_open(struct datw *w, const char *path, const struct datw_head *h, struct err *e)
{
	int ret;

	*w = (struct datw){ .fd = -1, .page_bytes = h->page_bytes, .n_cpus = h->n_cpus };
	w->path = strdup(path);
	w->range = calloc(h->n_cpus ? h->n_cpus : 1, 2 * sizeof(*w->range));
	if (!w->path || !w->range || asprintf(&w->tmp, "%s.%d.tmp", path, getpid()) < 0) {
		w->tmp = NULL;
		ret = err_set(e, -ENOMEM, "writing %s failed: no memory", path);
		goto fail;
	}
	w->fd = open(w->tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (w->fd < 0) {
		ret = err_sys(e, "writing %s failed", path);
		goto fail;
	}
	ret = put_out(w, h, e);
	if (!ret)
		return 0;
fail:
	datw_close(w, false, e);
	return ret;
}

int datw_cpu(struct datw *w, unsigned int cpu, struct err *e)
{
	uint64_t page = w->page_bytes;

	if (cpu >= w->n_cpus || w->range[2 * cpu])
		return err_set(e, -EINVAL, "writing %s failed: CPU %u a second time", w->path, cpu);
	w->at = (w->at + page - 1) / page * page;
	if (lseek(w->fd, w->at, SEEK_SET) < 0)
		return write_failed(w, -errno, e);
	w->cpu = cpu;
	w->range[2 * cpu] = w->at;
	return 0;
}

int datw_pages(struct datw *w, const void *pages, size_t bytes, struct err *e)
{
	int ret = file_write_all(w->fd, pages, bytes);

	if (ret < 0)
		return write_failed(w, ret, e);
	w->at += bytes;
	w->range[2 * w->cpu + 1] += bytes;
	return 0;
}

static int put_in_place(struct datw *w, struct err *e)
{
	size_t bytes = w->n_cpus * 2 * sizeof(*w->range);
	ssize_t n = pwrite(w->fd, w->range, bytes, w->table);

	if (n != (ssize_t)bytes)
		return write_failed(w, n < 0 ? -errno : -EIO, e);
	if (fsync(w->fd) || rename(w->tmp, w->path))
		return write_failed(w, -errno, e);
	return 0;
}

int datw_close(struct datw *w, bool keep, struct err *e)
{
	int ret = 0;

	if (keep && w->fd >= 0)
		ret = put_in_place(w, e);
	if ((!keep || ret < 0) && w->fd >= 0)
		unlink(w->tmp);
	if (w->fd >= 0)
		close(w->fd);
	free(w->range);
	free(w->path);
	free(w->tmp);
	*w = (struct datw){ .fd = -1 };
	return ret;
}
