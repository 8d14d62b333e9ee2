// SPDX-License-Identifier: GPL-2.0-only
/* dat_raw - raw pages with their formats beside them: in a directory, or sent by a guest */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/frames.h"
#include "tracing/dat_parts.h"

enum { CLOCK_MAX = 256, STATS_MAX = 1 << 20 };

/* "# SYSTEM/EVENT", then the format file, and so on; text ends with a NUL. */
static void split_formats(struct src *s, struct dat *d, const char *text, size_t len)
{
	const char *p = text, *end = text + len;

	while (p < end && !s->bad) {
		char system[FORMAT_NAME_BYTES] = "";
		const char *body, *next;
		size_t n;

		if (strncmp(p, "# ", 2) != 0) {
			src_fail(s, "formats: a line \"# SYSTEM/EVENT\" expected");
			return;
		}
		p += 2;
		n = strcspn(p, "/\n");
		if (p[n] != '/' || n >= sizeof(system)) {
			src_fail(s, "formats: \"# %.*s\" names no system", (int)(n < 40 ? n : 40),
				 p);
			return;
		}
		memcpy(system, p, n);
		body = strchr(p, '\n');
		body = body ? body + 1 : end;
		next = strstr(body, "\n# ");
		next = next ? next + 1 : end;
		dat_add_format(s, d, system, body, next - body);
		p = next;
	}
}

/* Take in header_page, formats and clock; the texts are NUL-terminated, formats becomes d's. */
static void take_texts(struct src *s, struct dat *d, const char *page, char *formats,
		       size_t formats_len, const char *clock)
{
	dat_set_header_page(s, d, page, strlen(page));
	d->page_bytes = d->head.data + d->head.data_bytes;
	if (!s->bad && (d->page_bytes < 4096 || d->page_bytes > 1u << 20))
		src_fail(s, "pages of %u bytes", d->page_bytes);
	dat_set_clock(d, clock);
	if (!dat_keep(d, formats, formats_len))
		src_fail(s, "no memory for event formats");
	else
		split_formats(s, d, formats, formats_len);
}

static bool cpu_of(const char *name, unsigned int *cpu)
{
	char tail;

	return sscanf(name, "cpu%5u%c", cpu, &tail) == 1 && *cpu < DAT_CPUS_MAX;
}

/* --- a guest's data stream --- */

static char *frame_text(struct src *s, const struct frames *f, const char *name, size_t max,
			size_t *len)
{
	const struct frame_file *file = frames_find(f, name);

	if (!file || file->len > max) {
		src_fail(s, "the guest's data holds no %s", name);
		return NULL;
	}
	*len = file->len;
	return strndup((const char *)file->data, file->len);
}

static void from_frames(struct src *s, struct dat *d, const struct frames *f, const uint8_t *base)
{
	size_t n = 0;
	_cleanup_free_ char *page = frame_text(s, f, "header_page", 1023, &n);
	_cleanup_free_ char *clock = frame_text(s, f, "clock", CLOCK_MAX, &n);
	char *formats = frame_text(s, f, "formats", DAT_FORMATS_MAX, &n);

	if (!page || !clock || !formats) {
		free(formats);
		src_fail(s, "no memory");
		return;
	}
	take_texts(s, d, page, formats, strlen(formats), clock);
	if (frames_find(f, "stats")) {
		_cleanup_free_ char *stats = frame_text(s, f, "stats", STATS_MAX, &n);

		if (stats)
			dat_add_stats(d, stats);
	}
	for (size_t i = 0; i < f->n && !s->bad; i++) {
		struct dat_cpu c = { .fd = d->fd,
				     .offset = f->files[i].data - base,
				     .bytes = f->files[i].len - f->files[i].len % d->page_bytes };

		if (cpu_of(f->files[i].name, &c.cpu)) {
			dat_add_cpu(s, d, c);
			d->cpu_count++;
		}
	}
}

void dat_read_frames(struct src *s, struct dat *d)
{
	void *base = mmap(NULL, d->file_bytes, PROT_READ, MAP_PRIVATE, d->fd, 0);
	struct err why = { 0 };
	struct frames f;

	if (base == MAP_FAILED) {
		src_fail(s, "%s", strerror(errno));
		return;
	}
	if (frames_parse(&f, base, d->file_bytes, &why)) {
		src_fail(s, "%s", why.text);
	} else {
		from_frames(s, d, &f, base);
		frames_free(&f);
	}
	munmap(base, d->file_bytes);
}

/* --- a directory --- */

static char *dir_text(struct src *s, const char *dir, const char *file, size_t max, size_t *len)
{
	struct err why = { 0 };
	char path[4096], *text = NULL;
	ssize_t n;

	if (!file_path(path, sizeof(path), "%s/%s", dir, file)) {
		src_fail(s, "its path is too long");
		return NULL;
	}
	n = file_load(path, max, &text, &why);
	if (n < 0)
		src_fail(s, "%s", why.text);
	else
		*len = n;
	return text;
}

/* Those of older recordings are not there. */
static void dir_stats(struct src *s, struct dat *d, const char *dir)
{
	_cleanup_free_ char *stats = NULL;
	char path[4096];
	size_t n;

	if (!file_path(path, sizeof(path), "%s/stats", dir) || !file_exists(path))
		return;
	stats = dir_text(s, dir, "stats", STATS_MAX, &n);
	if (stats)
		dat_add_stats(d, stats);
}

static void dir_cpu(struct src *s, struct dat *d, const char *dir, const char *name)
{
	struct dat_cpu c = { .fd = -1 };
	struct err why = { 0 };
	char path[4096];
	struct stat st;

	if (!cpu_of(name, &c.cpu))
		return;
	if (!file_path(path, sizeof(path), "%s/%s", dir, name)) {
		src_fail(s, "its path is too long");
		return;
	}
	c.fd = file_open(path, &why);
	if (c.fd < 0 || fstat(c.fd, &st)) {
		src_fail(s, "%s", c.fd < 0 ? why.text : strerror(errno));
	} else {
		d->cpu_count++;
		/* a last page that was not written whole has no readable head */
		c.bytes = st.st_size - st.st_size % d->page_bytes;
		if (c.bytes && dat_add_cpu(s, d, c))
			return;
	}
	if (c.fd >= 0)
		close(c.fd);
}

static void dir_cpus(struct src *s, struct dat *d, const char *dir)
{
	DIR *list = opendir(dir);
	struct dirent *de;

	if (!list) {
		src_fail(s, "%s", strerror(errno));
		return;
	}
	while (!s->bad && (de = readdir(list)))
		dir_cpu(s, d, dir, de->d_name);
	closedir(list);
}

int dat_open_dir(struct dat *d, const char *dir, struct err *e)
{
	struct src s = { .name = dir, .fd = -1, .e = e };
	_cleanup_free_ char *page = NULL, *clock = NULL;
	size_t n = 0, len = 0;
	char *formats;

	*d = (struct dat){ .fd = -1, .name = strdup(dir) };
	if (!d->name)
		return err_set(e, -ENOMEM, "reading %s failed: no memory", dir);
	page = dir_text(&s, dir, "header_page", sizeof(d->header_page) - 1, &n);
	clock = dir_text(&s, dir, "clock", CLOCK_MAX, &n);
	formats = dir_text(&s, dir, "formats", DAT_FORMATS_MAX, &len);
	if (s.bad) {
		free(formats);
		return e->code;
	}
	take_texts(&s, d, page, formats, len, clock);
	if (!s.bad)
		dir_stats(&s, d, dir);
	if (!s.bad)
		dir_cpus(&s, d, dir);
	return dat_finish(&s, d);
}
