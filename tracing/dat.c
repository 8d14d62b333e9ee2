// SPDX-License-Identifier: GPL-2.0-only
/* dat - opening a trace: its kind, magic and version, and what all kinds fill in */
#include "tracing/dat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "lib/abi.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "tracing/dat_parts.h"

int dat_unpack(enum dat_codec codec, const void *in, size_t in_bytes, void *out, size_t out_bytes,
	       const char *what, struct err *e)
{
	uLongf got = out_bytes;

	if (codec == DAT_ZLIB && uncompress(out, &got, in, in_bytes) == Z_OK && got == out_bytes)
		return 0;
	if (codec == DAT_ZSTD && ZSTD_decompress(out, out_bytes, in, in_bytes) == out_bytes)
		return 0;
	return err_set(e, -EINVAL, "reading %s failed: compressed data is corrupt", what);
}

bool dat_keep(struct dat *d, char *blob, size_t bytes)
{
	char **more = realloc(d->blobs, (d->n_blobs + 1) * sizeof(*more));

	if (!more) {
		free(blob);
		return false;
	}
	d->blobs = more;
	d->blobs[d->n_blobs++] = blob;
	d->blob_bytes += bytes;
	return true;
}

void dat_add_format(struct src *s, struct dat *d, const char *system, const char *text, size_t len)
{
	struct dat_format *f;

	/* grow by doubling: n_formats is a power of two exactly when the room is used up */
	if (!(d->n_formats & (d->n_formats - 1))) {
		size_t room = d->n_formats ? d->n_formats * 2 : 1;

		f = realloc(d->formats, room * sizeof(*f));
		if (!f) {
			src_fail(s, "no memory for event formats");
			return;
		}
		d->formats = f;
	}
	f = &d->formats[d->n_formats];
	*f = (struct dat_format){ .text = text, .len = len };
	snprintf(f->system, sizeof(f->system), "%s", system);
	/* a file may carry an empty format for an event its reader could not read */
	if (format_id(text, len, f->name, &f->id))
		d->n_formats++;
}

void dat_set_header_page(struct src *s, struct dat *d, const char *text, size_t len)
{
	struct err why = { 0 };

	if (format_page_head(text, len, &d->head, &why))
		src_fail(s, "%s", why.text);
	snprintf(d->header_page, sizeof(d->header_page), "%.*s", (int)len, text);
}

/* "local [x86-tsc] mono" or "x86-tsc" */
void dat_set_clock(struct dat *d, const char *text)
{
	const char *open = strchr(text, '['), *close = open ? strchr(open, ']') : NULL;

	if (close)
		snprintf(d->clock, sizeof(d->clock), "%.*s", (int)(close - open - 1), open + 1);
	else
		snprintf(d->clock, sizeof(d->clock), "%.*s", (int)strcspn(text, " \n"), text);
}

bool dat_add_cpu(struct src *s, struct dat *d, struct dat_cpu cpu)
{
	struct dat_cpu *more;

	if (!cpu.bytes)
		return true;
	if (cpu.fd == d->fd &&
	    (cpu.offset > d->file_bytes || cpu.bytes > d->file_bytes - cpu.offset)) {
		src_fail(s,
			 "it is cut short: the events of CPU %u end at byte %ju, the file at %ju",
			 cpu.cpu, (uintmax_t)(cpu.offset + cpu.bytes), (uintmax_t)d->file_bytes);
		return false;
	}
	for (size_t i = 0; i < d->n_cpus; i++)
		if (d->cpus[i].cpu == cpu.cpu) {
			src_fail(s, "CPU %u is there twice", cpu.cpu);
			return false;
		}
	more = realloc(d->cpus, (d->n_cpus + 1) * sizeof(*more));
	if (!more) {
		src_fail(s, "no memory for %zu CPUs", d->n_cpus);
		return false;
	}
	d->cpus = more;
	d->cpus[d->n_cpus++] = cpu;
	return true;
}

static int by_cpu(const void *a, const void *b)
{
	const struct dat_cpu *x = a, *y = b;

	return (x->cpu > y->cpu) - (x->cpu < y->cpu);
}

static void read_file(struct src *s, struct dat *d)
{
	static const uint8_t magic[] = { 0x17, 0x08, 0x44, 't', 'r', 'a', 'c', 'i', 'n', 'g' };
	char version[8];
	uint8_t endian, word;

	src_expect(s, magic, sizeof(magic), "a trace.dat file");
	src_str(s, version, sizeof(version));
	src_get(s, &endian, 1);
	src_get(s, &word, 1);
	if (s->bad)
		return;
	if (endian) {
		src_fail(s, "it is from a big-endian machine; only little-endian is read");
		return;
	}
	if (word != 8) {
		src_fail(s, "it is from a %u-bit system; only 64-bit is read", word * 8u);
		return;
	}
	d->page_bytes = src_u32(s);
	if (!s->bad && (d->page_bytes < 4096 || d->page_bytes > 1u << 20 ||
			(d->page_bytes & (d->page_bytes - 1)))) {
		src_fail(s, "pages of %u bytes", d->page_bytes);
		return;
	}
	d->version = strcmp(version, "6") == 0 ? 6 : strcmp(version, "7") == 0 ? 7 : 0;
	if (d->version == 6)
		dat_read_v6(s, d);
	else if (d->version == 7)
		dat_read_v7(s, d);
	else
		src_fail(s, "its version is \"%s\"; 6 and 7 are read", version);
}

int dat_finish(struct src *s, struct dat *d)
{
	if (!s->bad && !d->head.data)
		src_fail(s, "it has no description of its pages (header_page)");
	if (!s->bad && d->head.data + d->head.data_bytes > d->page_bytes)
		src_fail(s, "its pages hold more than %u bytes", d->page_bytes);
	if (s->bad)
		return s->e->code;
	if (d->n_cpus)
		qsort(d->cpus, d->n_cpus, sizeof(*d->cpus), by_cpu);
	return 0;
}

int dat_open_fd(struct dat *d, int fd, const char *name, struct err *e)
{
	struct src s = { .name = name, .fd = fd, .e = e };
	uint32_t magic = 0;
	struct stat st;

	*d = (struct dat){ .fd = fd, .name = strdup(name) };
	if (!d->name)
		return err_set(e, -ENOMEM, "reading %s failed: no memory", name);
	if (fstat(fd, &st))
		return err_sys(e, "reading %s failed", name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "reading %s failed: it is not a regular file", name);
	d->file_bytes = st.st_size;
	s.end = st.st_size;
	if (pread(fd, &magic, sizeof(magic), 0) == sizeof(magic) && magic == ABI_FRAME_MAGIC)
		dat_read_frames(&s, d);
	else
		read_file(&s, d);
	return dat_finish(&s, d);
}

int dat_open(struct dat *d, const char *path, struct err *e)
{
	struct stat st;
	int fd;

	*d = (struct dat){ .fd = -1 };
	if (!stat(path, &st) && S_ISDIR(st.st_mode))
		return dat_open_dir(d, path, e);
	fd = file_open(path, e);
	return fd < 0 ? fd : dat_open_fd(d, fd, path, e);
}

void dat_close(struct dat *d)
{
	for (size_t i = 0; i < d->n_cpus; i++)
		if (d->cpus[i].fd >= 0 && d->cpus[i].fd != d->fd)
			close(d->cpus[i].fd);
	for (size_t i = 0; i < d->n_guests; i++)
		free(d->guests[i].vcpus);
	for (size_t i = 0; i < d->n_blobs; i++)
		free(d->blobs[i]);
	free(d->blobs);
	free(d->guests);
	free(d->shifts);
	free(d->formats);
	free(d->cpus);
	free(d->name);
	if (d->fd >= 0)
		close(d->fd);
	*d = (struct dat){ .fd = -1 };
}

const struct dat_format *dat_format(const struct dat *d, const char *system, const char *name)
{
	for (size_t i = 0; i < d->n_formats; i++)
		if (!strcmp(d->formats[i].name, name) && !strcmp(d->formats[i].system, system))
			return &d->formats[i];
	return NULL;
}

int dat_text(const struct dat *d, const struct dat_text *t, char **text, struct err *e)
{
	struct src s = {
		.name = d->name, .fd = d->fd, .at = t->offset, .end = d->file_bytes, .e = e
	};
	_cleanup_free_ char *unpacked = NULL;

	*text = NULL;
	if (t->packed_at) {
		s.at = t->packed_at;
		unpacked = dat_unpack_section(&s, d, t->packed_bytes, DAT_TEXT_MAX, &s.end);
		s.fd = -1;
		s.mem = (uint8_t *)unpacked;
		s.at = t->offset;
	}
	if (!s.bad)
		*text = src_load(&s, t->bytes, DAT_TEXT_MAX, "its symbols or names");
	return *text ? 0 : e->code;
}
