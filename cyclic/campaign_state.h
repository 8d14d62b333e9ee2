/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * campaign_state - campaign.json: how far a campaign has come, as a crash would find it
 *
 * Replaced as a whole after every change, so that it is always one state or the next. It holds
 * what the logs cannot tell: which phases are done and how they ended, which attempts there were,
 * and what the machine was. Measured time is not in it: it is read from the attempts' logs.
 */
#ifndef RTKVM_CYCLIC_CAMPAIGN_STATE_H
#define RTKVM_CYCLIC_CAMPAIGN_STATE_H

#include <json-c/json.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "cyclic/campaign.h"
#include "lib/err.h"

enum { STATE_SCHEMA = 1, STATE_BYTES = 16 << 20 };

struct state {
	char dir[PATH_MAX]; /* the campaign's, absolute */
	json_object *doc; /* owned */
	int lock_fd; /* held while a process works on the campaign; -1 */
};

/* state_create - a first campaign.json in dir, a phase for each of the campaign's */
int state_create(struct state *s, const char *dir, const struct campaign *c, const char *text,
		 struct err *e);

/* state_open - read one; a newer schema is refused */
int state_open(struct state *s, const char *dir, struct err *e);

/* state_save - replace campaign.json */
int state_save(struct state *s, struct err *e);

/* state_close - free and unlock; accepts one that failed to open */
void state_close(struct state *s);

/*
 * state_lock - claim the campaign for this process; -EBUSY names the one that has it. The lock
 * ends with the process, however that ends.
 */
int state_lock(struct state *s, struct err *e);

/* state_owner - the process that works on it, 0: none */
pid_t state_owner(const char *dir);

/* state_phase - the object of phase i, borrowed; NULL when the file has fewer */
json_object *state_phase(const struct state *s, size_t i);

/* A walk over the jobs of all attempts at a phase; it begins with all zero. */
struct job_walk {
	size_t attempt, job; /* the next one's places */
};

/* state_next_job - the next job's object, borrowed; NULL: there are no more */
json_object *state_next_job(json_object *phase, struct job_walk *w);

/* state_job_file - the path of a file in a job's run directory; false: it is too long */
bool state_job_file(const struct state *s, json_object *job, const char *file,
		    char path[static PATH_MAX]);

/*
 * state_phases - -ESTALE unless c has the phases that the campaign began with, in number, order, name
 * and instrument: attempts belong to their phase by its place
 */
int state_phases(const struct state *s, const struct campaign *c, struct err *e);

/*
 * state_drift - compare the machine, rtkvm, QEMU where a guest runs in it, the campaign file and the
 * guest images with what the campaign began with; what changed is appended to changes (an array).
 * -ESTALE when anything did.
 */
int state_drift(const struct state *s, const struct campaign *c, const char *text,
		json_object *changes, struct err *e);

#endif
