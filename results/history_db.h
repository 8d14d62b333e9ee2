/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * history_db - the figures of many runs in an SQLite file
 *
 * One row a run and instrument. It can always be made anew from the run directories; a run whose
 * run.json has not changed is not read again.
 */
#ifndef RTKVM_RESULTS_HISTORY_DB_H
#define RTKVM_RESULTS_HISTORY_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct history_row {
	char run[512]; /* directory, as found */
	char name[104], started[32], verdict[16];
	char key[512]; /* machine and configuration: rows are comparable where it is equal */
	char kernel[128], guest_kernel[128], vmm[64];
	char instrument[32];
	int64_t samples, max_ns, p50_ns, p999_ns; /* -1: not known */
};

struct history_db;

/* history_open - open or make the file; one of a newer layout, or no database, is refused */
struct history_db *history_open(const char *path, struct err *e);
void history_close(struct history_db *db);

/* history_known - is a run there with this modification time of its run.json? */
int history_known(struct history_db *db, const char *run, int64_t mtime_ns, struct err *e);

/* history_forget, history_add - replace what is known of a run: forget it, then add its rows */
int history_forget(struct history_db *db, const char *run, struct err *e);
int history_add(struct history_db *db, const struct history_row *row, int64_t mtime_ns,
		struct err *e);

/* history_begin, history_commit - around many adds: all of them or none */
int history_begin(struct history_db *db, struct err *e);
int history_commit(struct history_db *db, struct err *e);

/* history_rows - all rows by key and start; *rows is the caller's to free */
int history_rows(struct history_db *db, struct history_row **rows, size_t *n, struct err *e);

#endif
