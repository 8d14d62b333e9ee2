/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * args - an argument vector that grows; a failed allocation is told once, at the end
 */
#ifndef RTKVM_GUESTS_ARGS_H
#define RTKVM_GUESTS_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"

struct args {
	char **v; /* NULL-terminated once something was added */
	size_t n;
	bool failed; /* an allocation failed: v is incomplete */
};

/* args_add - append one argument, printf style */
void args_add(struct args *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* args_add_all - append each of a NULL-terminated vector, as it is */
void args_add_all(struct args *a, const char *const *v);

/* args_has - is this very text among them? */
bool args_has(const struct args *a, const char *text);

/* args_check - 0, or -ENOMEM when any of the additions failed */
int args_check(const struct args *a, struct err *e);

/* args_free - release everything; the vector is empty and usable afterwards */
void args_free(struct args *a);

#define _cleanup_args_ __attribute__((cleanup(args_free)))

#endif
