/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * session - a host's and a guest's trace opened together, on one clock
 */
#ifndef RTKVM_TRACING_SESSION_H
#define RTKVM_TRACING_SESSION_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "tracing/feed.h"
#include "tracing/manifest.h"
#include "tracing/model.h"
#include "tracing/vmclock.h"

struct session_opts {
	const char *path[SIDES]; /* NULL: not there */
	const char *events; /* of the VMM; NULL: not there */
	bool offset_given;
	int64_t offset; /* guest = host + offset, in ticks */
	double tsc_hz; /* 0: as the files say */
};

/* The files of a run directory; session_opts points into it. */
struct session_paths {
	char host[PATH_MAX], guest[PATH_MAX], events[PATH_MAX];
};

struct session {
	struct dat dat[SIDES];
	struct feed_file file[SIDES]; /* only those that are there are initialised */
	bool has[SIDES];
	struct clock_map *maps; /* of the guest's CPUs, when its file tells them */
	struct clock_rate rate;
	const char *rate_from, *offset_from; /* where they are known from */
	struct manifest manifest; /* of the host's recorder, when it left one */
	bool has_manifest;
	struct vmclocks vmclocks; /* what the VMM told; n 0: nothing */
	bool same_offset; /* of all guest CPUs */
	bool ranged; /* the offset is the middle of this range, and may be any in it */
	struct clock_range range;
};

/* The row of --tsc-hz in the options of whoever opens a session; its parser calls session_parse_tsc_hz */
#define SESSION_TSC_HZ                                                                            \
	{                                                                                         \
		"tsc-hz", SESSION_KEY_TSC_HZ, "HZ", 0, "ticks a second, where no file says it", 3 \
	}
enum { SESSION_KEY_TSC_HZ = 1024 };

/* session_parse_tsc_hz - the argument of --tsc-hz: 1 MHz to 100 GHz */
int session_parse_tsc_hz(const char *text, struct session_opts *o, struct err *e);

/* session_parse_offset - the argument of --offset: ticks, with a sign */
int session_parse_offset(const char *text, struct session_opts *o, struct err *e);

/* session_run - take what is not named yet from a run directory, p keeps the names */
int session_run(struct session_opts *o, struct session_paths *p, const char *run, struct err *e);

/* session_open - open what is there and find out the clocks; session_close also after a failure */
int session_open(struct session *s, const struct session_opts *o, struct err *e);
void session_close(struct session *s);

/* session_hz - ticks a second of the axis */
double session_hz(const struct session *s);

/* session_merge - begin reading the files that are there; ev.file counts only those */
int session_merge(struct session *s, struct merge *m, struct err *e);

/* bracket_offset - take the offset from the VMM's readings of the TSC; s->maps has room for its vCPUs */
int bracket_offset(struct session *s, struct err *e);

/* session_side - HOST or GUEST of an event of that merge */
static inline unsigned int session_side(const struct session *s, const struct event *ev)
{
	return s->has[HOST] ? ev->file : GUEST;
}

#endif
