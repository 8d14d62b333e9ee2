/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * err - errors as values, and the verdicts that end every command
 *
 * A function that can fail returns 0 or -errno and leaves one sentence in a struct err:
 * "WHAT failed: WHY; TRY". Nothing below main() prints or exits; verb_main (verb.h) adds
 * "rtkvm VERB: ".
 */
#ifndef RTKVM_LIB_ERR_H
#define RTKVM_LIB_ERR_H

#include <stdio.h>

/* The exit code of every verb, the verdict in run.json and in the reports. */
enum verdict {
	VERDICT_PASS = 0,
	VERDICT_FAIL = 1, /* a limit was exceeded or a check failed */
	VERDICT_ERROR = 2, /* usage or environment */
	VERDICT_INCOMPLETE = 3, /* less was measured than was asked; what was measured is kept */
	VERDICT_INCONCLUSIVE = 4, /* too few samples, or a load did not run */
};

struct err {
	int code; /* -errno of the first failure, 0 when none */
	char text[512];
};

/*
 * err_set - keep the first failure: code (-errno) and its sentence; returns code.
 * A second call leaves the first sentence in place: the cause is worth more than what followed.
 * One that is too long loses its middle, where the values that users gave stand.
 */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* err_sys - err_set with ": strerror(errno)" appended; returns -errno (read before anything else) */
int err_sys(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * err_print - "name: sentence" as the one line that it is: a control character of a value that is
 * echoed shows as ?
 */
void err_print(const struct err *e, const char *name, FILE *out);

/* err_clear - forget the failure, for a caller that handled it */
void err_clear(struct err *e);

/* err_verdict - the exit code for a verb's result: >= 0 is a verdict, -EINTR is incomplete */
enum verdict err_verdict(int result);

/* verdict_name - the word used in run.json: pass, fail, error, incomplete, inconclusive */
const char *verdict_name(enum verdict v);

/* verdict_of - from its name; VERDICT_ERROR for anything else */
enum verdict verdict_of(const char *name);

/* verdict_worse - the graver of two: fail, error, incomplete, inconclusive, pass */
enum verdict verdict_worse(enum verdict a, enum verdict b);

#endif
