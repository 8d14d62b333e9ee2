/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * check - one thing that a real-time host or guest needs, as a row of data
 *
 * Text, JSON, --explain and the list in the man page all come from these rows. A row says what,
 * where, what is expected, why in a sentence and what to do; its judge looks and decides.
 */
#ifndef RTKVM_PROFILES_CHECK_H
#define RTKVM_PROFILES_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "profiles/machine.h"

enum severity {
	SEV_INFO, /* worth knowing */
	SEV_MEDIUM, /* microseconds, or a setting that invites trouble */
	SEV_HIGH, /* spoils the worst case */
	SEV_FATAL, /* no real-time host without it */
};

enum status { ST_PASS, ST_FAIL, ST_WARN, ST_NA };

enum scope { HOST = 1, GUEST = 2, BOTH = HOST | GUEST };

enum check_flags {
	NEEDS_CPUS = 1, /* about isolated CPUs: not applicable when there are none */
	ABSENT_FAILS = 2, /* a missing file is a failure, not a kernel without the feature */
	MEASURED = 4, /* judged from a measurement (measure.h), only with --measure */
};

struct finding {
	enum status status;
	char found[256]; /* what there is, or the reason of "not applicable" */
};

struct check;
struct measurement;

/* judge_fn - look at the machine and fill the finding; one of the found_* functions ends it */
typedef void judge_fn(const struct machine *m, const struct check *c, struct finding *f);

struct check {
	const char *id;
	enum scope scope;
	enum severity severity;
	unsigned int flags;
	enum vendor vendor; /* only for CPUs of that vendor */
	int since, until; /* kernels it applies to: [since, until), 0: no bound */
	const char *what; /* the good state, as a statement */
	const char *path; /* where; %d stands for an isolated CPU, a pattern for many files */
	const char *want; /* for the judges of judge.h; alternatives are separated by '|' */
	const char *expected; /* in words; NULL: want is said */
	const char *why, *remedy;
	judge_fn *judge;
	void (*judge_measured)(const struct measurement *d, const struct check *c,
			       struct finding *f);
};

struct check_table {
	const struct check *rows;
	size_t n;
};

extern const struct check_table platform_checks, cpus_checks, isolation_checks, tasks_checks,
	cmdline_checks, runtime_checks, power_checks, kvm_checks, system_checks, guest_checks,
	measure_checks;

/* check_at - the i-th check of all tables in their order, NULL past the end */
const struct check *check_at(size_t i);

/* check_find - by its id, NULL when there is none */
const struct check *check_find(const char *id);

/* check_judge - is it applicable, and what is the case? d: the measurement, NULL without one */
void check_judge(const struct machine *m, const struct measurement *d, const struct check *c,
		 struct finding *f);

/* check_wants - the words for what is expected */
const char *check_wants(const struct check *c);

const char *severity_name(enum severity s);
const char *status_name(enum status s);

/*
 * The ends of a judge. found_bad is a failure for fatal and high checks, a warning for the others;
 * found_unread says why a file could not be read: never a pass, and as bad as found_bad.
 * What comes from files is cut and made printable.
 */
void found_pass(struct finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void found_na(struct finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void found_warn(struct finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void found_bad(const struct check *c, struct finding *f, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void found_unread(const struct check *c, struct finding *f, const char *why);

#endif
