// SPDX-License-Identifier: GPL-2.0-only
#include "results/history_db.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

enum { LAYOUT = 1, BUSY_MS = 10000 };

struct history_db {
	sqlite3 *db;
	const char *path; /* the caller's */
};

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS runs ("
	" run TEXT NOT NULL, instrument TEXT NOT NULL, mtime_ns INTEGER NOT NULL,"
	" name TEXT, started TEXT, verdict TEXT, key TEXT NOT NULL, kernel TEXT,"
	" guest_kernel TEXT, vmm TEXT, samples INTEGER, max_ns INTEGER,"
	" p50_ns INTEGER, p999_ns INTEGER,"
	" PRIMARY KEY (run, instrument)) WITHOUT ROWID;"
	"CREATE INDEX IF NOT EXISTS runs_by_key ON runs (key, instrument, started);"
	"PRAGMA user_version = 1;";

static int fail(struct history_db *db, struct err *e)
{
	return err_set(e, -EIO, "history database %s failed: %s", db->path, sqlite3_errmsg(db->db));
}

static int exec(struct history_db *db, const char *sql, struct err *e)
{
	return sqlite3_exec(db->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(db, e);
}

static int layout_of(struct history_db *db, struct err *e)
{
	sqlite3_stmt *s = NULL;
	int version = -1;

	if (sqlite3_prepare_v2(db->db, "PRAGMA user_version", -1, &s, NULL) == SQLITE_OK &&
	    sqlite3_step(s) == SQLITE_ROW)
		version = sqlite3_column_int(s, 0);
	else
		fail(db, e);
	sqlite3_finalize(s);
	return version;
}

struct history_db *history_open(const char *path, struct err *e)
{
	struct history_db *db = calloc(1, sizeof(*db));
	int version;

	if (!db) {
		err_set(e, -ENOMEM, "history database %s failed: no memory", path);
		return NULL;
	}
	db->path = path;
	if (sqlite3_open_v2(path, &db->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL)) {
		fail(db, e);
		goto fail;
	}
	sqlite3_busy_timeout(db->db, BUSY_MS);
	version = layout_of(db, e);
	if (version < 0)
		goto fail;
	if (version > LAYOUT) {
		err_set(e, -EPROTONOSUPPORT,
			"history database %s has layout %d, this rtkvm knows %d; use the rtkvm that wrote "
			"it or another --db",
			path, version, LAYOUT);
		goto fail;
	}
	if (version < LAYOUT && exec(db, schema, e))
		goto fail;
	return db;
fail:
	history_close(db);
	return NULL;
}

void history_close(struct history_db *db)
{
	if (!db)
		return;
	sqlite3_close(db->db);
	free(db);
}

int history_begin(struct history_db *db, struct err *e)
{
	return exec(db, "BEGIN IMMEDIATE", e);
}

int history_commit(struct history_db *db, struct err *e)
{
	return exec(db, "COMMIT", e);
}

/* A statement whose first parameter is the run; *s is the caller's to finalize. */
static int prepare(struct history_db *db, const char *sql, const char *run, sqlite3_stmt **s,
		   struct err *e)
{
	if (sqlite3_prepare_v2(db->db, sql, -1, s, NULL) != SQLITE_OK)
		return fail(db, e);
	if (run)
		sqlite3_bind_text(*s, 1, run, -1, SQLITE_TRANSIENT);
	return 0;
}

int history_known(struct history_db *db, const char *run, int64_t mtime_ns, struct err *e)
{
	sqlite3_stmt *s = NULL;
	int ret = prepare(db, "SELECT 1 FROM runs WHERE run = ?1 AND mtime_ns = ?2 LIMIT 1", run,
			  &s, e);

	if (!ret) {
		sqlite3_bind_int64(s, 2, mtime_ns);
		ret = sqlite3_step(s) == SQLITE_ROW;
	}
	sqlite3_finalize(s);
	return ret;
}

int history_forget(struct history_db *db, const char *run, struct err *e)
{
	sqlite3_stmt *s = NULL;
	int ret = prepare(db, "DELETE FROM runs WHERE run = ?1", run, &s, e);

	if (!ret && sqlite3_step(s) != SQLITE_DONE)
		ret = fail(db, e);
	sqlite3_finalize(s);
	return ret;
}

static void bind_known(sqlite3_stmt *s, int at, int64_t v)
{
	if (v < 0)
		sqlite3_bind_null(s, at);
	else
		sqlite3_bind_int64(s, at, v);
}

int history_add(struct history_db *db, const struct history_row *row, int64_t mtime_ns,
		struct err *e)
{
	const char *const texts[] = { row->instrument, row->name,   row->started,      row->verdict,
				      row->key,	       row->kernel, row->guest_kernel, row->vmm };
	sqlite3_stmt *s = NULL;
	int ret = prepare(
		db,
		"INSERT OR REPLACE INTO runs (run, instrument, name, started, verdict, key, "
		"kernel, guest_kernel, vmm, mtime_ns, samples, max_ns, p50_ns, p999_ns) "
		"VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
		row->run, &s, e);

	if (!ret) {
		for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
			sqlite3_bind_text(s, i + 2, texts[i], -1, SQLITE_TRANSIENT);
		sqlite3_bind_int64(s, 10, mtime_ns);
		bind_known(s, 11, row->samples);
		bind_known(s, 12, row->max_ns);
		bind_known(s, 13, row->p50_ns);
		bind_known(s, 14, row->p999_ns);
		if (sqlite3_step(s) != SQLITE_DONE)
			ret = fail(db, e);
	}
	sqlite3_finalize(s);
	return ret;
}

static void column_text(sqlite3_stmt *s, int at, char *buf, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(s, at);

	snprintf(buf, size, "%s", text ? text : "");
}

static int64_t column_known(sqlite3_stmt *s, int at)
{
	return sqlite3_column_type(s, at) == SQLITE_NULL ? -1 : sqlite3_column_int64(s, at);
}

static void read_row(sqlite3_stmt *s, struct history_row *r)
{
	column_text(s, 0, r->run, sizeof(r->run));
	column_text(s, 1, r->instrument, sizeof(r->instrument));
	column_text(s, 2, r->name, sizeof(r->name));
	column_text(s, 3, r->started, sizeof(r->started));
	column_text(s, 4, r->verdict, sizeof(r->verdict));
	column_text(s, 5, r->key, sizeof(r->key));
	column_text(s, 6, r->kernel, sizeof(r->kernel));
	column_text(s, 7, r->guest_kernel, sizeof(r->guest_kernel));
	column_text(s, 8, r->vmm, sizeof(r->vmm));
	r->samples = column_known(s, 9);
	r->max_ns = column_known(s, 10);
	r->p50_ns = column_known(s, 11);
	r->p999_ns = column_known(s, 12);
}

int history_rows(struct history_db *db, struct history_row **rows, size_t *n, struct err *e)
{
	sqlite3_stmt *s = NULL;
	size_t room = 0;
	int ret = prepare(
		db,
		"SELECT run, instrument, name, started, verdict, key, kernel, guest_kernel, vmm, "
		"samples, max_ns, p50_ns, p999_ns FROM runs "
		"ORDER BY key, instrument, started, run",
		NULL, &s, e);

	*rows = NULL;
	*n = 0;
	while (!ret && (ret = sqlite3_step(s)) == SQLITE_ROW) {
		ret = 0;
		if (*n == room) {
			struct history_row *more;

			room = room ? 2 * room : 64;
			more = realloc(*rows, room * sizeof(*more));
			if (!more) {
				ret = err_set(e, -ENOMEM, "reading the history failed: no memory");
				break;
			}
			*rows = more;
		}
		read_row(s, &(*rows)[(*n)++]);
	}
	if (ret == SQLITE_DONE)
		ret = 0;
	else if (ret > 0)
		ret = fail(db, e);
	sqlite3_finalize(s);
	return ret;
}
