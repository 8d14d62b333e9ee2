// SPDX-License-Identifier: GPL-2.0-only
#include "tracing/src.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void src_fail(struct src *s, const char *fmt, ...)
{
	char why[256];
	va_list args;

	if (s->bad)
		return;
	s->bad = true;
	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	err_set(s->e, -EINVAL, "reading %s failed: %s (at byte %ju)", s->name, why,
		(uintmax_t)s->at);
}

static bool there(struct src *s, uint64_t n)
{
	if (s->bad)
		return false;
	if (s->at <= s->end && n <= s->end - s->at)
		return true;
	src_fail(s, "the file ends too early");
	return false;
}

void src_get(struct src *s, void *buf, size_t n)
{
	uint8_t *out = buf;
	size_t done = 0;

	memset(buf, 0, n);
	if (!there(s, n) || !n) /* of nothing there may be no memory either */
		return;
	if (s->fd < 0) {
		memcpy(buf, s->mem + s->at, n);
		s->at += n;
		return;
	}
	while (done < n) {
		ssize_t k = pread(s->fd, out + done, n - done, s->at + done);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0) {
			src_fail(s, "%s", k ? strerror(errno) : "the file ends too early");
			return;
		}
		done += k;
	}
	s->at += n;
}

void src_skip(struct src *s, uint64_t n)
{
	if (there(s, n))
		s->at += n;
}

uint16_t src_u16(struct src *s)
{
	uint16_t v;

	src_get(s, &v, sizeof(v));
	return v;
}

uint32_t src_u32(struct src *s)
{
	uint32_t v;

	src_get(s, &v, sizeof(v));
	return v;
}

uint64_t src_u64(struct src *s)
{
	uint64_t v;

	src_get(s, &v, sizeof(v));
	return v;
}

void src_str(struct src *s, char *buf, size_t size)
{
	uint64_t room = s->end > s->at ? s->end - s->at : 0;
	struct src peek = *s;
	size_t n = room < size ? room : size;

	buf[0] = '\0';
	if (s->bad)
		return;
	src_get(&peek, buf, n);
	s->bad = peek.bad;
	n = strnlen(buf, n);
	if (n == size || n == room) {
		buf[0] = '\0';
		src_fail(s, "a name without an end");
		return;
	}
	s->at += n + 1;
}

char *src_load(struct src *s, uint64_t n, uint64_t max, const char *what)
{
	char *buf;

	if (!there(s, n))
		return NULL;
	if (n > max) {
		src_fail(s, "%s takes %ju bytes, at most %ju are read", what, (uintmax_t)n,
			 (uintmax_t)max);
		return NULL;
	}
	buf = malloc(n + 1);
	if (!buf) {
		src_fail(s, "no memory for %s", what);
		return NULL;
	}
	src_get(s, buf, n);
	buf[n] = '\0';
	if (s->bad) {
		free(buf);
		return NULL;
	}
	return buf;
}

void src_expect(struct src *s, const void *bytes, size_t n, const char *what)
{
	char got[32];

	if (n > sizeof(got)) {
		src_fail(s, "%s is too long a mark", what);
		return;
	}
	src_get(s, got, n);
	if (!s->bad && memcmp(got, bytes, n) != 0) {
		s->at -= n;
		src_fail(s, "%s expected", what);
	}
}
