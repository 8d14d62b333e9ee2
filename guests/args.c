// SPDX-License-Identifier: GPL-2.0-only
#include "guests/args.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void args_add(struct args *a, const char *fmt, ...)
{
	char **v = realloc(a->v, (a->n + 2) * sizeof(*v));
	char *text = NULL;
	va_list ap;

	if (!v) {
		a->failed = true;
		return;
	}
	a->v = v;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0) {
		text = NULL;
		a->failed = true;
	}
	va_end(ap);
	v[a->n] = text;
	if (text)
		v[++a->n] = NULL;
}

void args_add_all(struct args *a, const char *const *v)
{
	for (; *v; v++)
		args_add(a, "%s", *v);
}

bool args_has(const struct args *a, const char *text)
{
	for (size_t i = 0; i < a->n; i++)
		if (!strcmp(a->v[i], text))
			return true;
	return false;
}

int args_check(const struct args *a, struct err *e)
{
	return a->failed ? err_set(e, -ENOMEM, "building an argument list failed: no memory") : 0;
}

void args_free(struct args *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->v[i]);
	free(a->v);
	*a = (struct args){ 0 };
}
