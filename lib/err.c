// SPDX-License-Identifier: GPL-2.0-only
#include "lib/err.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "lib/cleanup.h"

/* Of a character of several bytes all or nothing: text goes into JSON, too. */
static bool within_char(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/*
 * What makes a sentence too long is a value that somebody gave us: it stands in the middle. What was
 * asked for in front of it, and the reason and remedy behind it, are what is needed.
 */
static void cut_middle(char *text, size_t size, const char *whole, size_t len)
{
	static const char mark[] = "[...]";
	size_t head = size / 3, tail = len - (size - head - sizeof(mark));

	while (head && within_char(whole[head]))
		head--;
	while (within_char(whole[tail]))
		tail++;
	snprintf(text, size, "%.*s%s%s", (int)head, whole, mark, whole + tail);
}

/* The sentence, however long it is: to be freed; NULL without memory. */
static char *whole_text(const char *why, const char *fmt, va_list args)
{
	_cleanup_free_ char *what = NULL;
	char *whole;

	if (vasprintf(&what, fmt, args) < 0) {
		what = NULL; /* it is undefined then */
		return NULL;
	}
	return asprintf(&whole, "%s%s%s", what, why ? ": " : "", why ? why : "") < 0 ? NULL : whole;
}

static void keep(struct err *e, int code, const char *why, const char *fmt, va_list args)
{
	_cleanup_free_ char *whole = NULL;
	va_list again;
	size_t len;

	if (e->code)
		return;
	e->code = code;
	va_copy(again, args);
	len = vsnprintf(e->text, sizeof(e->text), fmt, args);
	if (why && len < sizeof(e->text))
		len += snprintf(e->text + len, sizeof(e->text) - len, ": %s", why);
	if (len >= sizeof(e->text))
		whole = whole_text(why, fmt, again);
	va_end(again);
	if (whole)
		cut_middle(e->text, sizeof(e->text), whole, strlen(whole));
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	keep(e, code, NULL, fmt, args);
	va_end(args);
	return code;
}

/* The reasons with a remedy that is the same wherever they arise. */
static const char *reason(int error, char *buf, size_t size)
{
	if (error != EMFILE)
		return strerror(error);
	snprintf(buf, size, "%s; raise this process's limit (ulimit -n)", strerror(error));
	return buf;
}

int err_sys(struct err *e, const char *fmt, ...)
{
	int code = -errno;
	char buf[128];
	va_list args;

	va_start(args, fmt);
	keep(e, code, reason(-code, buf, sizeof(buf)), fmt, args);
	va_end(args);
	return code;
}

static bool is_c1(char c)
{
	return ((unsigned char)c & 0xe0) == 0x80;
}

/* Those of ASCII, and U+0080 to U+009f, of which terminals take some for commands, too */
static bool is_control(const char *text, size_t i)
{
	enum { C1_LEAD = 0xc2 };

	return iscntrl((unsigned char)text[i]) ||
	       ((unsigned char)text[i] == C1_LEAD && is_c1(text[i + 1])) ||
	       (i && (unsigned char)text[i - 1] == C1_LEAD && is_c1(text[i]));
}

void err_print(const struct err *e, const char *name, FILE *out)
{
	char line[sizeof(e->text)];
	size_t i;

	for (i = 0; e->text[i]; i++)
		line[i] = is_control(e->text, i) ? '?' : e->text[i];
	line[i] = '\0';
	fprintf(out, "%s: %s\n", name, line);
}

void err_clear(struct err *e)
{
	e->code = 0;
	e->text[0] = '\0';
}

enum verdict err_verdict(int result)
{
	if (result >= 0)
		return result;
	return result == -EINTR ? VERDICT_INCOMPLETE : VERDICT_ERROR;
}

const char *verdict_name(enum verdict v)
{
	static const char *const names[] = {
		[VERDICT_PASS] = "pass",
		[VERDICT_FAIL] = "fail",
		[VERDICT_ERROR] = "error",
		[VERDICT_INCOMPLETE] = "incomplete",
		[VERDICT_INCONCLUSIVE] = "inconclusive",
	};

	return v <= VERDICT_INCONCLUSIVE ? names[v] : "error";
}

enum verdict verdict_of(const char *name)
{
	for (enum verdict v = VERDICT_PASS; v <= VERDICT_INCONCLUSIVE; v++)
		if (!strcmp(verdict_name(v), name))
			return v;
	return VERDICT_ERROR;
}

enum verdict verdict_worse(enum verdict a, enum verdict b)
{
	static const int gravity[] = {
		[VERDICT_PASS] = 0,  [VERDICT_INCONCLUSIVE] = 1, [VERDICT_INCOMPLETE] = 2,
		[VERDICT_ERROR] = 3, [VERDICT_FAIL] = 4,
	};

	return gravity[a] >= gravity[b] ? a : b;
}
