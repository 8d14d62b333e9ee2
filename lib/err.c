// SPDX-License-Identifier: GPL-2.0-only
#include "lib/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void keep(struct err *e, int code, const char *why, const char *fmt, va_list args)
{
	size_t len;

	if (e->code)
		return;
	e->code = code;
	vsnprintf(e->text, sizeof(e->text), fmt, args);
	len = strlen(e->text);
	if (why)
		snprintf(e->text + len, sizeof(e->text) - len, ": %s", why);
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	keep(e, code, NULL, fmt, args);
	va_end(args);
	return code;
}

int err_sys(struct err *e, const char *fmt, ...)
{
	int code = -errno;
	va_list args;

	va_start(args, fmt);
	keep(e, code, strerror(-code), fmt, args);
	va_end(args);
	return code;
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
