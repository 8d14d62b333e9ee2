// SPDX-License-Identifier: GPL-2.0-only
#include "results/lines.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/file.h"

enum { FIRST_BYTES = 1 << 20, LINE_BYTES = 64 << 20 };

int lines_open(struct lines *l, const char *path, struct err *e)
{
	*l = (struct lines){ .path = path, .size = FIRST_BYTES };
	l->fd = file_open(path, e);
	if (l->fd < 0)
		return l->fd;
	l->buf = malloc(l->size + 1);
	if (!l->buf) {
		lines_close(l);
		return err_set(e, -ENOMEM, "reading %s failed: no memory", path);
	}
	return 0;
}

void lines_close(struct lines *l)
{
	if (l->fd >= 0)
		close(l->fd);
	free(l->buf);
	l->fd = -1;
	l->buf = NULL;
}

int lines_error(const struct lines *l, struct err *e, const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return err_set(e, -EINVAL, "reading %s failed: line %ju: %s", l->path, (uintmax_t)l->number,
		       text);
}

/* Get more after what is kept; false at the end of the file or with e set. */
static bool fill(struct lines *l, struct err *e)
{
	ssize_t n;

	if (l->eof)
		return false;
	memmove(l->buf, l->buf + l->pos, l->have - l->pos);
	l->have -= l->pos;
	l->pos = 0;
	if (l->have == l->size) { /* one line fills it all */
		char *more = l->size < LINE_BYTES ? realloc(l->buf, 2 * l->size + 1) : NULL;

		if (!more) {
			l->number++;
			lines_error(l, e, "longer than %zu bytes", l->size);
			return false;
		}
		l->buf = more;
		l->size *= 2;
	}
	do {
		n = read(l->fd, l->buf + l->have, l->size - l->have);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		err_sys(e, "reading %s failed", l->path);
		return false;
	}
	l->eof = n == 0;
	l->have += n;
	return n > 0;
}

char *lines_next(struct lines *l, struct err *e)
{
	size_t searched = 0;
	char *line, *end;

	while (!(end = memchr(l->buf + l->pos + searched, '\n', l->have - l->pos - searched))) {
		searched = l->have - l->pos;
		if (fill(l, e))
			continue;
		if (e->code || l->pos == l->have)
			return NULL;
		end = l->buf + l->have; /* the last line has no newline */
		break;
	}
	line = l->buf + l->pos;
	l->pos = end - l->buf + (end < l->buf + l->have);
	l->number++;
	if (memchr(line, '\0', end - line)) {
		lines_error(l, e, "binary data in a text");
		return NULL;
	}
	if (end > line && end[-1] == '\r')
		end--;
	*end = '\0';
	return line;
}

static const char *skip_blanks(const char *p)
{
	while (*p == ' ' || *p == '\t')
		p++;
	return p;
}

bool scan_u64(const char **p, uint64_t *v)
{
	const char *s = skip_blanks(*p);
	uint64_t n = 0;

	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *s - '0', &n))
			return false;
	*v = n;
	*p = s;
	return true;
}

bool scan_double(const char **p, double *v)
{
	const char *s = *p;
	uint64_t whole;
	double value, unit = 1;

	if (!scan_u64(&s, &whole))
		return false;
	value = whole;
	if (*s == '.') /* by hand: strtod would take the locale's point, hex and "inf" */
		for (s++; *s >= '0' && *s <= '9'; s++)
			value += (*s - '0') * (unit /= 10);
	*v = value;
	*p = s;
	return true;
}

bool scan_text(const char **p, const char *text)
{
	size_t n = strlen(text);

	if (strncmp(*p, text, n))
		return false;
	*p += n;
	return true;
}

bool scan_end(const char *p)
{
	return !*skip_blanks(p);
}
